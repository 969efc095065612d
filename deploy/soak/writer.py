"""A process that appends events to goals at a steady rate, through the actions."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection


@dataclass(frozen=True)
class Orders:
    """What to write. Moments are those of `time.time`.

    goals:  on which to write until `ends_at`
    silent: goals that hear their last event at `silent_at`
    """

    goals: Sequence[int]
    silent: Sequence[int]
    events_per_s: float
    silent_at: float
    ends_at: float
    seed: int


def run(pipe: Connection, orders: Orders) -> None:
    """Writes; then answers with how many events were written."""
    import django

    django.setup()
    pipe.send(_write(orders))


def _write(orders: Orders) -> int:
    chance = random.Random(orders.seed)
    began, written = time.time(), 0
    goals, is_silent = [*orders.goals, *orders.silent], False
    while (now := time.time()) < orders.ends_at:
        if not is_silent and now >= orders.silent_at:
            goals, is_silent = list(orders.goals), True
            written += sum(_append(goal, 1) for goal in orders.silent)
        written += _append(chance.choice(goals), chance.randint(1, 3))
        time.sleep(max(0, began + written / orders.events_per_s - time.time()))
    return written


def _append(goal_id: int, count: int) -> int:
    from django.db import transaction

    from staff.actions import streams

    with transaction.atomic():
        streams.lock_goal(goal_id)
        for _ in range(count):
            streams.append(goal_id, "soak.tick", written_at=time.time(), text="some words " * 8)
    return count
