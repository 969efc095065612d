from __future__ import annotations

from django.db import models

from staff.domain.lifecycle import TaskState
from staff.models.agents import Agent
from staff.models.goals import Goal, Plan
from staff.models.people import User


class Task(models.Model):
    """Staff work on one step of an adopted plan.

    fence is raised by each claim; only the attempt that holds the newest may write.
    after: keys of the steps that must be done first. revision counts how often it was sent back.
    """

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="tasks")
    plan = models.ForeignKey(Plan, models.CASCADE, related_name="tasks")
    agent = models.ForeignKey(Agent, models.SET_NULL, null=True, related_name="tasks")
    key = models.CharField(max_length=40)
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    skill = models.CharField(max_length=80)
    instruction = models.TextField(blank=True)
    after = models.JSONField(default=list)
    inputs = models.JSONField(default=list)
    outputs = models.JSONField(default=list)
    reviews = models.CharField(max_length=40, blank=True)  # key of the step that this one reviews

    state = models.CharField(
        max_length=9, choices=[(s, s) for s in TaskState], default=TaskState.WAITING
    )
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    attempts_made = models.PositiveSmallIntegerField(default=0)
    revision = models.PositiveSmallIntegerField(default=0)
    reasons = models.JSONField(default=list)  # why it was sent back
    answer = models.TextField(blank=True)
    notes = models.JSONField(default=list)
    failure = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["goal_id", "position"]
        constraints = [models.UniqueConstraint(fields=["plan", "key"], name="task_key_in_plan")]
        indexes = [
            models.Index(
                fields=["lease_until"], condition=models.Q(state="running"), name="leased_tasks"
            )
        ]

    def __str__(self) -> str:
        return self.title


class Attempt(models.Model):
    """One claimed run of a task."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="attempts")
    fence = models.PositiveIntegerField()
    worker = models.CharField(max_length=120)
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)  # done, asking, failed, lost, cancelled
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "fence"], name="one_fence")]

    def __str__(self) -> str:
        return f"attempt {self.fence} of task {self.task_id}"


class Effect(models.Model):
    """One intended change of one revision of a task; committed at most once."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="effects")
    revision = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField()
    tool = models.CharField(max_length=80)
    arguments = models.JSONField()
    digest = models.CharField(max_length=64)
    summary = models.TextField()
    result = models.JSONField(null=True)
    committed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["task_id", "revision", "position"]
        constraints = [
            models.UniqueConstraint(fields=["task", "revision", "position"], name="one_effect")
        ]

    def __str__(self) -> str:
        return self.summary


class Approval(models.Model):
    """A question to the boss: may these exact effects be committed?

    digest binds the effects that were shown; nothing else is covered by the answer.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        GRANTED = "granted", "Granted"
        REFUSED = "refused", "Refused"

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="approvals")
    task = models.ForeignKey(Task, models.CASCADE, related_name="approvals")
    reason = models.TextField()
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    note = models.TextField(blank=True)
    decided_by = models.ForeignKey(User, models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.reason
