"""Events and nudges: what every action writes beside its own change, in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from staff import broadcast
from staff.models import Event, Goal, Outbox, Task

NUDGE_CHANNEL = "forestaff_nudge"


def lock_goal(goal_id: int) -> Goal:
    """The goal's row, locked: every action takes it first, so that none can deadlock."""
    return Goal.objects.select_for_update().get(pk=goal_id)


def append(
    goal_id: int, kind: str, *, task: Task | None = None, actor: str = "", **data: Any
) -> Event:
    """Add the next event to a goal's stream and tell the pages that follow it."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an event belongs to a transaction")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE staff_goal SET last_seq = last_seq + 1 WHERE id = %s RETURNING last_seq",
            [goal_id],
        )
        (seq,) = cursor.fetchone()
    event = Event.objects.create(
        goal_id=goal_id, seq=seq, kind=kind, task=task, actor=actor, data=data
    )
    event.refresh_from_db(fields=["data"])  # the live form is the stored one, to the last key
    broadcast.after_commit(broadcast.goal_group(goal_id), "goal.events", as_json(event))
    return event


def as_json(event: Event) -> dict[str, Any]:
    """The public form of an event, the same on the socket and in the API."""
    return {
        "seq": event.seq,
        "kind": event.kind,
        "task": event.task_id,
        "actor": event.actor,
        "data": event.data,
        "at": event.created_at.isoformat(),
    }


def nudge(job: str, *, priority: int = 1, due_at: datetime | None = None, **ids: int) -> None:
    """Ask for a job through the outbox; the relay sends it once this transaction is committed."""
    Outbox.objects.create(
        job=f"orchestrator.tasks.{job}",
        arguments=ids,
        priority=priority,
        due_at=due_at or timezone.now(),
    )
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {NUDGE_CHANNEL}")
