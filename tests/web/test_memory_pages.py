"""The pages of the memory: search, filters, one memory, what waits for the boss."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestrator import memory as memories
from staff.actions import memory
from staff.actions.memory import Draft
from staff.models import Memory
from staff.recall import visible_to
from tests.web import made
from tests.web.conftest import browser_of

BOSS = Memory.Trust.BOSS


@pytest.fixture
def scope(office):
    return memory.scope_of(office)


@pytest.fixture
def told(scope):
    drafts = [
        Draft("we adopted a greyhound", actor="Tom"),
        Draft("the invoice of Birch is overdue", actor="Ann"),
    ]
    return [each.memory for each in memories.remember(scope, drafts)]


def fact(scope, value, subject="Ann", attribute="phone", **more):
    draft = Draft(kind="fact", subject=subject, attribute=attribute, value=value, **more)
    return memories.remember(scope, [draft])[0].memory


def seen(client, path, **query):
    return client.get(path, query).content.decode()


def test_an_empty_memory_says_what_it_is_for(desk):
    assert "Nothing is remembered yet" in seen(desk, "/memory")
    assert "Nothing that you may see fits" in seen(desk, "/memory", q="x")
    assert "Nothing to settle" in seen(desk, "/memory/settle")


def test_search_finds_by_meaning_and_says_why(desk, told):
    answer = desk.get("/memory", {"q": "Who has a dog?"})
    assert answer.context["rows"][0]["memory"] == told[0]
    assert "found by its meaning" in answer.content.decode()


def test_filters_narrow_what_is_shown(desk, scope, office, boss, told):
    fact(scope, "555", trust=BOSS)
    private = memory.scope_of(office, "boss", user=boss)
    memories.remember(private, [Draft("my own secret")])
    made.document(boss, office, "bills.md", b"# Bills\n\nThe invoice of Delta is paid.")
    for query, here, away in (
        ({"kind": "fact"}, "555", "greyhound"),
        ({"scope": "boss"}, "secret", "greyhound"),
        ({"source": "bills"}, "Delta", "Birch"),
        ({"source": "tom"}, "greyhound", "Birch"),
        ({"q": "invoice", "kind": "chunk"}, "Delta", "Birch"),
        ({"q": "invoice", "source": "Ann"}, "Birch", "Delta"),
    ):
        page = seen(desk, "/memory", **query)
        assert here in page and away not in page, query
    assert desk.get("/memory", {"kind": "x", "state": "\0", "scope": "moon:9"}).status_code == 200


def test_what_was_replaced_is_shown_when_asked_for(desk, scope):
    fact(scope, "111", said_at=timezone.now() - timedelta(days=3))
    fact(scope, "222")
    assert "111" not in seen(desk, "/memory") and "222" in seen(desk, "/memory")
    assert "111" in seen(desk, "/memory", state="superseded")
    both = seen(desk, "/memory", state="all", q="Ann's phone")
    assert "111" in both and "222" in both
    new = Memory.objects.get(value="222")
    page = seen(desk, f"/memory/{new.pk}")
    assert "111" in page and "Replaced by something newer" in page


def test_pages_of_many(desk, scope):
    memory.remember(scope, [Draft(f"note {n:03}") for n in range(70)])
    first = desk.get("/memory")
    assert "note 069" in first.content.decode() and "note 039" not in first.content.decode()
    older = first.context["found"].page.older
    assert "note 039" in seen(desk, "/memory", before=older)


def test_the_list_asks_the_same_number_of_questions_however_long_it_is(
    desk, scope, boss, office, django_assert_max_num_queries
):
    made.document(boss, office, "a.md", b"".join(b"# H%d\n\nText\n\n" % n for n in range(30)))
    memory.remember(scope, [Draft(f"note {n}") for n in range(10)])
    with django_assert_max_num_queries(14):
        desk.get("/memory")
    with django_assert_max_num_queries(26):
        desk.get("/memory", {"q": "text"})


class TestRemembering:
    def test_something_said(self, desk, boss):
        given = {"text": "The stapler is in room 4", "scope": "boss"}
        answer = desk.post("/memory/new", given, follow=True)
        kept = Memory.objects.get()
        assert "Remembered." in answer.content.decode() and kept.scope.user == boss
        assert (kept.trust, kept.is_tainted, kept.actor) == (BOSS, False, boss.username)
        assert kept.vectors.exists()

    def test_a_fact(self, desk):
        given = {"scope": "workspace", "subject": "Ann", "attribute": "phone", "value": "555"}
        desk.post("/memory/new", given)
        desk.post("/memory/new", given | {"value": "666"})
        assert list(Memory.objects.order_by("id").values_list("value", "state")) == [
            ("555", "superseded"),
            ("666", "active"),
        ]

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"text": ""}, "Say what should be remembered"),
            ({"text": "x" * 20_001}, "at most 20000 characters"),
            ({"text": "x", "subject": "Ann"}, "A fact needs all three"),
            ({"subject": "!", "attribute": "?", "value": "1"}, "a word in it"),
            ({"text": "kept words", "scope": "moon"}, "kept words"),
        ],
    )
    def test_what_cannot_be_remembered_stays_typed(self, desk, given, words):
        answer = desk.post("/memory/new", {"scope": "workspace", **given})
        assert answer.status_code == 422 and words in answer.content.decode()
        assert not Memory.objects.exists()


class TestOneMemory:
    def test_what_it_says_where_from_and_what_happened(self, desk, told):
        page = seen(desk, f"/memory/{told[0].pk}")
        assert "greyhound" in page and "Remembered" in page and "No task has needed it yet" in page

    def test_why_it_was_used_both_ways(self, desk, boss, office, told):
        goal = made.done(boss, office)
        task = goal.tasks.first()
        found = memories.recall(visible_to(boss, office), "greyhound", 2)
        memory.note_uses(found, "who has a dog", goal_id=goal.pk, task_id=task.pk)
        memory.note_cited(task.pk, [told[0].pk])
        page = seen(desk, f"/memory/{told[0].pk}")
        assert task.title in page and "Cited" in page and "who has a dog" in page
        part = seen(desk, f"/goals/{goal.pk}/tasks/{task.pk}/memory")
        assert f"/memory/{told[0].pk}" in part and "Cited" in part
        other = goal.tasks.last()
        assert "learned nothing" in seen(desk, f"/goals/{goal.pk}/tasks/{other.pk}/memory")
        assert f"/tasks/{task.pk}/memory" in seen(desk, f"/goals/{goal.pk}")

    def test_a_task_shows_no_memory_that_is_private_to_another(self, boss, office, teammate):
        task = made.done(boss, office).tasks.first()
        private = memory.scope_of(office, "boss", user=boss)
        draft = Draft("a secret", goal_id=task.goal_id, task_id=task.pk)
        memory.remember(private, [draft])
        path = f"/goals/{task.goal_id}/tasks/{task.pk}/memory"
        assert "secret" in seen(browser_of(boss), path)
        assert "secret" not in seen(browser_of(teammate), path)

    def test_correct_pin_and_forget(self, desk, told):
        path = f"/memory/{told[0].pk}"
        given = {"text": "we adopted two greyhounds", "seen": told[0].version}
        answer = desk.post(f"{path}/do/edit", given, follow=True).content.decode()
        assert "two greyhounds" in answer and "It said before:" in answer
        assert "Pinned." in desk.post(f"{path}/do/pin", follow=True).content.decode()
        assert "No longer" in desk.post(f"{path}/do/pin", follow=True).content.decode()
        answer = desk.post(f"{path}/do/forget", follow=True).content.decode()
        assert "Forgotten." in answer and "greyhound" not in answer
        assert desk.get(path).status_code == 404
        assert desk.post(f"{path}/do/pin").status_code == 404

    def test_the_value_of_a_fact_takes_its_words_along(self, desk, scope):
        found = fact(scope, "555", text="Ann's phone is 555")
        given = {"text": found.text, "value": "666", "seen": found.version}
        desk.post(f"/memory/{found.pk}/do/edit", given)
        found.refresh_from_db()
        assert (found.value, found.text) == ("666", "Ann's phone is 666")

    def test_two_who_correct_at_once_lose_nothing(self, desk, teammate, told):
        path, before = f"/memory/{told[0].pk}/do/edit", told[0].version
        browser_of(teammate).post(path, {"text": "a whippet", "seen": before})
        answer = desk.post(path, {"text": "a lurcher", "seen": before})
        page = answer.content.decode()
        assert answer.status_code == 409 and "Somebody changed it" in page
        assert "a whippet" in page and "a lurcher</textarea>" in page
        told[0].refresh_from_db()
        assert told[0].text == "a whippet"
        desk.post(path, {"text": "a lurcher", "seen": answer.context["form"]["seen"].value()})
        told[0].refresh_from_db()
        assert told[0].text == "a lurcher"

    @pytest.mark.parametrize(("text", "words"), [("", "needs words"), ("x" * 20_001, "at most")])
    def test_a_correction_that_cannot_be(self, desk, told, text, words):
        given = {"text": text, "seen": told[0].version}
        answer = desk.post(f"/memory/{told[0].pk}/do/edit", given)
        assert answer.status_code == 422 and words in answer.content.decode()

    def test_forgetting_says_first_what_goes_with_it(self, desk, boss, office, scope):
        found = made.document(boss, office, "a.md", b"# Leave\n\n25 days.")
        passage = found.current.passages.get().memory
        fact(scope, "25", sources=(memory.Source(origin_id=passage.pk),))
        page = seen(desk, f"/memory/{passage.pk}")
        assert "With it goes what was drawn from it" in page and "Ann phone: 25" in page
        assert "The files that hold its words go as well" in page and "a.md, version 1" in page
        answer = desk.post(f"/memory/{passage.pk}/do/forget", follow=True)
        assert "Forgotten, with 1 that were drawn" in answer.content.decode()
        assert "This passage was forgotten" in seen(desk, f"/memory/documents/{found.pk}")

    def test_a_viewer_may_look_only(self, viewer, told):
        client = browser_of(viewer)
        page = seen(client, f"/memory/{told[0].pk}")
        assert "greyhound" in page and "Forget it" not in page and "Correct it" not in page
        for verb in ("edit", "pin", "forget", "accept"):
            assert client.post(f"/memory/{told[0].pk}/do/{verb}").status_code == 403
        assert client.get("/memory/new").status_code == 403

    def test_an_unknown_verb_is_nothing(self, desk, told):
        assert desk.post(f"/memory/{told[0].pk}/do/paint").status_code == 404
        assert desk.get(f"/memory/{told[0].pk}/do/pin").status_code == 405


class TestSettling:
    @pytest.fixture
    def conflict(self, scope):
        known = fact(scope, "111", trust=BOSS)
        return known, fact(scope, "222", trust=Memory.Trust.DOCUMENT, is_tainted=True)

    def test_a_conflict_is_shown_and_either_can_win(self, desk, conflict):
        known, new = conflict
        page = seen(desk, "/memory/settle")
        assert "111" in page and "222" in page
        assert 'class="count inline">1<' in seen(desk, "/memory")
        assert "222" in seen(desk, "/memory", state="quarantined", q="222")
        desk.post(f"/memory/{new.pk}/do/accept")
        assert Memory.objects.get(state="active").value == "222"
        assert Memory.objects.get(pk=known.pk).state == "superseded"
        assert "Nothing to settle" in seen(desk, "/memory/settle")

    def test_what_is_known_can_stay(self, desk, conflict):
        known, new = conflict
        answer = desk.post(f"/memory/{new.pk}/do/forget", {"back": "settle"}, follow=True)
        assert "Nothing to settle" in answer.content.decode()
        assert Memory.objects.get(state="active") == known

    def test_settling_twice_says_so(self, desk, conflict):
        known, _new = conflict
        answer = desk.post(f"/memory/{known.pk}/do/accept", follow=True)
        assert "nothing to settle" in answer.content.decode()

    def test_two_facts_that_are_alike_can_both_stay(self, desk, scope):
        one = fact(scope, "555", attribute="phone number")
        other = fact(scope, "555", attribute="telephone number")
        page = seen(desk, "/memory/settle")
        assert "Two names for one thing?" in page
        desk.post("/memory/settle/both", {"a": other.pk, "b": one.pk})
        assert "Two names for one thing?" not in seen(desk, "/memory/settle")
        assert "Kept beside another" in seen(desk, f"/memory/{one.pk}")

    def test_both_of_a_foreign_office(self, desk, outsider, scope):
        one = fact(scope, "555")
        client = browser_of(outsider)
        assert client.post("/memory/settle/both", {"a": one.pk, "b": one.pk}).status_code == 404
        assert desk.post("/memory/settle/both", {"a": one.pk}).status_code == 404
