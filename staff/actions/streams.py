"""Events: what every action writes beside its own change, in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from staff import broadcast
from staff.actions import sql
from staff.models import Event, Goal

EVENTS = """
    INSERT INTO staff_event (goal_id, seq, kind, task_id, actor, data, created_at)
    SELECT %(goal)s, last_seq + place, one->>'kind', (one->>'task_id')::bigint, one->>'actor',
        one->'data', clock_timestamp()
    FROM stream, jsonb_array_elements(%(news)s::jsonb) WITH ORDINALITY AS news (one, place)
    RETURNING seq, kind, task_id, actor, data::text, created_at
"""
APPEND = f"""
    WITH stream AS (
        UPDATE staff_goal g SET last_seq = last_seq + %(count)s WHERE id = %(goal)s
        RETURNING g.last_seq - %(count)s AS last_seq
    ) {EVENTS}
"""
# The goal is locked first, then the claim is looked at behind the lock: FOR SHARE looks again at
# the newest version of the task's row, whatever this statement saw before it had to wait.
HELD = """
    WITH locked AS (SELECT * FROM staff_goal WHERE id = %(goal)s FOR UPDATE),
    held AS (
        SELECT locked.* FROM locked JOIN staff_task t ON t.goal_id = locked.id
        WHERE t.id = %(task)s AND t.fence = %(fence)s AND t.state = 'running' FOR SHARE OF t
    )
"""
APPEND_HELD = f"""
    {HELD}, stream AS (
        UPDATE staff_goal g SET last_seq = g.last_seq + %(count)s FROM held WHERE g.id = held.id
        RETURNING g.last_seq - %(count)s AS last_seq
    ) {EVENTS}
"""


class StaleFence(Exception):
    """This attempt no longer owns its work: it was cancelled, paused, or given to another."""


@dataclass(frozen=True)
class News:
    """An event that is to be appended. data: JSON."""

    kind: str
    data: Mapping[str, Any]
    actor: str = ""
    task_id: int | None = None


def lock_goal(goal_id: int) -> Goal:
    """The goal's row, locked: every action takes it first, so that none can deadlock.

    Raises Goal.DoesNotExist.
    """
    select = f"SELECT {sql.columns(Goal, 'g')} FROM staff_goal g WHERE id = %s FOR UPDATE"
    found = sql.one(select, [goal_id])
    if found is None:
        raise Goal.DoesNotExist(f"there is no goal {goal_id}")
    (goal,) = sql.instances(found, Goal)
    return goal


def append(
    goal_id: int, kind: str, *, task_id: int | None = None, actor: str = "", **data: Any
) -> None:
    """Add the next event to a goal's stream and tell the pages that follow it. See append_all."""
    append_all(goal_id, News(kind, data, actor, task_id))


def append_all(goal_id: int, *news: News) -> None:
    """Add the next events to a goal's stream, in order, and tell the pages that follow it.

    The goal's row is locked by it until the transaction ends. Raises TransactionManagementError
    outside a transaction, Goal.DoesNotExist for an unknown goal.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an event belongs to a transaction")
    if news and not _append(APPEND, goal_id, news):
        raise Goal.DoesNotExist(f"there is no goal {goal_id}")


def append_held(goal_id: int, task_id: int, fence: int, *news: News) -> None:
    """Add events about a task in the name of the attempt that holds this fence.

    One statement, so it needs no transaction; in one, the goal stays locked until its end.
    Raises StaleFence if the attempt does not own the task any more.
    """
    about = [replace(each, task_id=task_id) for each in news]
    if not _append(APPEND_HELD, goal_id, about, task=task_id, fence=fence):
        raise stale(task_id, fence)


def stale(task_id: int, fence: int) -> StaleFence:
    return StaleFence(f"task {task_id}: fence {fence} is stale")


def _append(statement: str, goal_id: int, news: Sequence[News], **which: int) -> bool:
    made = sql.rows(
        statement,
        {
            "goal": goal_id,
            "count": len(news),
            "news": json.dumps([vars(each) for each in news], cls=DjangoJSONEncoder),
            **which,
        },
    )
    events = [
        # the live form is the stored one, to the last key
        public(seq, kind, task, actor, json.loads(stored), created_at)
        for seq, kind, task, actor, stored, created_at in sorted(made)
    ]
    broadcast.after_commit(broadcast.goal_group(goal_id), "goal.events", *events)
    return bool(made)


def as_json(event: Event) -> dict[str, Any]:
    """The public form of an event, the same on the socket and in the API."""
    return public(event.seq, event.kind, event.task_id, event.actor, event.data, event.created_at)


def public(
    seq: int, kind: str, task_id: int | None, actor: str, data: Any, created_at: datetime
) -> dict[str, Any]:
    return {
        "seq": seq,
        "kind": kind,
        "task": task_id,
        "actor": actor,
        "data": data,
        "at": created_at.isoformat(),
    }
