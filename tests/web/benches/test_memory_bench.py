"""The histories are honest, and the parts of the benchmark run on a small one."""

from __future__ import annotations

import pytest

from web.management.benches import histories
from web.management.benches.memory import KEYS, PARTS, changes, isolation, quality


@pytest.mark.parametrize("name", histories.FAMILIES)
def test_paraphrases_share_no_rare_word_with_their_evidence(name):
    assert histories.shared_words(name) == []


def test_the_families_share_no_wording():
    dev, held_out = (histories.family(name) for name in histories.FAMILIES)
    for key in ("people", "events", "temporal", "opinions", "said", "gossip", "odd"):
        assert not set(dev[key]) & set(held_out[key]), key
    templates = [
        {text for topic in family["topic"] for text in topic["says"] + topic["paraphrases"]}
        for family in (dev, held_out)
    ]
    assert not templates[0] & templates[1]


@pytest.mark.parametrize("name", histories.FAMILIES)
def test_a_history_knows_its_evidence(name):
    history = histories.make(name, 5, turns=800)
    assert history == histories.make(name, 5, turns=800) != histories.make(name, 6, turns=800)
    assert 700 < len(history.turns) < 1000
    assert {question.kind for question in history.questions} == set(histories.KINDS)
    moments = [turn.said_at for turn in history.turns]
    assert moments == sorted(moments) or max(moments) < history.asked_at
    for question in history.questions:
        groups = len(question.evidence)
        assert groups == (2 if question.kind == "multi_hop" else 1)
        assert all(0 <= turn < len(history.turns) for group in question.evidence for turn in group)
    latest = {}
    for held in history.values:
        latest[held.person, held.topic] = held.turn
    for question in history.questions:
        if question.kind == "value_change":
            assert question.evidence == (frozenset({latest[question.subject, question.topic]}),)


def test_ranks_and_figures():
    question = histories.Question("?", "multi_hop", (frozenset({3, 4}), frozenset({9})))
    assert quality.ranks_of([[1], [4, 2], [3]], question) == [1, None]
    figures = dict(quality.figures_of("ours", [[1, None], [0]]))
    assert figures == {"recall_at_10": 75.0, "mrr": 75.0}


def test_the_parts_run_and_fill_their_keys(boss, monkeypatch):
    monkeypatch.setattr(quality, "SEEDS", (1,))
    monkeypatch.setattr(changes, "CHANGES", 10)
    made = histories.make
    monkeypatch.setattr(histories, "make", lambda name, seed: made(name, seed, turns=500))
    figures = quality.run(boss, print, family="dev") | changes.run(boss, print)
    assert figures["recall_at_10"] > figures["bm25_recall_at_10"] > 0
    assert figures["current_value_first"] == 1
    assert set(KEYS) >= {"recall_at_10", "leaks"} and set(PARTS) >= {"quality", "speed"}


@pytest.mark.django_db(transaction=True)
def test_isolation_finds_no_leak(boss, monkeypatch):
    monkeypatch.setattr(isolation, "WORKSPACES", 2)
    assert isolation.run(boss, print, queries=60)["leaks"] == 0
