"""Nodes: worker processes, as they register and report themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from staff.actions import queue, sql
from staff.models import Node


def register(name: str, threads: int) -> None:
    """A worker has started under this name; what the admin set for it stays."""
    sql.rows(
        "INSERT INTO staff_node"
        " (name, threads, slots, is_draining, model_states, pins, started_at, seen_at)"
        " VALUES (%s, %s, NULL, false, '[]', '[]', now(), now())"
        " ON CONFLICT (name) DO UPDATE SET threads = excluded.threads, started_at = now(),"
        " seen_at = now()",
        [name, threads],
    )


@dataclass(frozen=True)
class Orders:
    """What the admin wants of a node: models to keep in memory, and no more work."""

    pins: tuple[str, ...] = ()
    is_draining: bool = False


def seen(name: str, models: list[dict[str, Any]]) -> Orders:
    """The worker of this name is alive, by the database's clock, and has these models."""
    found = sql.one(
        "UPDATE staff_node SET seen_at = now(), model_states = %s::jsonb WHERE name = %s"
        " RETURNING pins, is_draining",
        [json.dumps(models), name],
    )
    if found is None:
        return Orders()
    pins = found[0] if isinstance(found[0], list) else json.loads(found[0])
    return Orders(tuple(pins), found[1])


@transaction.atomic
def pin(name: str, model: str, *, is_pinned: bool) -> bool:
    """Keep a model in the memory of a node, or no longer. False if there is no such node.

    The node does so with its next heartbeat.
    """
    node = Node.objects.select_for_update().filter(name=name).first()
    if node is None:
        return False
    others = [pinned for pinned in node.pins if pinned != model]
    node.pins = [*others, model] if is_pinned else others
    node.save(update_fields=["pins"])
    return True


@transaction.atomic
def limit(name: str, **changes: int | bool | None) -> bool:
    """Set what is named. False if there is no such node.

    slots:       how many tasks it may run at once (null: all its threads)
    is_draining: whether it finishes what it has and takes no more
    """
    found = bool(Node.objects.filter(name=name).update(**changes))
    queue.nudge_more()  # there may be room now for work that was turned away
    return found
