"""Nodes: worker processes, as they register and report themselves."""

from __future__ import annotations

from staff.actions import sql
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


def limit(name: str, *, slots: int | None = None, is_draining: bool = False) -> bool:
    """How many tasks a node may run at once (null: all its threads), and whether it takes any
    more at all. False if there is no such node."""
    return bool(Node.objects.filter(name=name).update(slots=slots, is_draining=is_draining))
