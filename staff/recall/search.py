"""Search: the words' score from the database, everything else in columns, one sum, the best k."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Protocol

import numpy as np
import psycopg
from django.db import connection
from django.utils import timezone
from numpy.typing import NDArray
from psycopg.rows import tuple_row

from staff.domain import bm25, ranking
from staff.domain.names import without
from staff.domain.ranking import WEIGHTS
from staff.domain.spans import Span, find_spans, without_spans
from staff.domain.words import terms
from staff.models import Memory, Scope
from staff.recall.shelf import KINDS, STATES, View, shelves
from staff.recall.sight import Sight, walled

Array = NDArray[np.float32]
MAX_TERMS = 64  # of a question; the rarest count
MAX_QUERY = 4000  # characters that are read of a question
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


@dataclass(frozen=True)
class Recalled:
    """A memory that answers, its score, and what that is made of (feature times weight)."""

    memory: Memory
    score: float
    why: dict[str, float]
    features: dict[str, float]


@dataclass(frozen=True)
class Question:
    text: str
    spans: tuple[tuple[float, float], ...]  # seconds since 1970
    bare: str  # without the words for the spans

    @classmethod
    def read(cls, text: str, today: date) -> Question:
        text = text[:MAX_QUERY]
        spans = find_spans(text, today)
        return cls(text, tuple(map(_seconds, spans)), without_spans(text, spans))


@dataclass(frozen=True)
class Filter:
    """Which memories count: those that stand now, or those that stood at a moment."""

    as_of_s: float | None
    with_past: bool
    kinds: frozenset[int]
    actor: str

    def mask(self, shelf: View, spans: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
        rows = shelf.rows
        standing = rows["state"] == STATES[Memory.State.ACTIVE]
        superseded = rows["state"] == STATES[Memory.State.SUPERSEDED]
        if self.as_of_s is not None:
            held = (rows["start"] <= self.as_of_s) & (rows["end"] > self.as_of_s)
            is_fact = rows["kind"] == KINDS[Memory.Kind.FACT]
            was_said = rows["said"] <= self.as_of_s
            standing = (standing | superseded) & np.where(is_fact, held, was_said)
        elif self.with_past:
            standing = standing | superseded
        else:
            for start, end in spans:  # a question about a time asks what was true then
                standing |= superseded & (rows["start"] < end) & (rows["end"] > start)
        if self.kinds:
            standing &= np.isin(rows["kind"], list(self.kinds))
        if self.actor:
            standing &= rows["actor"] == shelf.names.add(self.actor)
        return np.asarray(standing, np.bool_)


def recall(
    sight: Sight,
    query: str,
    k: int = 10,
    *,
    embedder: Embeds | None = None,
    as_of: datetime | None = None,
    kinds: Collection[str] = (),
    actor: str = "",
    with_past: bool = False,
    now: datetime | None = None,
    weights: Mapping[str, float] = WEIGHTS,
) -> list[Recalled]:
    """The k memories that answer a question best, of those that are visible.

    embedder:  without one, only words, people and times are compared
    as_of:     as things stood at that moment: facts by their validity, the rest by when it was said
    with_past: superseded facts as well; a question that names a time finds those of that time
    now:       for "last week" in the question
    """
    now = now or timezone.now()
    if not sight.scope_ids or not query.strip() or k <= 0:
        return []
    question = Question.read(query, timezone.localdate(now))
    chosen = Filter(
        as_of.timestamp() if as_of else None,
        with_past,
        frozenset(KINDS[kind] for kind in kinds),
        actor,
    )
    with walled(sight):
        scopes = list(Scope.objects.filter(pk__in=sight.scope_ids).order_by("id"))
        held = shelves.of(scopes, embedder.name if embedder else "")
        found = _Search(question, chosen, scopes, held, embedder, now.timestamp(), weights)
        return _read(sight, found.best(k))


class _Search:
    """One question to a few shelves."""

    def __init__(
        self,
        question: Question,
        chosen: Filter,
        scopes: Sequence[Scope],
        held: Sequence[View],
        embedder: Embeds | None,
        now_s: float,
        weights: Mapping[str, float],
    ):
        self.question, self.chosen, self.weights, self.now_s = question, chosen, weights, now_s
        self.scopes, self.shelves, self.embedder = scopes, held, embedder

    def best(self, k: int) -> list[tuple[int, float, dict[str, float]]]:
        """(memory id, score, features) of the best k."""
        masks = [self.chosen.mask(shelf, self.question.spans) for shelf in self.shelves]
        features = self.features(masks)
        totals = [ranking.fused(each, self.weights) for each in features]
        picked: list[tuple[float, int, int]] = []
        for at, (total, mask) in enumerate(zip(totals, masks, strict=True)):
            allowed = np.flatnonzero(mask)
            if len(allowed) > k:
                allowed = allowed[np.argpartition(total[allowed], -k)[-k:]]
            picked += [(float(total[row]), at, int(row)) for row in allowed]
        picked.sort(key=lambda each: (-each[0], each[1], each[2]))
        return [
            (
                int(self.shelves[at].rows["id"][row]),
                score,
                {name: float(values[row]) for name, values in features[at].items()},
            )
            for score, at, row in picked[:k]
        ]

    def features(self, masks: Sequence[NDArray[np.bool_]]) -> list[dict[str, Array]]:
        words = self.words()
        people = [shelf.names.mentioned(self.question.text) for shelf in self.shelves]
        meaning = self.meaning([parts for each in people for parts in each.values()])
        best_words = max(
            (float(s[m].max(initial=0)) for s, m in zip(words, masks, strict=True)), default=0
        )
        best_meaning = max(
            (float(s[m].max(initial=0)) for s, m in zip(meaning, masks, strict=True)), default=0
        )
        return [
            {
                "words": ranking.share_of_best(words[at], best_words),
                "meaning": ranking.share_of_best(meaning[at], best_meaning),
                **self.fields(shelf, people[at]),
            }
            for at, shelf in enumerate(self.shelves)
        ]

    def words(self) -> list[Array]:
        """BM25 of each memory, exact, over all scopes that are searched together."""
        asked = list(dict.fromkeys(terms(self.question.text)))[:MAX_TERMS]
        scores = [np.zeros(len(shelf.rows), np.float32) for shelf in self.shelves]
        if not asked:
            return scores
        total = sum(scope.memories for scope in self.scopes)
        average = sum(scope.words for scope in self.scopes) / max(total, 1)
        place = {scope.pk: at for at, scope in enumerate(self.scopes)}
        postings = _postings([scope.pk for scope in self.scopes], asked)
        holding: dict[str, int] = {}
        for _, term, ids, _, _ in postings:
            holding[term] = holding.get(term, 0) + len(ids)
        for scope_id, term, ids, counts, lengths in postings:
            shelf, score = self.shelves[place[scope_id]], scores[place[scope_id]]
            weight = bm25.idf(holding[term], total)
            rows = shelf.at(ids)
            is_here = (rows >= 0) & (rows < len(score))
            added = bm25.term_scores(counts, lengths, weight, average)
            score[rows[is_here]] += added[is_here]
        return scores

    def meaning(self, names: Sequence[frozenset[str]]) -> list[Array]:
        """Cosines with the question, names and times left out."""
        if self.embedder is None:
            return [np.zeros(len(shelf.rows), np.float32) for shelf in self.shelves]
        (vector,) = self.embedder.embed([without(self.question.bare, names)])
        return [shelf.cosines(vector) for shelf in self.shelves]

    def fields(self, shelf: View, people: Mapping[int, Any]) -> dict[str, Array]:
        rows = shelf.rows
        named = np.array(list(people), np.int32)
        about = np.isin(rows["actor"], named) | np.isin(rows["subject"], named)
        when = np.zeros(len(rows), np.float32)
        for start, end in self.question.spans:
            for moment in ("said", "last_said", "start"):
                np.maximum(when, ranking.nearness(rows[moment], start, end), out=when)
        return {
            "actor": about.astype(np.float32),
            "when": when,
            "fact": (rows["kind"] == KINDS[Memory.Kind.FACT]).astype(np.float32),
            "recent": ranking.recency(rows["last_said"], self.now_s),
            "outdated": rows["is_outdated"].astype(np.float32),
            "pinned": rows["is_pinned"].astype(np.float32),
        }


def _postings(scope_ids: list[int], asked: list[str]) -> list[tuple[Any, ...]]:
    """Rows of scope, term, and three arrays: memories, counts, lengths. Binary, as these arrays
    are long."""
    with psycopg.Cursor(connection.connection, row_factory=tuple_row) as cursor:
        return cursor.execute(_POSTINGS, [scope_ids, asked], binary=True).fetchall()


def _read(sight: Sight, best: Sequence[tuple[int, float, dict[str, float]]]) -> list[Recalled]:
    """The rows themselves, read now: what was forgotten or hidden a moment ago is not shown."""
    hidden = [Memory.State.FORGOTTEN, Memory.State.QUARANTINED]
    rows = Memory.objects.filter(
        pk__in=[pk for pk, _, _ in best], scope__in=sight.scope_ids
    ).exclude(state__in=hidden)
    memories = rows.in_bulk()
    return [
        Recalled(memories[pk], score, {}, features)
        for pk, score, features in best
        if pk in memories
    ]


def _seconds(span: Span) -> tuple[float, float]:
    start, end = (
        timezone.make_aware(datetime.combine(day, time())).timestamp()
        for day in (span.start, span.end)
    )
    return start, end
