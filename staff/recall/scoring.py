"""The features of every memory for one question: words from the database, the rest in columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray
from psycopg.rows import tuple_row

from staff.domain import bm25, ranking
from staff.models import Memory, Scope
from staff.recall.question import Question
from staff.recall.shelf import KINDS, View

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_POSTINGS = """
    SELECT scope_id, term, array_agg(memory_id), array_agg(count), array_agg(length)
    FROM staff_posting WHERE scope_id = ANY(%s) AND term = ANY(%s) GROUP BY scope_id, term
"""


class Embeds(Protocol):
    """What the search needs of an embedder."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Array:
        """(N, D) for N texts, of unit length."""


class Lexicon:
    """BM25 over the scopes that are searched together, exact: one read of the covering index."""

    def __init__(self, scopes: Sequence[Scope], views: Sequence[View], terms: Sequence[str]):
        self._views = views
        self._parts: dict[str, list[tuple[int, NDArray[np.int64], Array]]] = {}
        total = sum(scope.memories for scope in scopes)
        self._unknown = bm25.idf(0, total)
        self._idf: dict[str, float] = {}
        average = sum(scope.words for scope in scopes) / max(total, 1)
        place = {scope.pk: at for at, scope in enumerate(scopes)}
        found = _postings(list(place), list(terms)) if terms else []
        holding: dict[str, int] = {}
        for _, term, ids, _, _ in found:
            holding[term] = holding.get(term, 0) + len(ids)
        for scope_id, term, ids, counts, lengths in found:
            at = place[scope_id]
            rows = views[at].at(ids)
            weight = self._idf.setdefault(term, bm25.idf(holding[term], total))
            scores = bm25.term_scores(counts, lengths, weight, average)
            self._parts.setdefault(term, []).append((at, rows[rows >= 0], scores[rows >= 0]))

    def whole(self, terms: Collection[str]) -> float:
        """What a text of mean length scores that holds each of these terms once."""
        return sum(self._idf.get(term, self._unknown) for term in terms)

    def scores(self, terms: Collection[str]) -> list[Array]:
        """For each view (n,), of these terms only."""
        total = [np.zeros(len(view.rows), np.float32) for view in self._views]
        for term in terms:
            for at, rows, scores in self._parts.get(term, ()):
                total[at][rows] += scores
        return total


def meanings(views: Sequence[View], vectors: Array) -> list[list[Array]]:
    """Cosines with each of m vectors: m lists of (n,) for each view."""
    count = sum(int(np.count_nonzero(view.rows["scale"])) for view in views)
    sums = [view.sum for view in views if len(view.sum) == vectors.shape[1]]
    if not sums:
        return [[np.zeros(len(view.rows), np.float32) for view in views] for _ in vectors]
    mean = ranking.mean_vector(sums, count)
    products = [view.products(np.vstack([vectors, mean])) for view in views]
    return [
        [
            _cosines(view, inner, at, vector, mean)
            for view, inner in zip(views, products, strict=True)
        ]
        for at, vector in enumerate(vectors)
    ]


def _cosines(view: View, products: Array, at: int, vector: Array, mean: Array) -> Array:
    cosines = ranking.centred_cosines(products[:, at], products[:, -1], vector, mean)
    return np.where(view.rows["scale"] > 0, cosines, np.float32(0))


def shares(values: Sequence[Array], masks: Sequence[Mask]) -> list[Array]:
    """Scores divided by the best one among those that may answer."""
    best = max(
        (float(each[mask].max(initial=0)) for each, mask in zip(values, masks, strict=True)),
        default=0.0,
    )
    return [ranking.share_of_best(each, best) for each in values]


def about(view: View, people: Collection[int]) -> Mask:
    """Which memories were said by, or are facts about, these people."""
    named = np.fromiter(people, np.int32, len(people))
    return np.isin(view.rows["actor"], named) | np.isin(view.rows["subject"], named)


def fields(
    view: View, people: Collection[int], question: Question, now_s: float
) -> dict[str, Array]:
    """Features that need no words: who, when, and what kind of memory it is."""
    rows = view.rows
    when = np.zeros(len(rows), np.float32)
    for start, end in question.spans:
        for moment in ("said", "last_said", "start"):
            np.maximum(when, ranking.nearness(rows[moment], start, end), out=when)
    features: Mapping[str, NDArray[Any]] = {
        "actor": about(view, people),
        "when": when,
        "recent": ranking.recency(rows["last_said"], now_s),
        "fact": rows["kind"] == KINDS[Memory.Kind.FACT],
        "pinned": rows["is_pinned"],
        "outdated": rows["is_outdated"],
    }
    return {name: values.astype(np.float32) for name, values in features.items()}


def _postings(scope_ids: list[int], terms: list[str]) -> list[tuple[Any, ...]]:
    """Rows of scope, term, and three arrays: memories, counts, lengths. Asked for in binary, as
    the arrays are long; so through psycopg itself, on Django's connection."""
    with psycopg.Cursor(connection.connection, row_factory=tuple_row) as cursor:
        return cursor.execute(_POSTINGS, [scope_ids, terms], binary=True).fetchall()
