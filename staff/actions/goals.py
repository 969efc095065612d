"""Everything that changes a goal or its plans."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from staff.actions import budgets, outbox, progress, queue, streams
from staff.domain import lifecycle, plans
from staff.domain.lifecycle import GoalState, IllegalTransition, PlanState, TaskState
from staff.models import (
    Artifact,
    Budget,
    Goal,
    Plan,
    Question,
    Task,
    User,
    Workspace,
)


class GoalRefused(Exception):
    """The goal, or what was asked of it, cannot be accepted; the message says why."""


@dataclass(frozen=True)
class Attachment:
    """A file given with a goal, already stored; or one that could not be, with its problem."""

    name: str
    size_bytes: int
    sha256: str = ""
    problem: str = ""


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
    step_budget: int | None = None,
    depth_budget: int | None = None,
    autonomy: str = Goal.Autonomy.ASK,
    parent: Goal | None = None,
) -> Goal:
    """Accept a goal. `store` puts its files in place before the transaction commits.

    parent: the goal that this one serves; it may use no more than what remains of that one's budget
    """
    if not text.strip():
        raise GoalRefused("The goal is empty: say what you want done.")
    if deadline_at and deadline_at <= timezone.now():
        raise GoalRefused("The deadline has passed already: choose a later one.")
    budget = budgets.open_budget(
        parent=_budget_of_parent(parent, workspace),
        token_cap=token_budget,
        second_cap=second_budget,
        step_cap=step_budget,
        depth_cap=depth_budget,
    )
    goal = Goal.objects.create(
        workspace=workspace,
        boss=boss,
        text=text.strip(),
        priority=priority,
        deadline_at=deadline_at,
        budget=budget,
        parent=parent,
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
    progress.nudge_planning(goal)
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
        streams.append(
            goal_id, "file.problem", task_id=task and task.pk, file=name, problem=problem
        )


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
    progress.adopt(goal, plan, actor=boss.get_username())
    return plan


@transaction.atomic
def reject_plans(goal_id: int, boss: User, reason: str = "") -> None:
    """Turn the proposed plans down; the staff plans again with the boss's reason."""
    goal = streams.lock_goal(goal_id)
    if goal.state != GoalState.PROPOSED:
        raise IllegalTransition("Goal", goal_id, goal.state, GoalState.PLANNING)
    Plan.objects.filter(goal=goal, state=PlanState.PROPOSED).update(state=PlanState.REJECTED)
    progress.move(goal, GoalState.PLANNING)
    streams.append(goal_id, "plan.rejected", actor=boss.get_username(), reason=reason)
    progress.nudge_planning(goal)


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
    _resume(goal, actor=boss.get_username())


@transaction.atomic
def cancel(goal_id: int, boss: User) -> None:
    """Stop a goal for good. Running attempts see it within two seconds; what was made stays."""
    goal = streams.lock_goal(goal_id)
    progress.end(goal, GoalState.CANCELLED)
    every = Task.objects.filter(goal=goal)
    queue.cancel(every)
    progress.withdraw_questions(goal)
    outbox.drop("plan_goal", goal_id)
    streams.append(goal_id, "goal.cancelled", actor=boss.get_username())


@transaction.atomic
def retry(goal_id: int, boss: User) -> None:
    """Take a failed or cancelled goal up again where it stopped."""
    goal = streams.lock_goal(goal_id)
    if goal.state not in (GoalState.FAILED, GoalState.CANCELLED):
        raise IllegalTransition("Goal", goal_id, goal.state, "retried")
    progress.reopen(goal)
    streams.append(goal_id, "goal.retried", actor=boss.get_username())
    if goal.state == GoalState.PLANNING:
        progress.nudge_planning(goal)
    else:
        wanted = progress.stopped_work(goal)
        progress.take_up(goal, Task.objects.filter(goal=goal, key__in=wanted))
        progress.go_on(goal)


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
    outbox.nudge(outbox.REMEMBER, goal_id)


@transaction.atomic
def raise_budget(
    goal_id: int,
    boss: User,
    *,
    token_budget: int | None,
    second_budget: int | None,
    step_budget: int | None = None,
) -> None:
    """Set new caps (null is none); work that waits for a higher one goes on."""
    goal = streams.lock_goal(goal_id)
    caps = {"token_cap": token_budget, "second_cap": second_budget, "step_cap": step_budget}
    asked = goal.questions.filter(kind=Question.Kind.BUDGET, state=Question.State.OPEN)
    waiting = list(asked.select_related("task"))
    if waiting:
        _check_caps(goal.budget, **caps)
    Budget.objects.filter(pk=goal.budget_id).update(**caps)
    streams.append(goal_id, "goal.budget", actor=boss.get_username(), **caps)
    for question in waiting:
        _answer_budget(goal, question, boss)


def _check_caps(
    budget: Budget, token_cap: int | None, second_cap: int | None, step_cap: int | None
) -> None:
    """Raises GoalRefused where work would stop at once, since that much is used already."""
    for cap, used, what in (
        (token_cap, budget.tokens_used, "tokens"),
        (second_cap, budget.seconds_used, "seconds"),
        (step_cap, budget.steps_used, "steps"),
    ):
        if cap is not None and cap <= used:
            raise GoalRefused(
                f"{used:,.0f} {what} are used already: set a cap above that, or leave it empty."
            )


def _answer_budget(goal: Goal, question: Question, boss: User) -> None:
    Question.objects.filter(pk=question.pk).update(
        state=Question.State.ANSWERED,
        answer="raised",
        answered_by=boss,
        answered_at=timezone.now(),
    )
    if question.task is not None:
        queue.put(goal, question.task)
    elif goal.is_paused:
        _resume(goal, actor=boss.get_username())


def _resume(goal: Goal, actor: str) -> None:
    goal.is_paused = False
    goal.save(update_fields=["is_paused"])
    streams.append(goal.pk, "goal.resumed", actor=actor)
    if goal.state == GoalState.PLANNING:
        progress.nudge_planning(goal)
    for task in Task.objects.filter(goal=goal, state=TaskState.READY):
        queue.nudge(goal, task)


def _budget_of_parent(parent: Goal | None, workspace: Workspace) -> Budget | None:
    if parent is None:
        return None
    if parent.workspace_id != workspace.pk:
        raise GoalRefused("There is no such goal in this workspace.")
    return parent.budget


def _skills_of(plan: Plan) -> set[str]:
    return {step["skill"] for step in plan.body.get("steps", [])}
