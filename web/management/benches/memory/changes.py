"""A hundred values that change: the current one first, the old one with its dates on request."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator import memory as memories
from staff.actions.memory import Draft, Source, scope_of
from staff.actions.people import open_workspace
from staff.models import Memory, User
from staff.recall import visible_to
from web.management.benches.histories import FAMILIES, family

CHANGES = 100
BEGUN = datetime(2025, 1, 10, tzinfo=UTC)
CHANGED = datetime(2025, 6, 10, tzinfo=UTC)
ASKED = datetime(2025, 9, 1, tzinfo=UTC)


def run(boss: User, say: Callable[[str], None], **_: Any) -> dict[str, Any]:
    """Each value is said by a person and kept as a fact drawn from what was said, as the staff
    does it; then it changes. Asked in the question's words, not the fact's."""
    workspace = open_workspace(boss, "changes")
    scope, sight = scope_of(workspace), visible_to(boss, workspace)
    cases = list(_cases())
    for person, topic, values in cases:
        for value, moment in zip(values, (BEGUN, CHANGED), strict=True):
            text = random.Random(person + value).choice(topic["says"]).format(v=value)
            (said,) = memories.remember(scope, [Draft(text, actor=person, said_at=moment)])
            assert said.memory is not None
            fact = Draft(
                kind=Memory.Kind.FACT,
                subject=person,
                attribute=topic["key"].replace("_", " "),
                value=value,
                said_at=moment,
                sources=(Source(origin_id=said.memory.pk),),
            )
            memories.remember(scope, [fact])
    current = past = dated = 0
    for person, topic, (old, new) in cases:
        question = topic["paraphrases"][0].format(n=person)
        first = memories.recall(sight, question, 1, now=ASKED)
        current += bool(first) and new in first[0].memory.text
        then = memories.recall(sight, question, 1, now=ASKED, as_of=CHANGED - timedelta(days=1))
        past += bool(then) and old in then[0].memory.text
        both = memories.recall(sight, question, 10, now=ASKED, with_past=True)
        dated += any(
            each.memory.value == old
            and (each.memory.valid_from, each.memory.valid_to) == (BEGUN, CHANGED)
            for each in both
        )
    say(f"{CHANGES} changes: current first {current}, then first {past}, old with dates {dated}")
    return {
        "current_value_first": current / CHANGES,
        "past_value_first": past / CHANGES,
        "old_with_dates": dated / CHANGES,
    }


def _cases() -> Any:
    """(person, topic, two values), a hundred different ones."""
    pairs = [
        (person, topic)
        for name in FAMILIES
        for person in family(name)["people"]
        for topic in family(name)["topic"]
    ]
    chance = random.Random(7)
    for person, topic in chance.sample(pairs, CHANGES):
        yield person, topic, chance.sample(topic["values"], 2)
