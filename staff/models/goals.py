from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from staff.domain.lifecycle import GoalState, PlanState
from staff.models.people import User, Workspace


class Goal(models.Model):
    """What the boss wants.

    budget:   what the staff may use for it; a child goal's draws on its parent's as well
    parent:   the goal that it came from, if any
    last_seq: the number of the newest event on its stream; those up to archived_seq are archived,
              those up to remembered_seq have become memories
    """

    class Priority(models.IntegerChoices):
        LOW = 0, "Low"
        NORMAL = 1, "Normal"
        HIGH = 2, "High"
        URGENT = 3, "Urgent"

    class Autonomy(models.TextChoices):
        ASK = "ask", "Ask me before acting"
        ACT = "act", "Act"

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="goals", db_index=False)
    boss = models.ForeignKey(User, models.PROTECT, related_name="goals")
    text = models.TextField()
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    deadline_at = models.DateTimeField(null=True, blank=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    budget = models.OneToOneField("staff.Budget", models.PROTECT, related_name="goal")
    autonomy = models.CharField(max_length=3, choices=Autonomy.choices, default=Autonomy.ASK)

    state = models.CharField(
        max_length=10, choices=[(s, s) for s in GoalState], default=GoalState.PLANNING
    )
    is_paused = models.BooleanField(default=False)
    answer = models.TextField(blank=True)
    failure = models.TextField(blank=True)
    rating = models.SmallIntegerField(
        null=True, validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    rating_note = models.TextField(blank=True)

    last_seq = models.PositiveIntegerField(default=0)
    archived_seq = models.PositiveIntegerField(default=0)
    remembered_seq = models.PositiveIntegerField(default=0)
    plan_fence = models.PositiveIntegerField(default=0)
    plan_lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workspace", "state", "-id"], name="goals_by_state"),
            models.Index(fields=["workspace", "-id"], name="goals_by_age"),
            models.Index(fields=["workspace", "created_at"], name="goals_by_start"),
            models.Index(
                fields=["workspace", "state", "-ended_at"],
                condition=models.Q(ended_at__isnull=False),
                name="goals_by_end",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        line = self.text.strip().splitlines()[0]
        return line if len(line) <= 90 else line[:89].rstrip() + "…"

    @property
    def folder(self) -> str:
        return f"{self.pk:06d}"


class Artifact(models.Model):
    """A file of a goal: attached by the boss, or made by the staff.

    problem: why the file cannot be used, in plain words; empty when it can
    """

    class Origin(models.TextChoices):
        ATTACHED = "attached", "Attached"
        MADE = "made", "Made"

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="artifacts")
    task = models.ForeignKey("staff.Task", models.SET_NULL, null=True, related_name="artifacts")
    origin = models.CharField(max_length=8, choices=Origin.choices)
    name = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    problem = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["goal", "name"], name="file_name_in_goal")]

    def __str__(self) -> str:
        return self.name


class Plan(models.Model):
    """A proposed DAG of tasks, in the JSON form of `staff.domain.plans.Plan`.

    rank:  0 is the one that planning recommends
    score, why: what the ranking said of it
    """

    goal = models.ForeignKey(Goal, models.CASCADE, related_name="plans")
    rank = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(
        max_length=8, choices=[(s, s) for s in PlanState], default=PlanState.PROPOSED
    )
    body = models.JSONField()
    score = models.FloatField(default=0)
    why = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["goal_id", "rank", "id"]

    def __str__(self) -> str:
        return f"plan {self.pk} of goal {self.goal_id}"
