"""Is the evidence among the first ten? Against BM25 alone, on the same histories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from orchestrator import memory as memories
from staff.actions.memory import Draft, scope_of
from staff.actions.people import open_workspace
from staff.domain import bm25
from staff.domain.words import terms
from staff.models import User
from staff.recall import visible_to
from web.management.benches import histories
from web.management.benches.histories import History, Question, Turn

DEPTH = 100  # answers that are looked at for the reciprocal rank
SEEDS = (1, 2, 3)

Ranks = list[int | None]  # for each group of evidence, the place of its first turn; None for none
Search = Callable[[Question], Sequence[int]]  # numbers of memories, the best first


def run(
    boss: User, say: Callable[[str], None], family: str = "held_out", **_: Any
) -> dict[str, Any]:
    """bm25: over speaker and words; bm25_dated: over speaker, date in words, and words."""
    found: dict[str, dict[str, list[Ranks]]] = {
        name: defaultdict(list) for name in ("ours", "bm25", "bm25_dated")
    }
    for seed in SEEDS:
        history = histories.make(family, seed)
        said, ours = remembered(boss, history, f"{family} {seed}")
        firsts = [history.turns[numbers[0]] for numbers in said]
        searches: dict[str, Search] = {
            "ours": ours,
            "bm25": by_bm25([f"{turn.actor} {turn.text}" for turn in firsts]),
            "bm25_dated": by_bm25([in_words(turn) for turn in firsts]),
        }
        for question in history.questions:
            for name, search in searches.items():
                ranks = ranks_of([said[at] for at in search(question)], question)
                found[name][question.kind].append(ranks)
                found[name]["all"].append(ranks)
        say(f"{family} {seed}: {len(history.turns)} turns, {len(history.questions)} questions")
    by_kind = {
        kind: {"questions": len(found["ours"][kind])}
        | {key: value for name in found for key, value in figures_of(name, found[name][kind])}
        for kind in histories.KINDS
    }
    everything = {
        key: value for name in found for key, value in figures_of(name, found[name]["all"])
    }
    return {"family": family, **everything, "by_kind": by_kind}


def remembered(boss: User, history: History, name: str) -> tuple[list[list[int]], Search]:
    """Keep all turns in a workspace of their own. Returns the turns of each memory (the same words
    of the same person are one memory) and the search."""
    workspace = open_workspace(boss, name)
    kept = memories.remember(scope_of(workspace), [draft_of(turn) for turn in history.turns])
    turns: dict[int, list[int]] = defaultdict(list)
    for number, each in enumerate(kept):
        assert each.memory is not None
        turns[each.memory.pk].append(number)
    place = {pk: at for at, pk in enumerate(turns)}
    sight = visible_to(boss, workspace)

    def search(question: Question) -> list[int]:
        found = memories.recall(sight, question.text, DEPTH, now=history.asked_at)
        return [place[each.memory.pk] for each in found]

    return list(turns.values()), search


def draft_of(turn: Turn) -> Draft:
    return Draft(turn.text, actor=turn.actor, said_at=turn.said_at, thread=turn.thread)


def by_bm25(texts: Sequence[str]) -> Search:
    split = [terms(text) for text in texts]

    def search(question: Question) -> Sequence[int]:
        scores = bm25.scores(terms(question.text), split)
        order = np.argsort(-scores, kind="stable")[:DEPTH]
        return [int(number) for number in order if scores[number] > 0]

    return search


def in_words(turn: Turn) -> str:
    return f"{turn.actor} {turn.said_at.day} {turn.said_at:%B %Y} {turn.text}"


def ranks_of(found: Sequence[Sequence[int]], question: Question) -> Ranks:
    """found: the turns of each memory, the best memory first"""
    places: dict[int, int] = {}
    for place, numbers in enumerate(found):
        for number in numbers:
            places.setdefault(number, place)
    return [
        min((places[number] for number in group if number in places), default=None)
        for group in question.evidence
    ]


def figures_of(name: str, ranks: Sequence[Ranks]) -> list[tuple[str, float]]:
    """Percent: the share of evidence in the first ten; the mean reciprocal rank of the first."""
    recall = [np.mean([place is not None and place < 10 for place in each]) for each in ranks]
    first = [min((place for place in each if place is not None), default=None) for each in ranks]
    mrr = [0.0 if place is None else 1 / (place + 1) for place in first]
    prefix = "" if name == "ours" else f"{name}_"
    return [
        (f"{prefix}recall_at_10", round(100 * float(np.mean(recall)), 1)),
        (f"{prefix}mrr", round(100 * float(np.mean(mrr)), 1)),
    ]
