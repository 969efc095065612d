"""Events: what every action writes beside its own change, in the same transaction."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from staff import broadcast
from staff.actions import sql
from staff.models import Event, Goal

APPEND = """
    WITH stream AS (
        UPDATE staff_goal SET last_seq = last_seq + 1 WHERE id = %s RETURNING last_seq
    )
    INSERT INTO staff_event (goal_id, seq, kind, task_id, actor, data, created_at)
    SELECT %s, last_seq, %s, %s, %s, %s::jsonb, clock_timestamp() FROM stream
    RETURNING seq, data::text, created_at
"""


def lock_goal(goal_id: int) -> Goal:
    """The goal's row, locked: every action takes it first, so that none can deadlock."""
    return Goal.objects.select_for_update().get(pk=goal_id)


def append(
    goal_id: int, kind: str, *, task_id: int | None = None, actor: str = "", **data: Any
) -> None:
    """Add the next event to a goal's stream and tell the pages that follow it.

    The stream's row is locked by it. Raises TransactionManagementError outside a transaction,
    Goal.DoesNotExist for an unknown goal.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an event belongs to a transaction")
    body = json.dumps(data, cls=DjangoJSONEncoder)
    made = sql.one(APPEND, [goal_id, goal_id, kind, task_id, actor, body])
    if made is None:
        raise Goal.DoesNotExist(f"there is no goal {goal_id}")
    seq, stored, created_at = made  # the live form is the stored one, to the last key
    event = public(seq, kind, task_id, actor, json.loads(stored), created_at)
    broadcast.after_commit(broadcast.goal_group(goal_id), "goal.events", event)


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
