"""A hundred values that change: the current one first, the old one with its dates on request."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator import memory as memories
from staff.actions.memory import Draft, Source, scope_of
from staff.actions.people import open_workspace
from staff.models import Memory, User
from staff.recall import Sight, visible_to
from web.management.benches.histories import FAMILIES, family

CHANGES = 100
BEGUN = datetime(2025, 1, 10, tzinfo=UTC)
CHANGED = datetime(2025, 6, 10, tzinfo=UTC)
ASKED = datetime(2025, 9, 1, tzinfo=UTC)


def run(boss: User, say: Callable[[str], None], **_: Any) -> dict[str, Any]:
    """Each value is said by a person and kept as a fact drawn from what was said, as the staff
    does it; then it changes. Asked by the name of the attribute, and once more in other words,
    where the small embedder may take another attribute for it."""
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
                attribute=attribute_of(topic),
                value=value,
                said_at=moment,
                sources=(Source(origin_id=said.memory.pk),),
            )
            memories.remember(scope, [fact])
    found: Counter[str] = Counter()
    for person, topic, (old, new) in cases:
        direct = f"What is the {attribute_of(topic)} of {person} now?"
        other = topic["paraphrases"][0].format(n=person)
        before = CHANGED - timedelta(days=1)

        def first(question: str, value: str, sight: Sight = sight, **options: Any) -> bool:
            best = memories.recall(sight, question, 1, now=ASKED, **options)
            return bool(best) and value in best[0].memory.text

        found["current_value_first"] += first(direct, new)
        found["current_value_first_in_other_words"] += first(other, new)
        found["past_value_first"] += first(direct, old, as_of=before)
        everything = memories.recall(sight, direct, 10, now=ASKED, with_past=True)
        found["old_with_its_dates"] += any(
            each.memory.value == old
            and (each.memory.valid_from, each.memory.valid_to) == (BEGUN, CHANGED)
            for each in everything
        )
    say(f"{CHANGES} changes: {dict(found)}")
    return {name: count / CHANGES for name, count in found.items()}


def attribute_of(topic: dict[str, Any]) -> str:
    return str(topic["key"]).replace("_", " ")


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
