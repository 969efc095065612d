"""What is found, in which order, and why."""

from __future__ import annotations

import numpy as np
import pytest

from staff.actions import goals, memory
from staff.domain import bm25
from staff.domain.words import terms
from staff.models import Memory, Scope
from staff.recall import alike, recall, visible_to
from staff.recall.scoring import Lexicon
from staff.recall.shelf import Shelf, Shelves, shelves
from tests.staff.recall.conftest import NOW, days_ago


@pytest.fixture
def sight(boss, office, scope):
    return visible_to(boss, office)


@pytest.fixture
def ask(sight, embedder):
    def asked(query, k=10, **options):
        return recall(sight, query, k, embedder=embedder, now=NOW, **options)

    return asked


def texts(found):
    return [each.memory.text for each in found]


def test_the_index_gives_the_numbers_of_the_plain_formula(office, boss, scope, say, sight):
    agent = office.agents.first()
    own = memory.scope_of(office, Scope.Kind.AGENT, agent=agent)
    said = [
        say(scope, "a greyhound, a greyhound and the cat"),
        say(own, "the cat sat on the invoice"),
        say(scope, "nothing of the kind happened to anybody in that long week"),
        say(own, "greyhound"),
    ]
    sight = visible_to(boss, office)
    asked = terms("greyhound cat")
    scopes = list(Scope.objects.filter(pk__in=sight.scope_ids).order_by("id"))
    views = shelves.of(scopes, "hash")
    scores = Lexicon(scopes, views, asked).scores(asked)
    found = {
        int(row["id"]): float(score)
        for view, column in zip(views, scores, strict=True)
        for row, score in zip(view.rows, column, strict=True)
    }
    wanted = bm25.scores(asked, [terms(each.text) for each in said])
    assert [found[each.pk] for each in said] == pytest.approx(list(wanted), rel=1e-4)


def test_words_and_meaning_both_find(scope, say, ask):
    say(scope, "Tom: we took a greyhound home")
    say(scope, "Ann: the invoice was settled")
    assert texts(ask("invoice"))[0] == "the invoice was settled"
    best = ask("which dog?")[0]
    assert best.memory.text == "we took a greyhound home" and best.why["meaning"] > 0
    assert sum(best.why.values()) == pytest.approx(best.score, abs=1e-3)


def test_who_said_it_is_a_field(scope, say, ask):
    for name in ("Tom Baker", "Ann Lee", "Maria Lopez"):
        say(scope, f"{name}: my holiday is booked")
    assert ask("When is Maria on holiday?")[0].memory.actor == "Maria Lopez"
    assert [r.memory.actor for r in ask("holiday", actor="Ann Lee")] == ["Ann Lee"]


def test_when_it_was_said_or_happened_is_a_field(scope, say, ask):
    say(scope, "Tom: repaired the roof", days=40)
    say(scope, "Tom: repaired the boiler", days=9)
    say(scope, "Tom: repaired the fence yesterday", days=1)
    assert texts(ask("What did Tom do last week?"))[0] == "repaired the boiler"
    assert texts(ask("What did Tom do on 18 March 2026?"))[0] == "repaired the fence yesterday"
    assert texts(ask("What did Tom do in early February?"))[0] == "repaired the roof"


def test_a_superseded_fact_only_when_the_past_is_asked_for(scope, fact, ask):
    fact(scope, "Ann", "phone", "111", days=60)
    fact(scope, "Ann", "phone", "222", days=20)
    assert [r.memory.value for r in ask("phone of Ann")] == ["222"]
    assert [r.memory.value for r in ask("phone of Ann", as_of=days_ago(40))] == ["111"]
    assert ask("phone of Ann", as_of=days_ago(90)) == []
    assert {r.memory.value for r in ask("phone of Ann", with_past=True)} == {"111", "222"}
    in_time = ask("phone of Ann in February 2026")
    assert {r.memory.value for r in in_time} == {"111", "222"}
    old = next(r.memory for r in in_time if r.memory.value == "111")
    assert (old.valid_from, old.valid_to) == (days_ago(60), days_ago(20))


def test_what_a_superseded_fact_was_drawn_from_steps_back(scope, say, fact, ask):
    turn = say(scope, "Ann: my phone is 111", days=60)
    fact(scope, "Ann", "phone", "111", days=60, sources=(memory.Source(origin_id=turn.pk),))
    say(scope, "Ann: my phone is 222", days=20)
    fact(scope, "Ann", "phone", "222", days=20)
    turn.refresh_from_db()
    assert turn.is_outdated
    assert texts(ask("phone of Ann"))[-1] == "my phone is 111"


def test_a_second_look_by_way_of_who_is_named(scope, say, ask):
    bond = say(scope, "Ann: Bob is my landlord")
    say(scope, "Bob: i repair clocks in the harbour")
    for number in range(30):
        say(scope, f"Ann: small talk number {number}")
        say(scope, f"Cid: the harbour clocks were late {number}")
    found = ask("Which clocks does the landlord of Ann repair?", 6)
    assert texts(found)[0] == "Bob is my landlord"
    led = next(r for r in found if r.memory.actor == "Bob")
    assert led.via in (bond.pk, None)


def test_quarantined_is_never_found(scope, fact, ask):
    fact(scope, "Ann", "phone", "111", trust=Memory.Trust.BOSS)
    kept = fact(scope, "Ann", "phone", "666", trust=Memory.Trust.DERIVED, is_tainted=True)
    assert kept.outcome == "quarantined"
    assert {r.memory.value for r in ask("phone of Ann", with_past=True)} == {"111"}


def test_kinds_and_k(scope, say, fact, ask):
    for number in range(5):
        say(scope, f"phone call {number}")
    fact(scope, "Ann", "phone", "111")
    assert [r.memory.kind for r in ask("phone", kinds=["fact"])] == ["fact"]
    assert len(ask("phone", 3)) == 3 and ask("phone", 0) == [] and ask("  ") == []


def test_without_an_embedder_words_are_compared(scope, say, sight):
    say(scope, "we took a greyhound home")
    assert recall(sight, "which dog?", 5) == []
    assert texts(recall(sight, "greyhound", 5)) == ["we took a greyhound home"]


def test_edits_and_forgetting_reach_the_shelf(scope, say, ask, embedder):
    kept = say(scope, "the code is swordfish")
    assert texts(ask("swordfish")) == ["the code is swordfish"]
    vectors = memory.Vectors(embedder.name, embedder.embed(["the code is halibut"]))
    memory.edit(kept, vectors, by="boss", text="the code is halibut")
    assert texts(ask("halibut")) == ["the code is halibut"] == texts(ask("swordfish code"))
    memory.forget([kept], by="boss")
    assert ask("halibut") == [] == ask("code")
    (view,) = shelves.of([Scope.objects.get(pk=scope.pk)], embedder.name)
    assert not view.codes[view.at([kept.pk])].any() and np.abs(view.sum).max() < 1e-6


def test_a_rolled_back_write_leaves_no_hole_in_the_shelf(scope, say, ask):
    from django.db import transaction

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        say(scope, "never said")
        assert texts(ask("never said")) == ["never said"]
        raise ZeroDivisionError
    say(scope, "really said")
    assert texts(ask("never really said")) == ["really said"]


def test_shelves_stay_within_their_bytes(office, say, embedder):
    agents = list(office.agents.all())
    scopes = [memory.scope_of(office, Scope.Kind.AGENT, agent=agent) for agent in agents]
    for scope in scopes:
        for number in range(100):
            say(scope, f"note {number}")
    fresh = [Scope.objects.get(pk=scope.pk) for scope in scopes]
    one = Shelves(max_bytes=10**9)
    one.of(fresh, embedder.name)
    small = Shelves(max_bytes=one.size_bytes // 2)
    for scope in fresh:
        (view,) = small.of([scope], embedder.name)
        assert len(view.rows) == 100
        assert small.size_bytes <= one.size_bytes // 2


def test_questions_of_any_kind_are_answered(scope, say, ask):
    say(scope, "something")
    for query in (
        "?" * 5000,
        "\0",
        "\ud800",
        "😀",
        "a" * 100_000,
        "%s {x} '; DROP TABLE",
        "in 0000",
    ):
        assert isinstance(ask(query), list)


def test_quantised_vectors_keep_the_order(scope, embedder, say):
    for number in range(50):
        say(scope, f"word{number} other{number % 7}")
    (view,) = shelves.of([Scope.objects.get(pk=scope.pk)], embedder.name)
    query = embedder.embed(["word7 other0"])
    exact = embedder.embed([m.text for m in Memory.objects.order_by("id")]) @ query[0]
    assert np.abs(view.products(query)[:, 0] - exact).max() < 0.01


def test_likely_doubles_are_nominated_and_left_alone(scope, fact, sight, embedder):
    fact(scope, "Ann Lee", "mobile number", "111 222")
    fact(scope, "Ann", "number of the mobile", "111 222")
    fact(scope, "Bob", "mobile number", "111 222")
    (pair,) = alike(sight, embedder.name, floor=0.9)
    assert {pair.one.subject, pair.other.subject} == {"Ann", "Ann Lee"} and pair.cosine > 0.9
    assert Memory.objects.filter(state="active").count() == 3


def test_what_entered_a_prompt_is_recorded(office, boss, scope, say, ask):
    goal = goals.create(office, boss, "Which dog?")
    kept = [say(scope, "we took a greyhound home"), say(scope, "a greyhound sleeps a lot")]
    found = ask("greyhound")
    memory.note_uses(found, "greyhound", goal_id=goal.pk, task_id=None)
    use = kept[0].uses.get()
    assert use.goal == goal and use.query == "greyhound" and use.was_cited is None
    assert use.features["words"] > 0
    memory.forget([kept[0]], by="boss")
    use.refresh_from_db()
    assert use.query == "" and use.features == {}


def test_a_row_changed_before_it_was_ever_seen_finds_its_place(scope, say, fact, ask, embedder):
    """Rows come by version: an early memory that was edited late arrives after younger ones."""
    early = say(scope, "early bird")
    shelf = Shelf(scope.pk, embedder.name)
    say(scope, "late owl")
    memory.pin(early, by="boss")
    shelf.follow(Scope.objects.get(pk=scope.pk).version)
    assert list(shelf.view.rows["id"]) == sorted(shelf.view.rows["id"])
    assert shelf.view.rows["is_pinned"].tolist() == [True, False]
