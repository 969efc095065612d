"""Nodes: worker processes, as they register and report themselves."""

from __future__ import annotations

from django.db import transaction

from staff.actions import queue, sql
from staff.models import Node


def register(name: str, threads: int) -> None:
    """A worker has started under this name; what the admin set for it stays."""
    sql.rows(
        "INSERT INTO staff_node (name, threads, slots, is_draining, started_at, seen_at)"
        " VALUES (%s, %s, NULL, false, now(), now())"
        " ON CONFLICT (name) DO UPDATE SET threads = excluded.threads, started_at = now(),"
        " seen_at = now()",
        [name, threads],
    )


def seen(name: str) -> None:
    """The worker of this name is alive, by the database's clock."""
    sql.rows("UPDATE staff_node SET seen_at = now() WHERE name = %s", [name])


@transaction.atomic
def limit(name: str, **changes: int | bool | None) -> bool:
    """Set what is named. False if there is no such node.

    slots:       how many tasks it may run at once (null: all its threads)
    is_draining: whether it finishes what it has and takes no more
    """
    found = bool(Node.objects.filter(name=name).update(**changes))
    queue.nudge_more()  # there may be room now for work that was turned away
    return found
