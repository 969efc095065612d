"""What may be read, and by whom: every question about a workspace goes through here.

Deny by default: a function takes the workspace (or the person) that asks, and what is not theirs
does not exist for them (DoesNotExist).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from staff.domain.lifecycle import OPEN_GOALS, GoalState, TaskState
from staff.models import (
    Agent,
    ApiToken,
    Approval,
    Artifact,
    Event,
    Goal,
    Membership,
    Memory,
    ModelCall,
    User,
    Workspace,
)
from staff.recall import Sight

RECENT = timedelta(days=7)


@dataclass(frozen=True)
class Waiting:
    """What needs the boss, newest first."""

    approvals: list[Approval]
    proposed: list[Goal]
    failed: list[Goal]

    def __len__(self) -> int:
        return len(self.approvals) + len(self.proposed) + len(self.failed)


def memberships_of(user: User) -> QuerySet[Membership]:
    """The user's seats, the oldest first."""
    return Membership.objects.filter(user=user).select_related("workspace").order_by("id")


def may_follow(user_id: int, goal_id: int) -> bool:
    """Whether the user sits in the goal's workspace."""
    return Goal.objects.filter(pk=goal_id, workspace__memberships__user_id=user_id).exists()


def goals_of(workspace: Workspace) -> QuerySet[Goal]:
    """The goals, newest first, with tasks_made and tasks_done: how far each has come."""
    counted = Goal.objects.filter(workspace=workspace).annotate(
        tasks_made=Count("tasks"),
        tasks_done=Count("tasks", filter=Q(tasks__state=TaskState.DONE)),
    )
    return counted.order_by("-id")


def search_goals(workspace: Workspace, words: str = "", state: str = "") -> QuerySet[Goal]:
    """The goals that hold all the words (in text or answer), newest first."""
    found = goals_of(workspace)
    for word in words.split()[:10]:
        found = found.filter(Q(text__icontains=word) | Q(answer__icontains=word))
    return found.filter(state=state) if state else found


def goal_of(workspace: Workspace, goal_id: int) -> Goal:
    return goals_of(workspace).select_related("boss", "workspace").get(pk=goal_id)


def artifact_of(goal: Goal, artifact_id: int) -> Artifact:
    return goal.artifacts.get(pk=artifact_id)


def events_after(goal_id: int, after: int, limit: int) -> list[Event]:
    """The next events of a stream, in order, at most `limit`."""
    return list(Event.objects.filter(goal_id=goal_id, seq__gt=after).order_by("seq")[:limit])


def waiting(workspace: Workspace) -> Waiting:
    """Open approvals, proposed plans, and goals that failed lately and were not judged yet."""
    goals = Goal.objects.filter(workspace=workspace)
    approvals = Approval.objects.filter(goal__workspace=workspace, state=Approval.State.OPEN)
    failed = goals.filter(state=GoalState.FAILED, rating=None)
    return Waiting(
        approvals=list(approvals.select_related("goal", "task__agent").order_by("-id")[:20]),
        proposed=list(goals.filter(state=GoalState.PROPOSED)[:20]),
        failed=list(failed.filter(ended_at__gte=timezone.now() - RECENT)[:10]),
    )


def count_waiting(workspace: Workspace) -> int:
    """How many goals wait for an answer of the boss."""
    asking = Q(state=GoalState.PROPOSED) | Q(approvals__state=Approval.State.OPEN)
    return Goal.objects.filter(workspace=workspace).filter(asking).distinct().count()


def live(workspace: Workspace) -> list[Goal]:
    """Goals that the staff works on now."""
    states = [state for state in OPEN_GOALS if state != GoalState.PROPOSED]
    return list(goals_of(workspace).filter(state__in=states)[:20])


def finished_lately(workspace: Workspace) -> list[Goal]:
    return list(goals_of(workspace).filter(state=GoalState.DONE).order_by("-ended_at")[:8])


def figures(workspace: Workspace) -> dict[str, int]:
    """Four figures of the last seven days: done, open, tokens, working seconds."""
    since = timezone.now() - RECENT
    recent = Q(created_at__gte=since)
    return Goal.objects.filter(workspace=workspace).aggregate(
        total=Count("pk"),
        open=Count("pk", filter=Q(state__in=OPEN_GOALS)),
        done=Count("pk", filter=Q(state=GoalState.DONE, ended_at__gte=since)),
        tokens=Coalesce(Sum("tokens_used", filter=recent), 0),
        seconds=Coalesce(Sum("seconds_used", filter=recent), 0.0),
    )


def agents_of(workspace: Workspace) -> QuerySet[Agent]:
    """The staff with its record: tasks_done, tasks_failed, tasks_open and tokens."""
    tokens = (
        ModelCall.objects.filter(task__agent=OuterRef("pk"))
        .order_by()
        .values("task__agent")
        .annotate(sum=Sum("prompt_tokens") - Sum("cached_tokens") + Sum("completion_tokens"))
        .values("sum")
    )
    return (
        Agent.objects.filter(workspace=workspace)
        .select_related("lead")
        .annotate(
            tasks_done=Count("tasks", filter=Q(tasks__state=TaskState.DONE)),
            tasks_failed=Count("tasks", filter=Q(tasks__state=TaskState.FAILED)),
            tasks_open=Count("tasks", filter=Q(tasks__state=TaskState.RUNNING)),
            tokens=Coalesce(Subquery(tokens), Value(0)),
        )
        .order_by("id")
    )


def agent_of(workspace: Workspace, agent_id: int) -> Agent:
    return agents_of(workspace).get(pk=agent_id)


def tokens_of(user: User, workspace: Workspace) -> QuerySet[ApiToken]:
    """The user's API tokens that still let someone in."""
    return ApiToken.objects.filter(user=user, workspace=workspace, revoked_at=None).order_by("-id")


def memories_of(sight: Sight, *, kind: str = "", state: str = "") -> QuerySet[Memory]:
    """What is remembered in these scopes, the newest first; forgotten ones never."""
    found = Memory.objects.filter(scope__in=sight.scope_ids).exclude(state=Memory.State.FORGOTTEN)
    found = found.filter(kind=kind) if kind else found
    found = found.filter(state=state) if state else found
    return found.select_related("scope__agent", "scope__user").order_by("-said_at", "-id")


def memory_of(sight: Sight, memory_id: int) -> Memory:
    return memories_of(sight).get(pk=memory_id)
