from __future__ import annotations

from django.db import models


class Budget(models.Model):
    """What a goal, a child goal or a delegated task may use; null caps are none.

    A budget with a parent draws on that as well: it can use no more than what remains there.

    tokens:  read (without what was cached) and written by models
    seconds: that models worked
    steps:   model calls, and tasks handed to colleagues
    depth:   how many more times work may be handed on from here
    """

    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    token_cap = models.PositiveBigIntegerField(null=True)
    tokens_used = models.PositiveBigIntegerField(default=0)
    tokens_reserved = models.PositiveBigIntegerField(default=0)
    second_cap = models.PositiveIntegerField(null=True)
    seconds_used = models.FloatField(default=0)
    seconds_reserved = models.FloatField(default=0)
    step_cap = models.PositiveIntegerField(null=True)
    steps_used = models.PositiveIntegerField(default=0)
    depth_cap = models.PositiveSmallIntegerField(null=True)

    def __str__(self) -> str:
        return f"budget {self.pk}"
