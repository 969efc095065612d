from __future__ import annotations

from django.db import models

from staff.models.goals import Goal
from staff.models.work import Task


class Event(models.Model):
    """An append-only row on a goal's stream, numbered 1, 2, 3, ... without gaps."""

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="events")
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


class Outbox(models.Model):
    """A nudge to be sent to a worker. The database is the truth; the message carries ids only."""

    job = models.CharField(max_length=80)
    arguments = models.JSONField()
    priority = models.SmallIntegerField(default=1)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(sent_at__isnull=True), name="unsent_nudges"
            )
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.arguments}"


class ModelCall(models.Model):
    """A recorded step: what a model was asked for a goal, what it said, and what that cost.

    A second attempt at the same work finds the same digest here and replays the text instead of
    sampling again. scope is "plan" or "task ID.REVISION".
    """

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="model_calls")
    task = models.ForeignKey(Task, models.CASCADE, null=True, related_name="model_calls")
    scope = models.CharField(max_length=60)
    digest = models.CharField(max_length=64)
    purpose = models.CharField(max_length=120)
    model = models.CharField(max_length=200)
    text = models.TextField()
    finish_reason = models.CharField(max_length=12)
    prompt_tokens = models.PositiveIntegerField()
    cached_tokens = models.PositiveIntegerField()
    completion_tokens = models.PositiveIntegerField()
    first_token_s = models.FloatField()
    total_s = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["goal", "scope", "digest"], name="one_recorded_call")
        ]

    def __str__(self) -> str:
        return self.purpose
