"""Facts that may be about the same thing under two names, for the boss to settle.

Cosine tells the same slot from another attribute well, and a paraphrase from a changed value not
at all: so it nominates here, and nothing merges or supersedes by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staff.domain.words import words
from staff.models import Memory, Scope
from staff.recall.shelf import KINDS, STATES, View, shelves
from staff.recall.sight import Sight, walled

ALIKE = 0.8  # cosine of two facts from which they are shown
MOST = 4000  # facts of a scope that are compared, the newest


@dataclass(frozen=True)
class Pair:
    """Two current facts of one scope with different slots; the older one first."""

    one: Memory
    other: Memory
    cosine: float


def alike(sight: Sight, model: str, *, floor: float = ALIKE, limit: int = 50) -> list[Pair]:
    """The pairs that are most alike, of subjects that share a word.

    model: name of the embedder whose vectors are compared
    """
    if not sight.scope_ids:
        return []
    with walled(sight):
        scopes = list(Scope.objects.filter(pk__in=sight.scope_ids).order_by("id"))
        near = [found for view in shelves.of(scopes, model) for found in _near(view, floor)]
        ids = {pk for _, one, other in near for pk in (one, other)}
        facts = Memory.objects.filter(pk__in=ids, state=Memory.State.ACTIVE).in_bulk()
    pairs = [
        Pair(facts[one], facts[other], cosine)
        for cosine, one, other in sorted(near, reverse=True)
        if one in facts and other in facts and _may_be_one(facts[one], facts[other])
    ]
    return pairs[:limit]


def _near(view: View, floor: float) -> list[tuple[float, int, int]]:
    """(cosine, id, id) of the facts that are alike."""
    rows = view.rows
    is_fact = (rows["kind"] == KINDS[Memory.Kind.FACT]) & (rows["scale"] > 0)
    places = np.flatnonzero(is_fact & (rows["state"] == STATES[Memory.State.ACTIVE]))[-MOST:]
    vectors = view.codes[places] * rows["scale"][places, None]
    cosines: NDArray[np.float32] = np.triu(vectors @ vectors.T, 1)
    return [
        (round(float(cosines[a, b]), 3), int(rows["id"][places[a]]), int(rows["id"][places[b]]))
        for a, b in zip(*np.nonzero(cosines >= floor), strict=True)
    ]


def _may_be_one(one: Memory, other: Memory) -> bool:
    return one.slot != other.slot and bool(set(words(one.subject)) & set(words(other.subject)))
