"""Everything that changes a goal or its plans."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from staff.actions import streams
from staff.domain import lifecycle, plans
from staff.domain.lifecycle import GoalState, IllegalTransition, PlanState, TaskState
from staff.models import Agent, Artifact, Goal, Plan, Task, User, Workspace


class GoalRefused(Exception):
    """The goal, or what was asked of it, cannot be accepted; the message says why."""


@dataclass(frozen=True)
class Attachment:
    """A file given with a goal, already stored; or one that could not be, with its problem."""

    name: str
    size_bytes: int
    sha256: str = ""
    problem: str = ""


@dataclass(frozen=True)
class RankedPlan:
    body: dict[str, Any]
    score: float
    why: str


@transaction.atomic
def create(
    workspace: Workspace,
    boss: User,
    text: str,
    store: Callable[[Goal], Iterable[Attachment]] = lambda goal: (),
    *,
    priority: int = Goal.Priority.NORMAL,
    deadline_at: datetime | None = None,
    token_budget: int | None = None,
    second_budget: int | None = None,
    autonomy: str = Goal.Autonomy.ASK,
) -> Goal:
    """Accept a goal. `store` puts its files in place before the transaction commits."""
    if not text.strip():
        raise GoalRefused("The goal is empty: say what you want done.")
    if deadline_at and deadline_at <= timezone.now():
        raise GoalRefused("The deadline has passed already: choose a later one.")
    goal = Goal.objects.create(
        workspace=workspace,
        boss=boss,
        text=text.strip(),
        priority=priority,
        deadline_at=deadline_at,
        token_budget=token_budget,
        second_budget=second_budget,
        autonomy=autonomy,
    )
    attachments = list(store(goal))
    streams.append(
        goal.pk,
        "goal.created",
        actor=boss.get_username(),
        text=goal.text,
        files=[attachment.name for attachment in attachments],
    )
    for attachment in attachments:
        Artifact.objects.create(
            goal=goal,
            origin=Artifact.Origin.ATTACHED,
            name=attachment.name,
            size_bytes=attachment.size_bytes,
            sha256=attachment.sha256,
        )
        if attachment.problem:
            report_file_problem(goal.pk, attachment.name, attachment.problem)
    streams.nudge("plan_goal", goal_id=goal.pk, priority=goal.priority)
    return goal


@transaction.atomic
def report_file_problem(goal_id: int, name: str, problem: str, task: Task | None = None) -> None:
    """Say once, on the goal, why one of its files cannot be used."""
    changed = (
        Artifact.objects.filter(goal_id=goal_id, name=name)
        .exclude(problem=problem)
        .update(problem=problem)
    )
    if changed:
        streams.append(goal_id, "file.problem", task=task, file=name, problem=problem)


@transaction.atomic
def claim_planning(goal_id: int, lease_s: float) -> int | None:
    """Take the planning of a goal. Returns the fence to plan under, or None if it is not to be
    had (somebody plans, it is paused, or it is past planning)."""
    now = timezone.now()
    goal = streams.lock_goal(goal_id)
    leased = goal.plan_lease_until is not None and goal.plan_lease_until > now
    if goal.state != GoalState.PLANNING or goal.is_paused or leased:
        return None
    goal.plan_fence += 1
    goal.plan_lease_until = now + timedelta(seconds=lease_s)
    goal.started_at = goal.started_at or now
    goal.save(update_fields=["plan_fence", "plan_lease_until", "started_at"])
    streams.append(goal_id, "planning.started")
    return goal.plan_fence


def renew_planning(goal_id: int, fence: int, lease_s: float) -> bool:
    """Extend a planner's lease. False if the planning is no longer its own."""
    return bool(
        Goal.objects.filter(
            pk=goal_id, plan_fence=fence, state=GoalState.PLANNING, is_paused=False
        ).update(plan_lease_until=timezone.now() + timedelta(seconds=lease_s))
    )


@transaction.atomic
def tell_planning(goal_id: int, fence: int, kind: str, **data: Any) -> None:
    """Add an event in the name of a planner; a stale one says nothing."""
    goal = streams.lock_goal(goal_id)
    if goal.plan_fence == fence and goal.state == GoalState.PLANNING:
        streams.append(goal_id, kind, **data)


@transaction.atomic
def release_planning(goal_id: int, fence: int) -> None:
    """Give planning back unfinished; it is nudged again unless the goal is paused."""
    goal = streams.lock_goal(goal_id)
    if goal.plan_fence != fence or goal.state != GoalState.PLANNING:
        return
    goal.plan_lease_until = None
    goal.save(update_fields=["plan_lease_until"])
    if not goal.is_paused:
        streams.nudge("plan_goal", goal_id=goal_id, priority=goal.priority)


def reap_planning() -> int:
    """Plan again where a planner's lease ran out. Returns how many goals that were."""
    overdue = Goal.objects.filter(
        state=GoalState.PLANNING, is_paused=False, plan_lease_until__lt=timezone.now()
    )
    with transaction.atomic():
        found = list(overdue.select_for_update(skip_locked=True))
        for goal in found:
            Goal.objects.filter(pk=goal.pk).update(plan_lease_until=None)
            streams.nudge("plan_goal", goal_id=goal.pk, priority=goal.priority)
    return len(found)


@transaction.atomic
def propose(goal_id: int, fence: int, ranked: Sequence[RankedPlan]) -> bool:
    """Put the candidate plans before the boss, best first; act on the best where the goal's
    autonomy says so. Returns False if the fence is stale."""
    goal = streams.lock_goal(goal_id)
    if goal.plan_fence != fence or goal.state != GoalState.PLANNING:
        return False
    goal.plan_lease_until = None
    _move(goal, GoalState.PROPOSED, "plan_lease_until")
    made = [
        Plan.objects.create(goal=goal, rank=rank, body=plan.body, score=plan.score, why=plan.why)
        for rank, plan in enumerate(ranked)
    ]
    streams.append(goal_id, "plan.proposed", plans=[plan.pk for plan in made])
    if goal.autonomy == Goal.Autonomy.ACT:
        _adopt(goal, made[0], actor="policy: act")
    return True


@transaction.atomic
def approve_plan(
    goal_id: int,
    boss: User,
    *,
    plan_id: int | None = None,
    edited: dict[str, Any] | None = None,
    skills: Collection[str] = (),
) -> Plan:
    """Adopt a proposed plan, or the boss's edit of one.

    Raises plans.PlanRefused if the edited plan cannot be carried out.
    """
    goal = streams.lock_goal(goal_id)
    lifecycle.check_goal(goal_id, goal.state, GoalState.RUNNING)
    proposed = Plan.objects.filter(goal=goal, state=PlanState.PROPOSED)
    if edited is not None:
        body = {**plans.Plan.from_json(edited).to_json(), "source": "boss"}
        plan = Plan.objects.create(goal=goal, body=body, why="Edited by the boss.")
        streams.append(goal_id, "plan.edited", actor=boss.get_username(), plan=plan.pk)
    else:
        candidates = proposed.filter(pk=plan_id) if plan_id else proposed.order_by("rank", "id")
        found = candidates.first()
        if found is None:
            raise GoalRefused("There is no such plan to approve; reload the goal.")
        plan = found
    roles = set(goal.workspace.agents.filter(is_active=True).values_list("role", flat=True))
    plans.check(plans.Plan.from_json(plan.body), skills or _skills_of(plan), roles)
    _adopt(goal, plan, actor=boss.get_username())
    return plan


@transaction.atomic
def reject_plans(goal_id: int, boss: User, reason: str = "") -> None:
    """Turn the proposed plans down; the staff plans again with the boss's reason."""
    goal = streams.lock_goal(goal_id)
    if goal.state != GoalState.PROPOSED:
        raise IllegalTransition("Goal", goal_id, goal.state, GoalState.PLANNING)
    Plan.objects.filter(goal=goal, state=PlanState.PROPOSED).update(state=PlanState.REJECTED)
    _move(goal, GoalState.PLANNING)
    streams.append(goal_id, "plan.rejected", actor=boss.get_username(), reason=reason)
    streams.nudge("plan_goal", goal_id=goal_id, priority=goal.priority)


@transaction.atomic
def pause(goal_id: int, boss: User) -> None:
    goal = streams.lock_goal(goal_id)
    if goal.state not in lifecycle.OPEN_GOALS:
        raise IllegalTransition("Goal", goal_id, goal.state, "paused")
    if not goal.is_paused:
        Goal.objects.filter(pk=goal_id).update(is_paused=True)
        streams.append(goal_id, "goal.paused", actor=boss.get_username())


@transaction.atomic
def resume(goal_id: int, boss: User) -> None:
    goal = streams.lock_goal(goal_id)
    if not goal.is_paused:
        raise GoalRefused("The goal is not paused.")
    Goal.objects.filter(pk=goal_id).update(is_paused=False, plan_lease_until=None)
    streams.append(goal_id, "goal.resumed", actor=boss.get_username())
    _nudge_open_work(goal)


@transaction.atomic
def cancel(goal_id: int, boss: User) -> None:
    """Stop a goal for good. Running attempts see it within two seconds; what was made stays."""
    goal = streams.lock_goal(goal_id)
    _move(goal, GoalState.CANCELLED)
    _end(goal)
    Task.objects.filter(goal=goal, state__in=lifecycle.OPEN_TASKS).update(
        state=TaskState.CANCELLED, lease_until=None, ended_at=timezone.now(), fence=F("fence") + 1
    )
    goal.approvals.filter(state="open").update(state="refused", note="The goal was cancelled.")
    streams.append(goal_id, "goal.cancelled", actor=boss.get_username())


@transaction.atomic
def retry(goal_id: int, boss: User) -> None:
    """Take a failed or cancelled goal up again where it stopped."""
    goal = streams.lock_goal(goal_id)
    if goal.state not in (GoalState.FAILED, GoalState.CANCELLED):
        raise IllegalTransition("Goal", goal_id, goal.state, "retried")
    stopped = list(
        Task.objects.filter(goal=goal, state__in=(TaskState.FAILED, TaskState.CANCELLED))
    )
    has_work = Task.objects.filter(goal=goal).exists()
    goal.failure, goal.ended_at, goal.is_paused = "", None, False
    goal.plan_lease_until = None
    wanted = GoalState.RUNNING if has_work else GoalState.PLANNING
    _move(goal, wanted, "failure", "ended_at", "is_paused", "plan_lease_until")
    streams.append(goal_id, "goal.retried", actor=boss.get_username())
    done = set(Task.objects.filter(goal=goal, state=TaskState.DONE).values_list("key", flat=True))
    for task in stopped:
        task.state = TaskState.READY if set(task.after) <= done else TaskState.WAITING
        task.failure, task.attempts_made, task.ended_at = "", 0, None
        task.save(update_fields=["state", "failure", "attempts_made", "ended_at"])
    _nudge_open_work(goal)


@transaction.atomic
def rate(goal_id: int, boss: User, rating: int, note: str = "") -> None:
    """The boss's judgement of a finished goal, 1 to 5: what the staff learns from."""
    goal = streams.lock_goal(goal_id)
    if goal.state in lifecycle.OPEN_GOALS:
        raise GoalRefused("The goal is still open: rate it when it has ended.")
    if rating not in range(1, 6):
        raise GoalRefused("A rating is a whole number from 1 to 5.")
    Goal.objects.filter(pk=goal_id).update(rating=rating, rating_note=note)
    streams.append(goal_id, "goal.rated", actor=boss.get_username(), rating=rating, note=note)


@transaction.atomic
def raise_budget(
    goal_id: int, boss: User, *, token_budget: int | None, second_budget: int | None
) -> None:
    """Set new caps; null means none."""
    streams.lock_goal(goal_id)
    Goal.objects.filter(pk=goal_id).update(token_budget=token_budget, second_budget=second_budget)
    streams.append(
        goal_id,
        "goal.budget",
        actor=boss.get_username(),
        token_budget=token_budget,
        second_budget=second_budget,
    )


@transaction.atomic
def fail_planning(goal_id: int, fence: int, reason: str) -> None:
    goal = streams.lock_goal(goal_id)
    if goal.plan_fence == fence and goal.state == GoalState.PLANNING:
        goal.plan_lease_until = None
        goal.save(update_fields=["plan_lease_until"])
        fail(goal, reason)


def fail(goal: Goal, reason: str) -> None:
    """End a locked goal as failed, with the reason in plain words."""
    goal.failure = reason
    _move(goal, GoalState.FAILED, "failure")
    _end(goal)
    streams.append(goal.pk, "goal.failed", reason=reason)


def finish(goal: Goal, answer: str) -> None:
    """End a locked goal as done."""
    goal.answer = answer
    _move(goal, GoalState.DONE, "answer")
    _end(goal)
    streams.append(goal.pk, "goal.done", answer=answer)


def _adopt(goal: Goal, plan: Plan, actor: str) -> None:
    """Turn a plan into tasks; those that wait for nothing are ready at once."""
    Plan.objects.filter(goal=goal, state=PlanState.PROPOSED).exclude(pk=plan.pk).update(
        state=PlanState.REJECTED
    )
    Plan.objects.filter(pk=plan.pk).update(state=PlanState.ADOPTED)
    _move(goal, GoalState.RUNNING)
    streams.append(goal.pk, "plan.adopted", actor=actor, plan=plan.pk)
    staff = list(goal.workspace.agents.filter(is_active=True))
    for position, step in enumerate(plans.Plan.from_json(plan.body).steps):
        Task.objects.create(
            goal=goal,
            plan=plan,
            agent=_assign(staff, step.agent_role),
            key=step.key,
            position=position,
            title=step.title,
            skill=step.skill,
            instruction=step.instruction,
            after=list(step.after),
            inputs=list(step.inputs),
            outputs=list(step.outputs),
            reviews=step.reviews or "",
            state=TaskState.WAITING if step.after else TaskState.READY,
        )
    _nudge_open_work(goal)


def _assign(staff: Sequence[Agent], role: str) -> Agent | None:
    """The agent of that role (or name); the first of the staff where nobody has it."""
    fitting = [agent for agent in staff if role in (agent.role, agent.name)]
    return (fitting or list(staff) or [None])[0]


def _nudge_open_work(goal: Goal) -> None:
    if goal.state == GoalState.PLANNING:
        streams.nudge("plan_goal", goal_id=goal.pk, priority=goal.priority)
    for task in Task.objects.filter(goal=goal, state=TaskState.READY):
        streams.append(goal.pk, "task.ready", task=task)
        streams.nudge("run_task", task_id=task.pk, priority=goal.priority)


def _skills_of(plan: Plan) -> set[str]:
    return {step["skill"] for step in plan.body.get("steps", [])}


def _move(goal: Goal, wanted: GoalState, *also: str) -> None:
    lifecycle.check_goal(goal.pk, goal.state, wanted)
    goal.state = wanted
    goal.save(update_fields=["state", *also])


def _end(goal: Goal) -> None:
    Goal.objects.filter(pk=goal.pk).update(ended_at=timezone.now(), is_paused=False)
