"""Four writers at once in the same scopes: no lock error, nothing lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import Error, connections

from orchestrator import memory as memories
from staff.actions import memory
from staff.actions.memory import Draft, MemoryRefused, scope_of
from staff.actions.people import open_workspace
from staff.models import Memory, Scope, User

WRITERS = 4
SUBJECTS = 20


def run(boss: User, say: Callable[[str], None], seconds: float = 60, **_: Any) -> dict[str, Any]:
    """Each remembers, asserts, edits, pins and forgets; then every row is counted."""
    workspace = open_workspace(boss, "writers")
    agent = workspace.agents.first()
    scopes = [scope_of(workspace), scope_of(workspace, Scope.Kind.AGENT, agent=agent)]
    results = [_Result() for _ in range(WRITERS)]
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_write, args=(scopes, number, end, results[number]))
        for number in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    standing = Memory.objects.filter(scope__in=scopes).exclude(state=Memory.State.FORGOTTEN)
    kept = {pk for result in results for pk in result.kept}
    lost = len(kept - set(standing.values_list("pk", flat=True)))
    errors = [error for result in results for error in result.errors]
    wrong = sum(_count_is_wrong(scope) for scope in scopes) + _slots_without_order(scopes)
    done = sum(result.done for result in results)
    say(f"{WRITERS} writers, {seconds:.0f} s, {done} writes: {len(errors)} errors, {lost} lost")
    for error in errors[:3]:
        say(f"  {error}")
    return {
        "lock_errors": len(errors),
        "lost_writes": lost + wrong,
        "concurrent_writes_per_s": round(done / seconds, 1),
    }


class _Result:
    def __init__(self) -> None:
        self.done = 0
        self.kept: set[int] = set()
        self.errors: list[str] = []


def _write(scopes: list[Scope], number: int, end: float, result: _Result) -> None:
    chance = random.Random(number)
    try:
        while time.monotonic() < end:
            try:
                _one(scopes, chance, number, result)
                result.done += 1
            except MemoryRefused:
                continue  # somebody else had forgotten it a moment before
            except Error as error:
                result.errors.append(f"{type(error).__name__}: {error}")
    finally:
        connections.close_all()


def _one(scopes: list[Scope], chance: random.Random, number: int, result: _Result) -> None:
    scope, draw = chance.choice(scopes), chance.random()
    if draw < 0.55:
        text = f"Writer {number} noted {result.done} and {chance.random()}"
        kept = memories.remember(scope, [Draft(text, actor=f"writer {number}")])
        result.kept |= {each.memory.pk for each in kept if each.memory}
    elif draw < 0.85:
        fact = Draft(
            kind=Memory.Kind.FACT,
            subject=f"shelf {chance.randrange(SUBJECTS)}",
            attribute="boxes",
            value=str(chance.randrange(1000)),
        )
        kept = memories.remember(scope, [fact])
        result.kept |= {each.memory.pk for each in kept if each.memory}
    elif result.kept:
        mine = Memory.objects.get(pk=chance.choice(sorted(result.kept)))
        if draw < 0.93 or mine.kind == Memory.Kind.FACT:
            memory.pin(mine, by="bench", is_pinned=False)
        elif draw < 0.97:
            memories.edit(mine, by="bench", text=f"{mine.text}, corrected {result.done}")
        else:
            result.kept.discard(mine.pk)
            memory.forget([mine], by="bench")


def _count_is_wrong(scope: Scope) -> bool:
    """Whether the scope's own count differs from its rows."""
    scope.refresh_from_db()
    rows = Memory.objects.filter(scope=scope).exclude(state=Memory.State.FORGOTTEN)
    lengths = sum(rows.values_list("length", flat=True))
    return (scope.memories, scope.words) != (rows.count(), lengths)


def _slots_without_order(scopes: list[Scope]) -> int:
    """Facts whose validity does not end where the next one of the slot begins."""
    facts = Memory.objects.filter(scope__in=scopes, kind=Memory.Kind.FACT)
    facts = facts.exclude(state__in=[Memory.State.FORGOTTEN, Memory.State.QUARANTINED])
    wrong = 0
    last: dict[tuple[int, str], Memory] = {}
    for fact in facts.order_by("scope", "slot", "valid_from", "id"):
        before = last.get((fact.scope_id, fact.slot))
        if before is not None:
            wrong += before.valid_to != fact.valid_from or before.superseded_by_id != fact.pk
        last[fact.scope_id, fact.slot] = fact
    wrong += sum(fact.state != Memory.State.ACTIVE for fact in last.values())
    return wrong
