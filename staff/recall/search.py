"""Search: every visible memory gets one score; then a second look by way of whom the best name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.utils import timezone

from staff.domain import ranking
from staff.domain.ranking import WEIGHTS
from staff.domain.words import stem, terms
from staff.models import Memory, Scope
from staff.recall import scoring
from staff.recall.question import Eligible, Question
from staff.recall.scoring import Array, Embeds, Lexicon, Mask
from staff.recall.shelf import View, shelves
from staff.recall.sight import Sight, walled

LOOKED_AT = 3  # of the best hits, for somebody whom they name
WORTH = 0.2  # least share of the best words' score of a hit that is followed


@dataclass(frozen=True)
class Recalled:
    """A memory that answers a question.

    why: features times weights, those that are not zero; they add up to the score
    features: what the ranking saw, all from 0 to 1; for fitting the weights
    via: id of the memory that led here by naming somebody, or None
    """

    memory: Memory
    score: float
    why: dict[str, float]
    features: dict[str, float]
    via: int | None = None


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
    eligible = Eligible(as_of.timestamp() if as_of else None, with_past, frozenset(kinds), actor)
    with walled(sight):
        scopes = list(Scope.objects.filter(pk__in=sight.scope_ids).order_by("id"))
        views = shelves.of(scopes, embedder.name if embedder else "")
        search = _Search(scopes, views, question, eligible, embedder, now.timestamp(), weights)
        return search.best(k)


@dataclass
class _Hit:
    """A row of a view with its score."""

    at: int
    row: int
    score: float
    features: dict[str, float]
    via: int | None = None


@dataclass
class _Search:
    scopes: Sequence[Scope]
    views: Sequence[View]
    question: Question
    eligible: Eligible
    embedder: Embeds | None
    now_s: float
    weights: Mapping[str, float]
    masks: list[Mask] = field(default_factory=list)

    def best(self, k: int) -> list[Recalled]:
        self.masks = [self.eligible.mask(view, self.question.spans) for view in self.views]
        self.lexicon = Lexicon(self.scopes, self.views, self.question.terms)
        people = [view.names.mentioned(self.question.text) for view in self.views]
        self.names = {parts for each in people for parts in each.values()}
        (meaning,) = self.meanings([self.question.gist(self.names)])
        first = self.ranked(self.question, meaning, people, self.masks, k)
        hits = {self.id_of(hit): hit for hit in first}
        memories = self.read(hits)
        second = {}
        if k > 1:
            found = self.followed(first[:LOOKED_AT], memories, people, k)
            second = {self.id_of(hit): hit for hit in found}
            memories |= self.read(second.keys() - hits.keys())
        order = ranking.interleaved(list(hits), list(second), k)
        return [
            self.shown(memories[pk], hits.get(pk) or second[pk]) for pk in order if pk in memories
        ]

    def ranked(
        self,
        question: Question,
        meaning: Sequence[Array],
        people: Sequence[Collection[int]],
        masks: Sequence[Mask],
        k: int,
    ) -> list[_Hit]:
        """The k best rows for a question, the best first."""
        fields = [
            scoring.fields(view, there, question, self.now_s)
            for view, there in zip(self.views, people, strict=True)
        ]
        cosines, held = meaning, self.words(question, [each["actor"] for each in fields])
        words, meaning = scoring.shares(held, masks), scoring.shares(cosines, masks)
        whole = max(self.lexicon.whole(question.terms), 1e-9)
        hits: list[_Hit] = []
        for at in range(len(self.views)):
            features = {"words": words[at], "meaning": meaning[at], **fields[at]}
            features |= {"cover": np.minimum(held[at] / whole, 1), "cosine": cosines[at]}
            total = ranking.fused(features, self.weights)
            evidence = words[at] + meaning[at] + features["actor"] + features["when"]
            rows = np.flatnonzero(masks[at] & (evidence > 0))
            if len(rows) > k:
                rows = rows[np.argpartition(total[rows], -k)[-k:]]
            hits += [
                _Hit(at, int(row), float(total[row]), _values(features, int(row))) for row in rows
            ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.at, hit.row))[:k]

    def words(self, question: Question, actor: Sequence[Array]) -> list[Array]:
        """BM25. A name counts once: as a word where it is not the memory's actor or subject."""
        named = {stem(part) for parts in self.names for part in parts}
        plain = self.lexicon.scores([term for term in question.terms if term not in named])
        names = self.lexicon.scores([term for term in question.terms if term in named])
        return [
            words + name * (1 - is_named)
            for words, name, is_named in zip(plain, names, actor, strict=True)
        ]

    def followed(
        self,
        hits: Sequence[_Hit],
        texts: Mapping[int, Memory],
        people: Sequence[Mapping[int, frozenset[str]]],
        k: int,
    ) -> list[_Hit]:
        """What is left of the question, asked of those whom a good hit names and it does not.

        "Where does Ann's landlord work?" finds "Bob is my landlord", and so what Bob said of work.
        """
        looks: list[tuple[_Hit, Question, set[int]]] = []
        for hit in hits:
            memory = texts.get(self.id_of(hit))
            if memory is None or hit.features["words"] < WORTH:
                continue
            left = self.question.without(set(terms(memory.text)))
            others = self.others(hit, memory, people[hit.at])
            if others and left.terms:
                looks.append((hit, left, others))
        if not looks:
            return []
        meanings = self.meanings([left.gist(self.names) for _, left, _ in looks])
        found: list[_Hit] = []
        for (hit, left, others), meaning in zip(looks, meanings, strict=True):
            people_there = [others if at == hit.at else set() for at in range(len(self.views))]
            masks = [
                mask & scoring.about(view, there)
                for mask, view, there in zip(self.masks, self.views, people_there, strict=True)
            ]
            for each in self.ranked(left, meaning, people_there, masks, k):
                each.via = self.id_of(hit)
                found.append(each)
        return sorted(found, key=lambda hit: -hit.score)[:k]

    def others(self, hit: _Hit, memory: Memory, asked: Collection[int]) -> set[int]:
        """Whom a hit leads to: those it names; and who says it, if it names whom was asked for."""
        named = set(self.views[hit.at].names.mentioned(memory.text))
        if named & set(asked):
            named.add(int(self.views[hit.at].rows["actor"][hit.row]))
        return named - set(asked) - {-1}

    def meanings(self, texts: Sequence[str]) -> list[list[Array]]:
        if self.embedder is None:
            return [[np.zeros(len(view.rows), np.float32) for view in self.views] for _ in texts]
        return scoring.meanings(self.views, self.embedder.embed(texts))

    def id_of(self, hit: _Hit) -> int:
        return int(self.views[hit.at].rows["id"][hit.row])

    def read(self, ids: Collection[int]) -> dict[int, Memory]:
        """The rows themselves, as they are now behind the wall: a shelf may be a moment old."""
        gone = [Memory.State.FORGOTTEN, Memory.State.QUARANTINED]
        found = Memory.objects.filter(pk__in=ids).exclude(state__in=gone).order_by()
        return {memory.pk: memory for memory in found} if ids else {}

    def shown(self, memory: Memory, hit: _Hit) -> Recalled:
        why = {
            name: round(value * self.weights[name], 4)
            for name, value in hit.features.items()
            if value and name in self.weights
        }
        return Recalled(memory, round(hit.score, 4), why, hit.features, hit.via)


def _values(features: Mapping[str, Array], row: int) -> dict[str, float]:
    return {name: round(float(values[row]), 4) for name, values in features.items()}
