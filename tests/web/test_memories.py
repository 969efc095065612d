"""Memories by program and by command."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from orchestrator import memory as memories
from staff.actions import memory
from staff.actions.memory import Draft
from staff.models import Document, Memory, Scope
from tests.web.conftest import browser_of
from tests.web.test_api import JSON, V1, Program, error


@pytest.fixture
def program(boss, office):
    return Program(boss, office)


@pytest.fixture
def told(office):
    drafts = [
        Draft("we adopted a greyhound", actor="Tom"),
        Draft("the invoice of Birch is overdue", actor="Ann"),
    ]
    kept = memories.remember(memory.scope_of(office), drafts)
    return [each.memory for each in kept]


def test_remember_one_and_recall_it(program, boss):
    answer = program.post("/memories", {"text": "The stapler is in room 4"})
    assert answer.status_code == 201, answer.content
    (kept,) = answer.json()["results"]
    assert kept["outcome"] == "new" and kept["memory"]["trust"] == "boss"
    assert kept["memory"]["scope"] == "workspace"
    found = program.get("/memories/recall", q="Where is the stapler?", k=3).json()["results"]
    assert found[0]["memory"]["id"] == kept["memory"]["id"]
    assert found[0]["why"]["words"] > 0 and found[0]["via"] is None


def test_remember_a_batch_in_several_scopes(program, office, boss):
    rows = [
        {"text": "one", "actor": "Tom", "said_at": "2026-03-01T10:00:00Z", "source": "mail 7"},
        {"text": "two", "scope": "boss"},
        {"kind": "fact", "subject": "Ann", "attribute": "phone", "value": "1", "scope": "team:Ada"},
        {"text": "one", "actor": "Tom"},
    ]
    results = program.post("/memories", {"memories": rows}).json()["results"]
    assert [each["outcome"] for each in results] == ["new", "new", "new", "again"]
    assert [each["memory"]["scope"] for each in results] == [
        "workspace",
        "boss",
        "team:Ada",
        "workspace",
    ]
    first = Memory.objects.get(pk=results[0]["memory"]["id"])
    assert first.is_tainted and first.sources.first().name == "mail 7"
    listed = program.get("/memories", scope="boss").json()
    assert [each["text"] for each in listed["results"]] == ["two"]


def test_a_bad_row_is_named_and_nothing_is_kept(program):
    answer = program.post("/memories", {"memories": [{"text": "good"}, {"text": "x" * 20_001}]})
    assert answer.status_code == 400 and "memories.1" in error(answer)["fields"]
    for body in (
        {},
        {"text": ""},
        {"text": "a\0b"},
        {"text": "\ud800"},
        {"text": ["x"]},
        {"text": "x", "kind": "rumour"},
        {"text": "x", "said_at": "soon"},
        {"text": "x", "scope": "moon"},
        {"text": "x", "scope": "agent:nobody"},
        {"kind": "fact", "subject": "Ann", "attribute": "phone"},
        {"memories": []},
        {"memories": "x"},
        {"memories": [1]},
        {"memories": [{"text": "x"}] * 1001},
        [],
        7,
    ):
        assert program.post("/memories", body).status_code == 400, body
    assert not Memory.objects.exists()


@pytest.mark.parametrize(
    "query",
    [{}, {"q": ""}, {"q": "x", "k": 0}, {"q": "x", "k": 101}, {"q": "x", "as_of": "soon"}],
)
def test_bad_questions(program, query):
    assert program.get("/memories/recall", **query).status_code == 400


def test_recall_as_of(program):
    for value, moment in (("111", "2026-01-01T00:00:00Z"), ("222", "2026-02-01T00:00:00Z")):
        row = {"kind": "fact", "subject": "Ann", "attribute": "phone", "value": value}
        program.post("/memories", row | {"said_at": moment})

    def values(**query):
        found = program.get("/memories/recall", q="phone of Ann", **query).json()["results"]
        return [each["memory"]["value"] for each in found]

    assert values() == ["222"]
    assert values(as_of="2026-01-15T00:00:00Z") == ["111"]
    assert set(values(past="true")) == {"111", "222"}
    old = Memory.objects.get(value="111")
    shown = program.get(f"/memories/{old.pk}").json()
    assert shown["valid_to"] == "2026-02-01T00:00:00Z" and shown["state"] == "superseded"


def test_correct_pin_settle_forget(program, told, office):
    path = f"/memories/{told[0].pk}"
    changed = program.patch(path, {"text": "we adopted a beagle", "is_pinned": True}).json()
    assert changed["text"] == "we adopted a beagle" and changed["is_pinned"]
    assert "Only a fact" in error(program.patch(path, {"value": "x"}))["message"]
    assert "nothing to settle" in error(program.patch(path, {"accept": True}))["message"]
    assert program.patch(path, {"accept": False}).status_code == 400
    gone = program.client.delete(V1 + path)
    assert gone.json() == {"forgotten": 1}
    assert program.get(path).status_code == 404 == program.client.delete(V1 + path).status_code
    again = program.post("/memories", {"text": "we adopted a beagle"}).json()["results"]
    assert again == [{"outcome": "forgotten", "memory": None}]


def test_a_conflict_waits_and_is_accepted(program, office, boss):
    row = {"kind": "fact", "subject": "Ann", "attribute": "phone"}
    program.post("/memories", row | {"value": "1"})
    (kept,) = program.post("/memories", row | {"value": "2", "source": "mail"}).json()["results"]
    assert kept["outcome"] == "quarantined"
    waiting = program.get("/memories", state="quarantined").json()["results"]
    path = f"/memories/{waiting[0]['id']}"
    assert program.patch(path, {"accept": True}).json()["state"] == "active"


def test_viewers_look_and_do_not_touch(viewer, office, told):
    looking = Program(viewer, office)
    assert looking.get("/memories/recall", q="greyhound").json()["results"]
    path = f"/memories/{told[0].pk}"
    assert looking.get(path).status_code == 200
    assert looking.post("/memories", {"text": "x"}).status_code == 403
    assert looking.patch(path, {"is_pinned": True}).status_code == 403
    assert looking.client.delete(V1 + path).status_code == 403
    reading = Program(viewer, office, scope="read")
    assert reading.get("/memories").json()["count"] == 2


def test_nobody_hears_what_is_not_theirs(boss, teammate, outsider, office, told):
    private = memories.remember(
        memory.scope_of(office, Scope.Kind.BOSS, user=boss), [Draft("the greyhound is a secret")]
    )[0].memory
    for user, hears in ((boss, 2), (teammate, 1), (outsider, 0)):
        client = browser_of(user)
        found = client.get(f"{V1}/memories/recall", {"q": "greyhound"}).json()["results"]
        assert sum("greyhound" in each["memory"]["text"] for each in found) == hears
        status = 200 if user == boss else 404
        assert client.get(f"{V1}/memories/{private.pk}").status_code == status
    change = {"is_pinned": True}
    client = browser_of(teammate)
    assert client.patch(f"{V1}/memories/{private.pk}", change, **JSON).status_code == 404
    assert client.delete(f"{V1}/memories/{private.pk}").status_code == 404


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("memory", *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as left:
        err.write(f"exit {left.code}")
    return out.getvalue(), err.getvalue()


def test_the_command_imports_recalls_exports_and_forgets(boss, office, tmp_path):
    file = tmp_path / "memories.jsonl"
    file.write_text('{"text": "the stapler is red"}\nnonsense\n{"text": "the lamp is blue"}\n')
    out, err = run("import", file)
    assert out == "remembered: 2 new; 1 bad lines left out\n"
    assert "line 2: it is no JSON" in err and "exit 1" in err
    out, _ = run("recall", "What is blue?", "-k", 1)
    assert "the lamp is blue" in out and "red" not in out
    out, _ = run("recall", "stapler", "--json", "-k", 1)
    row = json.loads(out)
    assert row["text"] == "the stapler is red" and row["score"] > 0
    exported, _ = run("export")
    assert [json.loads(line)["text"] for line in exported.splitlines()] == [
        "the stapler is red",
        "the lamp is blue",
    ]
    out, err = run("forget", row["id"], 10**9)
    assert out.startswith("forgotten: 1") and "no memory 1000000000" in err
    assert "stapler" not in run("export")[0]


def test_the_command_says_what_is_wrong(boss, office):
    for arguments in (("import", "/nonexistent"), ("recall", "x", "--as-of", "soon")):
        with pytest.raises(CommandError):
            run(*arguments)
    assert run("recall", "x", "--scope", "moon")[0] == ""


def test_documents_by_command(office, tmp_path, capsys):
    (tmp_path / "a.md").write_text("# Leave\n\n25 days.")
    (tmp_path / "b.md").write_text("")
    given = [str(tmp_path / name) for name in ("a.md", "a.md", "b.md")]
    with pytest.raises(SystemExit):
        call_command("memory", "add", *given, "--scope", "boss")
    told = capsys.readouterr()
    assert told.out == "a.md: is being read\na.md: is there already\n"
    assert "b.md is empty" in told.err
    assert Document.objects.get().scope.kind == "boss"
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("memory", "add", str(tmp_path / "c.md"))
