from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from staff.models.people import Workspace


class Agent(models.Model):
    """A member of the staff.

    role:  what plans assign work by ("analyst"); several agents may share one
    model: a name in the model catalogue; empty means the installation's default
    tools: names of the tools it may use; empty means all
    concurrency: how many tasks it may work on at once; null means as many as the workers can take
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="agents")
    name = models.CharField(max_length=80)
    role = models.SlugField(max_length=40)
    instructions = models.TextField(blank=True)
    model = models.CharField(max_length=200, blank=True)
    tools = models.JSONField(default=list, blank=True)
    lead = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="reports")
    concurrency = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)]
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="agent_name_in_workspace")
        ]

    def __str__(self) -> str:
        return self.name
