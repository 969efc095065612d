"""Goals that give themselves: on a schedule, when a file arrives, when a program calls."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from staff.domain.schedules import Missed
from staff.models.goals import Goal
from staff.models.people import User, Workspace


class Routine(models.Model):
    """What gives the same goal again and again.

    boss:    who saved it last; its goals are theirs
    text:    the goal's, with blanks such as {date} (see `staff.domain.blanks`)
    next_at: when a schedule is due; null while paused and for the other triggers
    folder:  what is watched, as the boss wrote it (see `orchestrator.watching`)
    digest:  SHA-256 of the webhook's secret, which is shown once
    trouble: what keeps it from firing now, in plain words
    """

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "On a schedule"
        FOLDER = "folder", "When a file arrives"
        WEBHOOK = "webhook", "When a program calls"

    MISSED = (
        (Missed.SKIP, "Leave them out"),
        (Missed.ONCE, "Make up for them once"),
        (Missed.ALL, "Make up for each"),
    )

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="routines")
    boss = models.ForeignKey(User, models.PROTECT, related_name="routines")
    name = models.CharField(max_length=80)
    text = models.TextField()
    priority = models.SmallIntegerField(choices=Goal.Priority.choices, default=Goal.Priority.NORMAL)
    autonomy = models.CharField(
        max_length=3, choices=Goal.Autonomy.choices, default=Goal.Autonomy.ASK
    )
    token_budget = models.PositiveIntegerField(null=True, blank=True)
    second_budget = models.PositiveIntegerField(null=True, blank=True)

    trigger = models.CharField(max_length=8, choices=Trigger.choices)
    cron = models.CharField(max_length=120, blank=True)
    time_zone = models.CharField(max_length=60, default="UTC")
    missed = models.CharField(max_length=4, choices=MISSED, default=Missed.ONCE)
    folder = models.CharField(max_length=1000, blank=True)
    digest = models.CharField(max_length=64, null=True, unique=True)

    is_active = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True)
    trouble = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="routine_name_in_workspace")
        ]
        indexes = [
            models.Index(
                fields=["next_at"], condition=models.Q(is_active=True), name="armed_routines"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Firing(models.Model):
    """That a routine fired, or why it did not.

    key:  names the occasion: a moment of the schedule, a file with its content, a delivery. The
          database holds one row for each, so nothing fires twice for the same.
    what: the occasion in plain words
    goal: what came of it; several files that arrived together share one
    """

    routine = models.ForeignKey(Routine, models.CASCADE, related_name="firings")
    key = models.CharField(max_length=100)
    what = models.CharField(max_length=300, blank=True)
    due_at = models.DateTimeField(null=True)
    goal = models.ForeignKey(Goal, models.SET_NULL, null=True, related_name="firings")
    refusal = models.TextField(blank=True)
    fired_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["routine", "key"], name="one_firing_an_occasion")
        ]

    def __str__(self) -> str:
        return self.what or self.key


class Sighting(models.Model):
    """A file as a look at a watched folder found it. Two like looks, and it is whole."""

    routine = models.ForeignKey(Routine, models.CASCADE, related_name="sightings")
    name = models.CharField(max_length=300)
    size_bytes = models.BigIntegerField()
    modified_ns = models.BigIntegerField()
    is_handled = models.BooleanField(default=False)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["seen_at", "name"]
        constraints = [models.UniqueConstraint(fields=["routine", "name"], name="one_sighting")]

    def __str__(self) -> str:
        return self.name
