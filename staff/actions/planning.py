"""The planning of a goal: one planner at a time holds it, by a lease and a fence of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from staff.actions import budgets, outbox, progress, sql, streams
from staff.actions.streams import News, StaleFence
from staff.domain.lifecycle import GoalState
from staff.models import Goal, Plan, Question


@dataclass(frozen=True)
class RankedPlan:
    body: dict[str, Any]
    score: float
    why: str


@transaction.atomic
def claim(goal_id: int, lease_s: float) -> int | None:
    """Take the planning of a goal. Returns the fence to plan under, or None if it is not to be
    had (somebody plans, it is paused, or it is past planning)."""
    taken = sql.one(
        "UPDATE staff_goal SET plan_fence = plan_fence + 1,"
        " plan_lease_until = now() + %s * interval '1 second',"
        " started_at = coalesce(started_at, now())"
        " WHERE id = %s AND state = 'planning' AND NOT is_paused"
        " AND (plan_lease_until IS NULL OR plan_lease_until <= now()) RETURNING plan_fence",
        [lease_s, goal_id],
    )
    if taken is None:
        return None
    outbox.drop("plan_goal", goal_id)
    streams.append(goal_id, "planning.started")
    return int(taken[0])


def place(goal: Goal) -> int | None:
    """Where a goal stands among all the work that waits for a worker, 1 for the next; None if it
    does not wait to be planned."""
    if goal.state != GoalState.PLANNING or goal.is_paused:
        return None
    before = sql.one(
        "SELECT count(*) FROM staff_outbox own JOIN staff_outbox o ON o.start_by <= own.start_by"
        " WHERE own.job = 'plan_goal' AND own.subject_id = %s"
        " AND o.job IN ('plan_goal', 'run_task')",
        [goal.pk],
    )
    return (before and before[0]) or None


def renew(goal_id: int, fence: int, lease_s: float) -> bool:
    """Extend a planner's lease. False if the planning is no longer its own."""
    renewed = sql.one(
        "UPDATE staff_goal SET plan_lease_until = now() + %s * interval '1 second'"
        " WHERE id = %s AND plan_fence = %s AND state = 'planning' AND NOT is_paused"
        " RETURNING id",
        [lease_s, goal_id, fence],
    )
    return renewed is not None


@transaction.atomic(savepoint=False)
def tell(goal_id: int, fence: int, *news: News) -> None:
    """Add events in the name of a planner. Raises StaleFence if the planning is another's."""
    streams.append_all(goal_id, *news)
    _check(goal_id, fence)


@transaction.atomic
def release(goal_id: int, fence: int) -> None:
    """Give planning back unfinished; it is nudged again unless the goal is paused."""
    goal = streams.lock_goal(goal_id)
    if goal.plan_fence == fence and goal.state == GoalState.PLANNING:
        _let_go(goal)
        if not goal.is_paused:
            progress.nudge_planning(goal)


def reap() -> int:
    """Plan again where a planner's lease ran out. Returns how many goals that were."""
    found = sql.rows(
        "SELECT id, plan_fence FROM staff_goal WHERE state = 'planning' AND NOT is_paused"
        " AND plan_lease_until < now()"
    )
    for goal_id, fence in found:
        release(goal_id, fence)
    return len(found)


@transaction.atomic
def propose(goal_id: int, fence: int, ranked: Sequence[RankedPlan]) -> bool:
    """Put the candidate plans before the boss, best first; act on the best where the goal's
    autonomy says so. Returns False if the fence is stale."""
    goal = streams.lock_goal(goal_id)
    if goal.plan_fence != fence or goal.state != GoalState.PLANNING:
        return False
    _let_go(goal)
    progress.move(goal, GoalState.PROPOSED)
    made = [
        Plan.objects.create(goal=goal, rank=rank, body=plan.body, score=plan.score, why=plan.why)
        for rank, plan in enumerate(ranked)
    ]
    streams.append(goal_id, "plan.proposed", plans=[plan.pk for plan in made])
    if goal.autonomy == Goal.Autonomy.ACT:
        progress.adopt(goal, made[0], actor="policy: act")
    return True


@transaction.atomic
def ask_for_budget(goal_id: int, fence: int, reason: str) -> None:
    """Planning has used up its budget: hold it until the boss raises that."""
    goal = streams.lock_goal(goal_id)
    if goal.plan_fence == fence and goal.state == GoalState.PLANNING:
        _let_go(goal)
        Goal.objects.filter(pk=goal_id).update(is_paused=True)
        question = Question.objects.create(
            goal=goal, kind=Question.Kind.BUDGET, request=f"plan {fence}", text=reason
        )
        streams.append(goal_id, "budget.spent", question=question.pk, reason=reason)


@transaction.atomic
def fail(goal_id: int, fence: int, reason: str) -> None:
    goal = streams.lock_goal(goal_id)
    if goal.plan_fence == fence and goal.state == GoalState.PLANNING:
        _let_go(goal)
        progress.fail(goal, reason)


def _check(goal_id: int, fence: int) -> None:
    owned = Goal.objects.filter(pk=goal_id, plan_fence=fence, state=GoalState.PLANNING)
    if not owned.exists():
        raise StaleFence(f"the planning of goal {goal_id}: fence {fence} is stale")


def _let_go(goal: Goal) -> None:
    Goal.objects.filter(pk=goal.pk).update(plan_lease_until=None)
    budgets.release(goal.pk, None)
