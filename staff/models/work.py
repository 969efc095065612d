from __future__ import annotations

from django.db import models

from staff.domain.lifecycle import AttemptState, TaskState
from staff.domain.retries import FailureKind
from staff.models.agents import Agent
from staff.models.budgets import Budget
from staff.models.goals import Goal, Plan
from staff.models.people import User


class Task(models.Model):
    """Staff work on one step of an adopted plan, or on what a colleague handed on.

    after:       keys of the tasks that must be done first
    parent:      the task that it was handed on by; `request` is the digest of what was asked then
    budget:      its own share of what the goal may use; null where it has none
    fence:       raised by each claim; only the attempt that holds the newest may write
    start_by:    its place in the queue while it is ready (see `domain.queueing`)
    worker:      who runs it
    failures:    how often it failed, by kind (see `domain.retries`), since it was last released
    revision:    how often it was sent back or run again; `reasons` say why
    """

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="tasks")
    plan = models.ForeignKey(Plan, models.CASCADE, related_name="tasks")
    agent = models.ForeignKey(
        Agent, models.SET_NULL, null=True, related_name="tasks", db_index=False
    )
    key = models.CharField(max_length=40)
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    skill = models.CharField(max_length=80)
    instruction = models.TextField(blank=True)
    after = models.JSONField(default=list)
    inputs = models.JSONField(default=list)
    outputs = models.JSONField(default=list)
    reviews = models.CharField(max_length=40, blank=True)  # key of the step that this one reviews
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    request = models.CharField(max_length=64, blank=True)
    budget = models.OneToOneField(Budget, models.PROTECT, null=True, related_name="task")

    state = models.CharField(
        max_length=9, choices=[(s, s) for s in TaskState], default=TaskState.WAITING
    )
    is_paused = models.BooleanField(default=False)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=120, blank=True)
    start_by = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    failures = models.JSONField(default=dict)
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
                fields=["worker"], condition=models.Q(state="running"), name="running_tasks"
            ),
            models.Index(
                fields=["start_by", "id"], condition=models.Q(state="ready"), name="ready_tasks"
            ),
            models.Index(fields=["id"], condition=models.Q(state="failed"), name="dead_letters"),
            models.Index(fields=["agent", "state"], include=["id"], name="record_of_agent"),
            models.Index(
                fields=["agent", "-started_at"],
                condition=models.Q(started_at__isnull=False),
                name="latest_of_agent",
            ),
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
    state = models.CharField(
        max_length=8, choices=[(s, s) for s in AttemptState], default=AttemptState.RUNNING
    )
    failure_kind = models.CharField(max_length=5, choices=[(k, k) for k in FailureKind], blank=True)
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
        indexes = [
            models.Index(fields=["goal"], condition=models.Q(state="open"), name="open_approvals")
        ]

    def __str__(self) -> str:
        return self.reason


class Question(models.Model):
    """Something that only the boss can answer; the work goes on when it is answered.

    kind:    "question" is asked by an agent, "budget" by the house when a cap is reached
    task:    who waits for the answer; null: the planning of the goal
    request: digest of what was asked; the same task asks the same thing only once
    options: answers to choose from; empty means free text
    """

    class Kind(models.TextChoices):
        QUESTION = "question", "Question"
        BUDGET = "budget", "Budget"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ANSWERED = "answered", "Answered"
        WITHDRAWN = "withdrawn", "Withdrawn"

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="questions")
    task = models.ForeignKey(Task, models.CASCADE, null=True, related_name="questions")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.QUESTION)
    request = models.CharField(max_length=64)
    text = models.TextField()
    options = models.JSONField(default=list)
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(User, models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["goal"], condition=models.Q(state="open"), name="open_questions")
        ]

    def __str__(self) -> str:
        return self.text
