"""What is asked for: the words, the times they name, and which memories may answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from staff.domain.names import without
from staff.domain.spans import Span, find_spans, without_spans
from staff.domain.words import gist, terms
from staff.models import Memory
from staff.recall.shelf import KINDS, STATES, View

MAX_CHARS = 4000  # that are read of a question
MAX_TERMS = 64
WITH_SPAN = (Memory.Kind.FACT, Memory.Kind.CHUNK)  # true, or in force, from then until then

Moments = tuple[float, float]  # from and before, in seconds since 1970


@dataclass(frozen=True)
class Question:
    """A question as the search reads it.

    terms: for the lexical index; bare: without the words that name times
    """

    text: str
    terms: tuple[str, ...]
    bare: str
    spans: tuple[Moments, ...]

    @classmethod
    def read(cls, text: str, today: date) -> Question:
        text = text[:MAX_CHARS]
        spans = find_spans(text, today)
        asked = tuple(dict.fromkeys(terms(text)))[:MAX_TERMS]
        return cls(text, asked, without_spans(text, spans), tuple(map(_moments, spans)))

    def gist(self, names: Collection[frozenset[str]]) -> str:
        """What is embedded: no names, no times, no words that say nothing."""
        return gist(without(self.bare, names))

    def without(self, said: Collection[str]) -> Question:
        """What is left to ask when these terms are answered."""
        left = tuple(term for term in self.terms if term not in said)
        kept = [word for word in self.bare.split() if not set(terms(word)) & set(said)]
        return Question(self.text, left, " ".join(kept), self.spans)


@dataclass(frozen=True)
class Eligible:
    """Which memories may answer: those that stand now, or that stood at a moment.

    as_of_s:   facts by their validity then, the rest if it had been said
    with_past: superseded facts as well
    actor:     only what this one said
    """

    as_of_s: float | None = None
    with_past: bool = False
    kinds: frozenset[str] = frozenset()
    actor: str = ""

    def mask(self, view: View, spans: Sequence[Moments]) -> NDArray[np.bool_]:
        rows = view.rows
        standing = rows["state"] == STATES[Memory.State.ACTIVE]
        superseded = rows["state"] == STATES[Memory.State.SUPERSEDED]
        if self.as_of_s is not None:
            held = (rows["start"] <= self.as_of_s) & (rows["end"] > self.as_of_s)
            was_said = rows["said"] <= self.as_of_s
            has_span = np.isin(rows["kind"], [KINDS[kind] for kind in WITH_SPAN])
            standing = (standing | superseded) & np.where(has_span, held, was_said)
        elif self.with_past:
            standing = standing | superseded
        else:  # a question that names a time asks what was true then
            for start, end in spans:
                standing = standing | superseded & (rows["start"] < end) & (rows["end"] > start)
        if self.kinds:
            standing &= np.isin(rows["kind"], [KINDS[kind] for kind in self.kinds])
        if self.actor:
            standing &= rows["actor"] == view.names.number(self.actor)
        return np.asarray(standing, np.bool_)


def _moments(span: Span) -> Moments:
    start, end = (
        timezone.make_aware(datetime.combine(day, time())).timestamp()
        for day in (span.start, span.end)
    )
    return start, end
