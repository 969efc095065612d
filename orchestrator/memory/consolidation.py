"""Facts in several wordings become one, in idle time.

Code decides wherever it can (`staff.domain.merging`). Where only the wording of the attribute is in
doubt the model is asked for one word under a grammar; an answer that is neither changes nothing and
ends the job, and the scope is looked at again from where it stood.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from django.db import connection

from orchestrator.inference.base import ChatModel, ChatRequest, Message
from orchestrator.inference.grammar import one_of
from staff import queries
from staff.actions import consolidation
from staff.domain import merging
from staff.domain.merging import Statement
from staff.models import Memory, Scope

logger = logging.getLogger(__name__)

LIKE = 0.25  # cosine below which two facts with one value are not looked at
TOKENS = 4000  # that one run may use
LOCK = 7_001_007  # first half of the advisory locks of this job
SAME = """\
You compare two notes of an office. Answer yes if they state the same property of the same person \
or thing in other words, so that one of them can go. Answer no if they are two different \
properties that only happen to have the same value."""
OPPOSED = """\
You are given two properties. Answer yes if something can have one value for the first and another \
value for the second, as for opposites, two roles, or a begin and an end. Answer no if both are \
only names for one and the same property."""
# Each question with examples: (asked, right). A small model takes opposites for synonyms, so where
# the value may be the same by chance it is asked from both sides, and both answers must say so.
QUESTIONS = {
    SAME: (
        ("Tom | telephone: 77\nTom | phone number: 77", "yes"),
        ("Tom | buyer: Ace\nTom | seller: Ace", "no"),
        ("Lab | opened on: 3 May\nLab | opening day: 3 May", "yes"),
        ("Tom | birthplace: Rome\nTom | place of work: Rome", "no"),
        ("Van | fastest speed: 90\nVan | top speed: 90", "yes"),
        ("Van | lowest price: 90\nVan | highest price: 90", "no"),
    ),
    OPPOSED: (
        ("telephone / phone number", "no"),
        ("buyer / seller", "yes"),
        ("birthday / date of birth", "no"),
        ("lowest price / highest price", "yes"),
        ("wage / salary", "no"),
        ("sunrise / sunset", "yes"),
        ("place / location", "no"),
        ("parent / child", "yes"),
        ("colour / paint", "no"),
        ("entrance / exit", "yes"),
    ),
}


class AnswerInvalid(Exception):
    """The model's answer is neither yes nor no."""


@dataclass
class Report:
    merged: list[tuple[int, int]] = field(default_factory=list)  # kept, stepped back
    asked: int = 0
    tokens: int = 0
    is_complete: bool = True


def consolidate(scope: Scope, model: ChatModel | None, most_tokens: int = TOKENS) -> Report:
    """Compare the facts of a scope that changed since the last time with the others.

    model: None leaves apart whatever code cannot decide. Raises AnswerInvalid.
    """
    report = Report()
    with _alone(scope) as is_mine:
        if not is_mine:
            report.is_complete = False
            return report
        scope.refresh_from_db()
        upto = scope.version
        for kept, other in _nominated(scope):
            if report.tokens >= most_tokens:
                report.is_complete = False
                return report
            if kept.pk in _gone(report) or other.pk in _gone(report):
                continue
            why = _verdict(kept, other, model, report)
            if why and consolidation.merge(kept, other, by="consolidation", why=why):
                report.merged.append((kept.pk, other.pk))
        consolidation.done_up_to(scope, upto)
    return report


def _verdict(one: Memory, other: Memory, model: ChatModel | None, report: Report) -> str:
    """Why two facts are one: by "code" or the "model"; "" if they are not."""
    said = merging.verdict(_statement(one), _statement(other))
    if said == "ask" and model is not None:
        return "model" if _is_one(one, other, model, report) else ""
    return "code" if said == "same" else ""


def _is_one(one: Memory, other: Memory, model: ChatModel, report: Report) -> bool:
    if not _says_yes(SAME, f"{_shown(one)}\n{_shown(other)}", model, report):
        return False
    if merging.is_rare(one.value):
        return True
    return not _says_yes(OPPOSED, f"{one.attribute} / {other.attribute}", model, report)


def _says_yes(question: str, asked: str, model: ChatModel, report: Report) -> bool:
    messages = [Message("system", question)]
    for example, right in QUESTIONS[question]:
        messages += [Message("user", example), Message("assistant", right)]
    request = ChatRequest(
        (*messages, Message("user", asked)),
        max_tokens=2,
        grammar=f"root ::= {one_of(['no', 'yes'])}\n",
        priority=-1,
    )
    done = model.complete(request)
    report.asked += 1
    report.tokens += done.prompt_tokens - done.cached_tokens + done.completion_tokens
    answer = done.text.strip()
    if answer not in ("yes", "no"):
        raise AnswerInvalid(f"asked whether two facts are one, the model said {answer!r}")
    return answer == "yes"


def _nominated(scope: Scope) -> Iterator[tuple[Memory, Memory]]:
    """Pairs of current facts with one value and near meanings, of which one is new to us; the
    better one first."""
    groups: dict[object, list[Memory]] = defaultdict(list)
    for fact in queries.current_facts(scope):
        groups[merging.value_key(fact.value)].append(fact)
    for group in groups.values():
        fresh = {fact.pk for fact in group if fact.version > scope.consolidated_version}
        if len(group) < 2 or not fresh:
            continue
        cosines = _cosines(group)
        ranked = sorted(range(len(group)), key=lambda at: _worth(group[at]))
        for place, at in enumerate(ranked):
            for to in ranked[place + 1 :]:
                pair = group[at], group[to]
                if {each.pk for each in pair} & fresh and cosines[at, to] >= LIKE:
                    yield pair


def _cosines(group: list[Memory]) -> np.ndarray:
    """(n, n) of what each says; 1 where it is not known."""
    vectors = queries.vectors_of(group)
    dims = {len(vector) for vector in vectors.values()}
    if len(dims) != 1:
        return np.ones((len(group), len(group)), np.float32)
    zero = np.zeros(dims.pop(), np.float32)
    rows = np.stack([vectors.get(fact.pk, zero) for fact in group])
    cosines = rows @ rows.T
    unknown = ~rows.any(axis=1)
    cosines[unknown, :] = cosines[:, unknown] = 1
    return np.asarray(cosines, np.float32)


def _worth(fact: Memory) -> tuple[bool, int, bool, int]:
    """The best one first: pinned, trusted, untainted, older."""
    return (not fact.is_pinned, -fact.trust, fact.is_tainted, fact.pk)


def _gone(report: Report) -> set[int]:
    return {other for _, other in report.merged}


def _statement(fact: Memory) -> Statement:
    return Statement(fact.subject, fact.attribute, fact.value, fact.text)


def _shown(fact: Memory) -> str:
    return f"{fact.subject} | {fact.attribute}: {fact.value}"[:300]


@contextmanager
def _alone(scope: Scope) -> Iterator[bool]:
    """Whether this process alone consolidates the scope now. Writers are not kept waiting."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, scope.pk])
        (is_mine,) = cursor.fetchone()
        try:
            yield is_mine
        finally:
            if is_mine:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, scope.pk])
