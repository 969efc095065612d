"""Tasks as the API gives them."""

from __future__ import annotations

from rest_framework import serializers

from staff.models import Attempt, Task


class TaskShown(serializers.ModelSerializer):
    """A task of `queries.tasks_of`. queue_position: 1 for the next; null if it does not wait for
    a worker. failure_kind: whose failure the last attempt was, if it failed. parent: the task
    that handed it on."""

    agent = serializers.CharField(source="agent.name", default="")
    queue_position = serializers.SerializerMethodField()
    failure_kind = serializers.SerializerMethodField()

    class Meta:
        model = Task
        fields = [
            "id",
            "key",
            "title",
            "skill",
            "instruction",
            "agent",
            "after",
            "inputs",
            "outputs",
            "reviews",
            "parent",
            "state",
            "is_paused",
            "queue_position",
            "start_by",
            "not_before",
            "attempts_made",
            "revision",
            "answer",
            "notes",
            "failure",
            "failure_kind",
            "started_at",
            "ended_at",
        ]

    def get_queue_position(self, task: Task) -> int | None:
        return self.context.get("places", {}).get(task.pk)

    def get_failure_kind(self, task: Task) -> str:
        return task.tries[-1].failure_kind if task.tries else ""


class AttemptShown(serializers.ModelSerializer):
    class Meta:
        model = Attempt
        fields = ("state", "failure_kind", "error", "worker", "started_at", "ended_at")


class DeadLetter(TaskShown):
    """A task that failed for good, and each run of it, in order."""

    goal_title = serializers.CharField(source="goal.title")
    attempts = AttemptShown(source="tries", many=True)

    class Meta(TaskShown.Meta):
        fields = ["goal", "goal_title", *TaskShown.Meta.fields, "attempts"]
