"""What the API takes and gives."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from staff import queries
from staff.actions import planning, queue
from staff.domain.lifecycle import GoalState
from staff.domain.plans import Plan as PlanBody
from staff.domain.plans import PlanRefused
from staff.models import Agent, Approval, Artifact, Effect, Goal, Plan
from web.api.task_shapes import TaskShown

MAX_NUMBER = 2**31 - 1
MAX_DEPTH = 10
MAX_TEXT = 20_000
STEP_LIMITS = {"key": 40, "title": 200, "skill": 80, "agent_role": 80, "reviews": 40}
PRIORITIES = {priority.name.lower(): priority.value for priority in Goal.Priority}


class PriorityField(serializers.ChoiceField):
    """By name: low, normal, high, urgent. Numbers 0 to 3 are understood too."""

    def __init__(self, **kwargs: Any):
        super().__init__(choices=list(PRIORITIES), **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is int and data in PRIORITIES.values():
            return data
        return PRIORITIES[super().to_internal_value(data)]

    def to_representation(self, value: int) -> str:
        return Goal.Priority(value).name.lower()


def count(**kwargs: Any) -> serializers.IntegerField:
    """A whole number that the database can hold."""
    return serializers.IntegerField(**{"min_value": 1, "max_value": MAX_NUMBER} | kwargs)


class GiveGoal(serializers.Serializer):
    """A goal to give. Files only with multipart/form-data, as repeated `files`."""

    text = serializers.CharField(max_length=MAX_TEXT)
    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True, max_length=255), required=False
    )
    priority = PriorityField(required=False)
    deadline_at = serializers.DateTimeField(required=False, allow_null=True)
    token_budget = count(required=False, allow_null=True)
    second_budget = count(required=False, allow_null=True)
    step_budget = count(required=False, allow_null=True)
    depth_budget = count(required=False, allow_null=True, min_value=0, max_value=MAX_DEPTH)
    autonomy = serializers.ChoiceField(choices=Goal.Autonomy.choices, required=False)
    parent = count(required=False, allow_null=True)


class Approve(serializers.Serializer):
    """Nothing: the recommended plan. Or one of: a plan's id, an edited plan, an approval's id."""

    plan = serializers.IntegerField(required=False, allow_null=True)
    edited = serializers.JSONField(required=False, allow_null=True)
    approval = serializers.IntegerField(required=False, allow_null=True)

    def validate_edited(self, edited: Any) -> dict[str, Any] | None:
        if edited is None:
            return None
        try:
            plan = PlanBody.from_json(edited)
        except PlanRefused as reason:
            raise serializers.ValidationError(str(reason)) from reason
        body = plan.to_json()
        for step in body["steps"]:
            for name, most in STEP_LIMITS.items():
                if len(step[name] or "") > most:
                    raise serializers.ValidationError(f"{name} has at most {most} characters.")
        if any(not is_clean(text) for text in texts_in(body)):
            raise serializers.ValidationError("The plan holds characters that are no text.")
        return body


class Reject(serializers.Serializer):
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    approval = serializers.IntegerField(required=False, allow_null=True)


class Rate(serializers.Serializer):
    rating = serializers.IntegerField(min_value=1, max_value=5)
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class Budget(serializers.Serializer):
    """New caps; null or missing means none."""

    token_budget = count(required=False, allow_null=True, default=None)
    second_budget = count(required=False, allow_null=True, default=None)
    step_budget = count(required=False, allow_null=True, default=None)


class GoalsAsked(serializers.Serializer):
    state = serializers.ChoiceField(choices=list(GoalState), required=False)
    q = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class EventsAsked(serializers.Serializer):
    after = serializers.IntegerField(min_value=0, max_value=MAX_NUMBER, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=500)


class GoalShort(serializers.ModelSerializer):
    priority = PriorityField()
    token_budget = serializers.IntegerField(source="budget.token_cap", allow_null=True)
    second_budget = serializers.IntegerField(source="budget.second_cap", allow_null=True)
    step_budget = serializers.IntegerField(source="budget.step_cap", allow_null=True)
    depth_budget = serializers.IntegerField(source="budget.depth_cap", allow_null=True)
    tokens_reserved = serializers.IntegerField(source="budget.tokens_reserved")
    seconds_reserved = serializers.FloatField(source="budget.seconds_reserved")
    tokens_used = serializers.IntegerField(source="budget.tokens_used")
    seconds_used = serializers.FloatField(source="budget.seconds_used")
    steps_used = serializers.IntegerField(source="budget.steps_used")

    class Meta:
        model = Goal
        fields = [
            "id",
            "title",
            "text",
            "state",
            "is_paused",
            "priority",
            "deadline_at",
            "token_budget",
            "second_budget",
            "step_budget",
            "depth_budget",
            "autonomy",
            "parent",
            "answer",
            "failure",
            "rating",
            "rating_note",
            "tokens_used",
            "tokens_reserved",
            "seconds_used",
            "seconds_reserved",
            "steps_used",
            "last_seq",
            "created_at",
            "started_at",
            "ended_at",
        ]


class PlanShown(serializers.ModelSerializer):
    class Meta:
        model = Plan
        fields = ("id", "rank", "state", "score", "why", "body")


class EffectShown(serializers.ModelSerializer):
    class Meta:
        model = Effect
        fields = ("tool", "summary", "arguments")


class ApprovalShown(serializers.ModelSerializer):
    """An open question, with exactly what would be done."""

    effects = serializers.SerializerMethodField()

    class Meta:
        model = Approval
        fields = ("id", "task", "reason", "effects", "created_at")

    def get_effects(self, approval: Approval) -> list[dict[str, Any]]:
        return EffectShown(approval.task.effects.filter(committed_at=None), many=True).data


class ArtifactShown(serializers.ModelSerializer):
    class Meta:
        model = Artifact
        fields = ("id", "name", "origin", "task", "size_bytes", "sha256", "problem", "created_at")


class GoalLong(GoalShort):
    """A goal with its plans, tasks and open approvals. queue_position: while it waits to be
    planned, 1 for the next. children: the goals that serve this one."""

    plans = PlanShown(many=True)
    tasks = serializers.SerializerMethodField()
    approvals = serializers.SerializerMethodField()
    queue_position = serializers.SerializerMethodField()
    children = serializers.PrimaryKeyRelatedField(many=True, read_only=True)

    class Meta(GoalShort.Meta):
        fields = [*GoalShort.Meta.fields, "queue_position", "children"]
        fields += ["plans", "tasks", "approvals"]

    @extend_schema_field(TaskShown(many=True))
    def get_tasks(self, goal: Goal) -> list[dict[str, Any]]:
        places = {"places": queue.places(goal.pk)}
        return TaskShown(queries.tasks_of(goal), many=True, context=places).data

    def get_queue_position(self, goal: Goal) -> int | None:
        return planning.place(goal)

    def get_approvals(self, goal: Goal) -> list[dict[str, Any]]:
        open_ones = goal.approvals.filter(state=Approval.State.OPEN)
        return ApprovalShown(open_ones.prefetch_related("task__effects"), many=True).data


class AgentShown(serializers.ModelSerializer):
    """A member of the staff. tools: empty means all; lead: id of who they report to;
    concurrency: how many tasks at once, null for as many as the workers can take."""

    role = serializers.SlugField(max_length=40)
    instructions = serializers.CharField(
        max_length=8000, required=False, allow_blank=True, default=""
    )
    tools = serializers.ListField(child=serializers.CharField(max_length=80), required=False)
    concurrency = count(required=False, allow_null=True, max_value=1000)
    tasks_done = serializers.IntegerField(read_only=True, default=0)
    tasks_failed = serializers.IntegerField(read_only=True, default=0)

    class Meta:
        model = Agent
        fields = [
            "id",
            "name",
            "role",
            "instructions",
            "model",
            "tools",
            "lead",
            "concurrency",
            "is_active",
            "tasks_done",
            "tasks_failed",
        ]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        workspace = getattr(self.context.get("request"), "workspace", None)
        self.fields["lead"].queryset = Agent.objects.filter(workspace=workspace)


class EventShown(serializers.Serializer):
    """For the schema only; `staff.actions.streams.as_json` makes it."""

    seq = serializers.IntegerField()
    kind = serializers.CharField()
    task = serializers.IntegerField(allow_null=True)
    actor = serializers.CharField()
    data = serializers.DictField()
    at = serializers.DateTimeField()


class EventPage(serializers.Serializer):
    results = EventShown(many=True)
    last = serializers.IntegerField(help_text="number of the newest event on the stream")


def texts_in(value: Any) -> list[str]:
    """All the texts in a JSON value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in texts_in(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts_in(each)]
    return []


def is_clean(text: str) -> bool:
    """Whether the database can hold it: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
