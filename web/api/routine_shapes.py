"""What the API takes and gives of routines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from staff.domain import schedules
from staff.models import Firing, Goal, Routine
from web.api.serializers import MAX_TEXT, PriorityField, count
from web.routines import runs


class GiveRoutine(serializers.Serializer):
    """A routine to make. cron for a schedule, folder for a folder; the trigger stays as it is."""

    name = serializers.CharField(max_length=80)
    text = serializers.CharField(max_length=MAX_TEXT)
    trigger = serializers.ChoiceField(choices=Routine.Trigger.choices)
    cron = serializers.CharField(max_length=schedules.MAX_CRON_CHARS, required=False)
    time_zone = serializers.CharField(max_length=60, required=False)
    missed = serializers.ChoiceField(choices=Routine.MISSED, required=False)
    folder = serializers.CharField(max_length=1000, required=False)
    priority = PriorityField(required=False)
    autonomy = serializers.ChoiceField(choices=Goal.Autonomy.choices, required=False)
    token_budget = count(required=False, allow_null=True)
    second_budget = count(required=False, allow_null=True)


class ChangeRoutine(GiveRoutine):
    """What is to be different; the rest stays."""

    trigger = None


class FiringShown(serializers.ModelSerializer):
    """goal: what came of it; or refusal: why nothing did."""

    class Meta:
        model = Firing
        fields = ("id", "what", "due_at", "goal", "refusal", "fired_at")


class RoutineShown(serializers.ModelSerializer):
    """next_runs: the next five of a schedule; trouble: what keeps it from firing now."""

    priority = PriorityField()
    boss = serializers.CharField(source="boss.username")
    next_runs = serializers.SerializerMethodField()
    last_firing = serializers.SerializerMethodField()

    class Meta:
        model = Routine
        fields = [
            "id",
            "name",
            "text",
            "trigger",
            "cron",
            "time_zone",
            "missed",
            "folder",
            "priority",
            "autonomy",
            "token_budget",
            "second_budget",
            "boss",
            "is_active",
            "trouble",
            "next_at",
            "next_runs",
            "last_firing",
            "created_at",
        ]

    def get_next_runs(self, routine: Routine) -> list[datetime]:
        return [run.isoformat() for run in runs.upcoming(routine)]

    @extend_schema_field(FiringShown(allow_null=True))
    def get_last_firing(self, routine: Routine) -> dict[str, Any] | None:
        return FiringShown(routine.newest[0]).data if routine.newest else None


class HookShown(serializers.Serializer):
    """A webhook's address. It is shown this once; whoever has it can give this routine's goal."""

    hook_url = serializers.CharField()


class RoutineMade(RoutineShown):
    """With the address of a new webhook, which is shown this once."""

    hook_url = serializers.CharField(default="", read_only=True)

    class Meta(RoutineShown.Meta):
        fields = [*RoutineShown.Meta.fields, "hook_url"]
