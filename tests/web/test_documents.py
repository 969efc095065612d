"""Documents by program and on their pages."""

from __future__ import annotations

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from orchestrator.memory import library
from staff.actions import memory
from staff.models import Document, DocumentVersion, Memory
from tests.orchestrator.tools import papers
from tests.web import made
from tests.web.conftest import browser_of
from tests.web.test_api import V1, Program, error

TEXT = b"# Leave\n\nEach has 25 days.\n\n# Moving\n\nTwo free days.\n"


@pytest.fixture
def program(boss, office):
    return Program(boss, office)


def upload(client, path, *files, **more):
    sent = [SimpleUploadedFile(name, content) for name, content in files]
    return client.post(path, {"files": sent, **more})


def read_all():
    for version in DocumentVersion.objects.filter(state="waiting"):
        library.read(version.pk)


class TestApi:
    def test_the_way_of_a_document(self, program):
        answer = upload(program.client, f"{V1}/documents", ("handbook.pdf", papers.pdf()))
        assert answer.status_code == 201, answer.content
        (given,) = answer.json()["results"]
        assert given["outcome"] == "new" and given["document"]["newest"]["state"] == "waiting"
        assert given["document"]["current"] is None and given["document"]["scope"] == "workspace"
        read_all()
        path = f"/documents/{given['document']['id']}"
        version = program.get(path).json()["current"]
        assert (version["state"], version["pages"], version["passages_done"]) == ("ready", 2, 2)
        second = program.get(f"{path}/passages").json()["results"][1]
        assert (second["page"], second["heading"]) == (2, ["Moving house"])
        best = program.get("/memories/recall", q="moving house days", k=1).json()["results"][0]
        assert best["memory"]["id"] == second["memory"] and best["url"] == second["url"]
        assert best["url"] == f"/memory/documents/{given['document']['id']}?version=1&at=2#p2"
        assert program.get(f"{path}/content").content == papers.pdf()
        assert program.get("/documents").json()["count"] == 1
        assert program.client.delete(V1 + path).json() == {"forgotten": 2}
        assert program.get(path).status_code == 404

    def test_good_files_are_taken_and_bad_ones_named(self, program):
        files = [("a.md", TEXT), ("empty.txt", b""), ("copy.md", TEXT)]
        results = upload(program.client, f"{V1}/documents", *files, scope="boss").json()["results"]
        assert [each["outcome"] for each in results] == ["new", "refused", "known"]
        assert "empty.txt is empty" in results[1]["error"]
        assert results[2]["document"]["name"] == "a.md"
        assert upload(program.client, f"{V1}/documents", ("e.txt", b"")).status_code == 400

    @pytest.mark.parametrize(
        ("more", "words"),
        [({"scope": "team:Nobody"}, "Nobody here is called"), ({"scope": "moon"}, "is no scope")],
    )
    def test_a_wrong_scope_is_told(self, program, more, words):
        answer = upload(program.client, f"{V1}/documents", ("a.md", TEXT), **more)
        assert answer.status_code == 400 and words in error(answer)["message"]
        assert not Document.objects.exists()

    def test_no_file_at_all(self, program):
        assert "files" in error(program.client.post(f"{V1}/documents", {}))["fields"]
        assert program.post("/documents", {"files": ["x"]}).status_code == 415

    def test_a_version_that_is_not_there(self, program, boss, office):
        path = f"/documents/{made.document(boss, office, 'a.md', TEXT).pk}"
        assert program.get(f"{path}/passages", version=2).status_code == 404
        assert program.get(f"{path}/passages", version="x").status_code == 400
        assert program.get(f"{path}/passages", version=1).json()["count"] == 2

    def test_a_file_that_went_with_a_passage(self, program, boss, office):
        found = made.document(boss, office, "a.md", TEXT)
        memory.forget([found.current.passages.first().memory], by="boss")
        path = f"/documents/{found.pk}"
        assert program.get(f"{path}/content").status_code == 404
        texts = [each["text"] for each in program.get(f"{path}/passages").json()["results"]]
        assert texts[0] is None and "Two free days" in texts[1]

    def test_what_is_private_stays_private(self, boss, office, teammate):
        found = made.document(boss, office, "diary.md", TEXT, scope="boss")
        other = Program(teammate, office)
        assert other.get("/documents").json()["count"] == 0
        for path in ("", "/passages", "/content"):
            assert other.get(f"/documents/{found.pk}{path}").status_code == 404
        assert other.client.delete(f"{V1}/documents/{found.pk}").status_code == 404

    def test_a_viewer_may_look_only(self, boss, office, viewer):
        found = made.document(boss, office, "a.md", TEXT)
        looking = Program(viewer, office)
        assert looking.get(f"/documents/{found.pk}").status_code == 200
        assert upload(looking.client, f"{V1}/documents", ("b.md", TEXT)).status_code == 403
        assert looking.client.delete(f"{V1}/documents/{found.pk}").status_code == 403
        assert Document.objects.count() == 1


class TestPages:
    def test_a_document_is_dropped_read_and_looked_into(self, desk):
        answer = desk.get("/memory/documents").content.decode()
        assert "No documents yet" in answer and "every 1s" not in answer
        answer = upload(desk, "/memory/documents/add", ("a.md", TEXT), ("b.txt", b""))
        seen = desk.get(answer.url).content.decode()
        assert "1 document is being read." in seen and "b.txt is empty" in seen
        assert "every 1s" in seen and "Waits to be read" in seen
        found = Document.objects.get()
        page = f"/memory/documents/{found.pk}"
        part = desk.get(page, headers={"hx-request": "true"})
        assert "HX-Refresh" not in part and b"every 1s" in part.content
        read_all()
        assert desk.get(page, headers={"hx-request": "true"})["HX-Refresh"] == "true"
        seen = desk.get(page).content.decode()
        assert 'id="p2"' in seen and "Two free days." in seen and "a.md › Moving" not in seen
        assert desk.get(f"{page}/content").content == TEXT
        rows = desk.get("/memory/documents", headers={"hx-request": "true"}).content.decode()
        assert "2 passages" in rows and "<html" not in rows and "every 1s" not in rows

    def test_words_of_a_document_are_text_and_nothing_else(self, desk, boss, office):
        bad = b"# <script>alert(1)</script>\n\n<img src=x onerror=alert(2)>\n"
        found = made.document(boss, office, "<b>a.md", bad)
        seen = desk.get(f"/memory/documents/{found.pk}").content.decode()
        assert "<script>alert" not in seen and "<img src=x" not in seen
        assert "&lt;img src=x" in seen

    def test_the_passage_of_a_citation_is_on_the_page_that_opens(self, desk, boss, office):
        text = b"".join(b"# H%d\n\nText %d\n\n" % (n, n) for n in range(1, 121))
        found = made.document(boss, office, "long.md", text)
        seen = desk.get(f"/memory/documents/{found.pk}?version=1&at=77").content.decode()
        assert 'id="p77"' in seen and 'id="p50"' not in seen
        assert desk.get(f"/memory/documents/{found.pk}?at=9999").status_code == 200
        assert desk.get(f"/memory/documents/{found.pk}?at=x").status_code == 404
        assert desk.get(f"/memory/documents/{found.pk}?version=7").status_code == 404

    def test_an_older_version_says_so(self, desk, boss, office):
        made.document(boss, office, "a.md", TEXT)
        found = made.document(boss, office, "a.md", TEXT.replace(b"25", b"30"))
        now = desk.get(f"/memory/documents/{found.pk}").content.decode()
        before = desk.get(f"/memory/documents/{found.pk}?version=1").content.decode()
        assert "30 days" in now and "25 days" in before
        assert "not the version that is remembered" in before
        assert "not the version that is remembered" not in now

    def test_a_file_that_cannot_be_read_says_why(self, desk, boss, office):
        found = made.document(boss, office, "locked.pdf", papers.pdf(password="x"))
        for path in ("/memory/documents", f"/memory/documents/{found.pk}"):
            assert "protected by a password" in desk.get(path).content.decode()

    def test_forgetting_a_document(self, desk, boss, office):
        found = made.document(boss, office, "a.md", TEXT)
        answer = desk.post(f"/memory/documents/{found.pk}/forget", follow=True)
        assert "2 memories went with it" in answer.content.decode()
        assert not Document.objects.exists()
        assert set(Memory.objects.values_list("state", flat=True)) == {"forgotten"}

    def test_a_viewer_sees_no_way_to_add_or_forget(self, boss, office, viewer):
        found = made.document(boss, office, "a.md", TEXT)
        client = browser_of(viewer)
        assert b"data-drop" not in client.get("/memory/documents").content
        assert b"Forget" not in client.get(f"/memory/documents/{found.pk}").content
        assert upload(client, "/memory/documents/add", ("b.md", TEXT)).status_code == 403
        assert client.post(f"/memory/documents/{found.pk}/forget").status_code == 403

    def test_the_list_asks_the_same_number_of_questions_however_long_it_is(
        self, desk, boss, office, django_assert_max_num_queries
    ):
        for n in range(8):
            given = io.BytesIO(b"# %d" % n)
            library.add(memory.scope_of(office), boss, library.GivenFile(f"{n}.md", given, 3))
        with django_assert_max_num_queries(14):
            assert desk.get("/memory/documents").status_code == 200
