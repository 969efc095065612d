from __future__ import annotations

import json
import zlib
from datetime import datetime

from django.db import models

from staff.models.goals import Goal
from staff.models.work import Task


class Event(models.Model):
    """An append-only row on a goal's stream, numbered 1, 2, 3, ... without gaps."""

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    task = models.ForeignKey(Task, models.SET_NULL, null=True, related_name="events")
    actor = models.CharField(max_length=120, blank=True)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["goal_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["goal", "seq"], name="gapless_stream")]

    def __str__(self) -> str:
        return f"{self.goal_id}:{self.seq} {self.kind}"


class EventArchive(models.Model):
    """Consecutive events of a goal that ended long ago, in one row in place of many.

    body: the events' public form, a JSON list, zlib-compressed
    """

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="event_archives", db_index=False)
    first_seq = models.PositiveIntegerField()
    last_seq = models.PositiveIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["goal_id", "last_seq"]
        constraints = [models.UniqueConstraint(fields=["goal", "last_seq"], name="archived_once")]

    def __str__(self) -> str:
        return f"{self.goal_id}:{self.first_seq}-{self.last_seq}"

    def events(self) -> list[Event]:
        """The events as they were, in order; they are no longer rows."""
        return [
            Event(
                goal_id=self.goal_id,
                seq=event["seq"],
                kind=event["kind"],
                task_id=event["task"],
                actor=event["actor"],
                data=event["data"],
                created_at=datetime.fromisoformat(event["at"]),
            )
            for event in json.loads(zlib.decompress(self.body))
        ]


class Outbox(models.Model):
    """A nudge to be sent to a worker: look after this goal, task or routine.

    There is one row for a job and its subject; it stays until the job has been done, and is sent
    again while it has not. The database is the truth; the message is only a hint.

    start_by: the order in which nudges are sent
    sends:    how often it was sent; each time the next sending waits longer
    """

    job = models.CharField(max_length=80)
    subject_id = models.BigIntegerField()
    start_by = models.DateTimeField()
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    sends = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "subject_id"], name="one_nudge")]
        indexes = [
            models.Index(fields=["start_by"], name="nudges_in_order"),
            models.Index(
                fields=["due_at"], condition=models.Q(sent_at__isnull=False), name="sent_nudges"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.subject_id}"


class ModelCall(models.Model):
    """A recorded step: what a model was asked for a goal, what it said, and what that cost.

    The row is written before the model is asked, with what was reserved for the answer, and
    settled after. A second attempt at the same work finds the same digest here and replays the
    text instead of sampling again.

    scope:          "plan N", or "task ID.REVISION"
    is_settled:     the answer is here; else it is awaited, or its attempt died
    tokens_reserved, seconds_reserved: what the budgets hold for it until it is settled
    """

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="model_calls")
    task = models.ForeignKey(
        Task, models.CASCADE, null=True, related_name="model_calls", db_index=False
    )
    scope = models.CharField(max_length=60)
    digest = models.CharField(max_length=64)
    purpose = models.CharField(max_length=120)
    model = models.CharField(max_length=200)
    is_settled = models.BooleanField(default=False)
    tokens_reserved = models.PositiveIntegerField(default=0)
    seconds_reserved = models.FloatField(default=0)
    text = models.TextField(blank=True)
    finish_reason = models.CharField(max_length=12, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    first_token_s = models.FloatField(default=0)
    total_s = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["goal", "scope", "digest"], name="one_recorded_call")
        ]
        indexes = [
            models.Index(
                fields=["goal"], condition=models.Q(is_settled=False), name="unsettled_calls"
            ),
            models.Index(
                fields=["task"],
                include=["prompt_tokens", "cached_tokens", "completion_tokens"],
                name="tokens_of_task",
            ),
        ]

    def __str__(self) -> str:
        return self.purpose
