"""The tables as they are, for looking things up. Changes are made by the actions, not here."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from staff import models


class ReadOnly(admin.ModelAdmin):
    """What only the actions may write."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(models.Goal)
class GoalAdmin(ReadOnly):
    list_display = ("id", "title", "workspace", "boss", "state", "is_paused", "created_at")
    list_filter = ("state", "workspace")
    search_fields = ("text",)


@admin.register(models.Task)
class TaskAdmin(ReadOnly):
    list_display = ("id", "title", "goal", "agent", "state", "attempts_made")
    list_filter = ("state",)
    list_select_related = ("goal", "agent")


@admin.register(models.Agent)
class AgentAdmin(ReadOnly):
    list_display = ("name", "role", "workspace", "model", "is_active")
    list_filter = ("workspace",)


@admin.register(models.Routine)
class RoutineAdmin(ReadOnly):
    list_display = ("name", "workspace", "trigger", "is_active", "next_at", "trouble")
    list_filter = ("trigger", "workspace")
    exclude = ("digest",)


@admin.register(models.Firing)
class FiringAdmin(ReadOnly):
    list_display = ("routine", "what", "due_at", "goal", "refusal", "fired_at")
    list_select_related = ("routine", "goal")


@admin.register(models.Event)
class EventAdmin(ReadOnly):
    list_display = ("goal_id", "seq", "kind", "actor", "created_at")
    list_filter = ("kind",)


@admin.register(models.ModelCall)
class ModelCallAdmin(ReadOnly):
    list_display = ("purpose", "goal_id", "model", "prompt_tokens", "completion_tokens", "total_s")


@admin.register(models.Outbox)
class OutboxAdmin(ReadOnly):
    list_display = ("job", "subject_id", "due_at", "sent_at")


@admin.register(models.Workspace)
class WorkspaceAdmin(admin.ModelAdmin):
    list_display = ("name", "created_at")


@admin.register(models.Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ("user", "workspace", "role")
    list_filter = ("workspace", "role")


admin.site.register(models.User, UserAdmin)
