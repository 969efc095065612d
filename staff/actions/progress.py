"""How a goal moves on: its tasks start when nothing stands in their way, and it ends with them.

Every function here works on a goal that its caller has locked, in its caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils import timezone

from staff.actions import outbox, queue, sql, streams
from staff.actions.queue import Claim
from staff.domain import delegation, lifecycle, plans, queueing
from staff.domain.lifecycle import AttemptState, GoalState, PlanState, TaskState
from staff.models import Agent, Approval, Artifact, Goal, Plan, Question, Task


def adopt(goal: Goal, plan: Plan, actor: str) -> None:
    """Turn a plan into tasks; those that wait for nothing are ready at once."""
    lifecycle.check_plan(plan.pk, plan.state, PlanState.ADOPTED)
    Plan.objects.filter(goal=goal, state=PlanState.PROPOSED).exclude(pk=plan.pk).update(
        state=PlanState.REJECTED
    )
    Plan.objects.filter(pk=plan.pk).update(state=PlanState.ADOPTED)
    move(goal, GoalState.RUNNING)
    streams.append(goal.pk, "plan.adopted", actor=actor, plan=plan.pk)
    staff = list(goal.workspace.agents.filter(is_active=True))
    Task.objects.bulk_create(
        Task(
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
        )
        for position, step in enumerate(plans.Plan.from_json(plan.body).steps)
    )
    go_on(goal)


def _assign(staff: Sequence[Agent], role: str) -> Agent | None:
    """The agent of that role (or name); the first of the staff where nobody has it."""
    fitting = [agent for agent in staff if role in (agent.role, agent.name)]
    return (fitting or list(staff) or [None])[0]


def go_on(goal: Goal, *, by_worker: bool = False) -> None:
    """Start what nothing stands in the way of any more, and end the goal if nothing is left.

    Work that was handed on does not decide about the goal: where it failed or was cancelled, the
    task that asked for it is told and goes on; where nobody waits for it any more, it is stopped.
    by_worker: a worker calls that will take the next task of the queue itself
    """
    states = _states(goal)
    if any(state == TaskState.FAILED and parent is None for *_, state, _, parent in states):
        _give_up(goal)
        return
    if unneeded := _unneeded(states):
        _stop(goal, unneeded)
        states = _states(goal)
    over = {
        key
        for _, key, state, _, parent in states
        if state == TaskState.DONE or (parent is not None and state in lifecycle.STOPPED_TASKS)
    }
    free = [
        pk for pk, _, state, after, _ in states if state == TaskState.WAITING and set(after) <= over
    ]
    if free:
        ahead = sum(state in (TaskState.READY, TaskState.RUNNING) for _, _, state, _, _ in states)
        queue.put_all(goal, free, ahead, taken_by_caller=by_worker)
    if any(state in lifecycle.OPEN_TASKS for _, _, state, _, _ in states):
        return
    if any(state == TaskState.DONE for _, _, state, _, _ in states):
        finish(goal, _last_word(goal))
    else:
        end(goal, GoalState.CANCELLED)
        streams.append(goal.pk, "goal.cancelled")


def _states(goal: Goal) -> list[tuple[int, str, str, list[str], int | None]]:
    """(id, key, state, after, id of the parent) of each task."""
    found = sql.rows(
        'SELECT id, key, state, "after"::text, parent_id FROM staff_task WHERE goal_id = %s',
        [goal.pk],
    )
    return [(pk, key, state, json.loads(after), parent) for pk, key, state, after, parent in found]


def _give_up(goal: Goal) -> None:
    """One of the goal's own tasks is a dead letter: nothing more is started."""
    tasks = Task.objects.filter(goal=goal)
    dead = tasks.filter(state=TaskState.FAILED, parent=None).order_by("position")[0]
    queue.cancel(tasks)
    withdraw_questions(goal)
    fail(goal, f"{dead.title}: {dead.failure}")


def _unneeded(states: Sequence[tuple[int, str, str, list[str], int | None]]) -> list[int]:
    """Ids of open tasks that were handed on, and that nothing in the plan waits for."""
    lively = [row for row in states if row[2] in lifecycle.OPEN_TASKS]
    handed = {key: pk for pk, key, _, _, parent in lively if parent is not None}
    if not handed:
        return []
    after = {key: before for _, key, _, before, _ in lively}
    needed = delegation.awaited(after, after.keys() - handed.keys())
    return [pk for key, pk in handed.items() if key not in needed]


def _stop(goal: Goal, ids: Sequence[int]) -> None:
    """Stop work that nobody needs any more."""
    tasks = Task.objects.filter(pk__in=ids)
    withdraw_questions(goal, tasks)
    queue.cancel(tasks)
    for pk in ids:
        reason = "Nobody waits for it any more."
        streams.append(goal.pk, "task.cancelled", task_id=pk, reason=reason)


def send_back(goal: Goal, task: Task, reasons: Sequence[str]) -> None:
    """A task that is over, and all that builds on it, is to be done again: `go_on` starts it.

    What these had handed on is asked for anew: the same work on the same files is there already.
    """
    keys = done_again(goal, task.key)
    again = Task.objects.filter(plan=task.plan, key__in=keys)
    withdraw_questions(goal, again)
    asked_anew = handed_on(goal) - keys
    for each in again:
        each.after = _without(each.after, asked_anew)
        if each.state == TaskState.WAITING:
            each.save(update_fields=["after"])
            continue
        queue.end_attempt(Claim(each.pk, goal.pk, each.fence, each.revision), AttemptState.RETURNED)
        each.fence += 1
        each.revision += 1
        each.attempts_made, each.failures, each.failure, each.is_paused = 0, {}, "", False
        each.started_at = None
        if each.pk == task.pk:
            each.reasons = [*each.reasons, *reasons]
        outbox.drop("run_task", each.pk)
        queue.move(
            each,
            TaskState.WAITING,
            *("fence", "revision", "attempts_made", "failures", "failure", "is_paused", "reasons"),
            *("after", "started_at"),
        )


def take_up(goal: Goal, tasks: QuerySet[Task]) -> None:
    """Let stopped tasks wait for their turn again, with all their tries before them.

    What they had handed on and what came to nothing is asked for anew, unless it is among them.
    """
    stopped = list(tasks.filter(state__in=lifecycle.STOPPED_TASKS))
    others = set(
        Task.objects.filter(goal=goal, parent__isnull=False, state__in=lifecycle.STOPPED_TASKS)
        .exclude(pk__in=[task.pk for task in stopped])
        .values_list("key", flat=True)
    )
    for task in stopped:
        task.failure, task.attempts_made, task.failures, task.is_paused = "", 0, {}, False
        task.after = _without(task.after, others)
        queue.move(
            task, TaskState.WAITING, "failure", "attempts_made", "failures", "is_paused", "after"
        )


def stopped_work(goal: Goal) -> set[str]:
    """Keys of the stopped tasks of the plan, and of the handed-on ones that they wait for."""
    tasks = list(Task.objects.filter(goal=goal))
    roots = [t.key for t in tasks if t.parent_id is None and t.state in lifecycle.STOPPED_TASKS]
    return {*roots, *delegation.awaited({t.key: t.after for t in tasks}, roots)}


def reopen(goal: Goal) -> None:
    """Bring an ended goal back: to its tasks, or to planning if it never had any."""
    goal.failure, goal.ended_at, goal.is_paused = "", None, False
    has_work = Task.objects.filter(goal=goal).exists()
    wanted = GoalState.RUNNING if has_work else GoalState.PLANNING
    move(goal, wanted, "failure", "ended_at", "is_paused")


def done_again(goal: Goal, key: str) -> set[str]:
    """Keys of a task and of what is done again after it.

    What builds on another, cancelled task as well is not: it could only wait for ever.
    """
    keys = successors(goal, key)
    cancelled = Task.objects.filter(goal=goal, state=TaskState.CANCELLED, parent=None)
    stopped = cancelled.exclude(key__in=keys).values_list("key", flat=True)
    return keys - successors(goal, *stopped)


def successors(goal: Goal, *keys: str, askers: bool = True) -> set[str]:
    """These keys, and those of all that builds on them.

    askers: whether a task builds on what it has handed on; where that is cancelled, it does not
    """
    after = dict(Task.objects.filter(goal=goal).values_list("key", "after"))
    passed_over = set() if askers else handed_on(goal)
    found, grew = set(keys), True
    while grew:
        reach = found - passed_over
        more = {other for other, before in after.items() if reach & set(before)} - found
        found |= more
        grew = bool(more)
    return found


def handed_on(goal: Goal) -> set[str]:
    """Keys of the tasks that are no steps of the plan."""
    return set(Task.objects.filter(goal=goal, parent__isnull=False).values_list("key", flat=True))


def _without(keys: Sequence[str], others: set[str]) -> list[str]:
    return [key for key in keys if key not in others]


def withdraw_questions(goal: Goal, tasks: QuerySet[Task] | None = None) -> None:
    """What was asked for this work needs no answer any more."""
    approvals = goal.approvals.filter(state=Approval.State.OPEN)
    questions = goal.questions.filter(state=Question.State.OPEN)
    if tasks is not None:
        approvals, questions = approvals.filter(task__in=tasks), questions.filter(task__in=tasks)
    approvals.update(state=Approval.State.REFUSED, note="The work was stopped.")
    questions.update(state=Question.State.WITHDRAWN)


def fail(goal: Goal, reason: str) -> None:
    """End a locked goal as failed, with the reason in plain words."""
    goal.failure = reason
    end(goal, GoalState.FAILED, "failure")
    streams.append(goal.pk, "goal.failed", reason=reason)


def finish(goal: Goal, answer: str) -> None:
    """End a locked goal as done."""
    goal.answer = answer
    end(goal, GoalState.DONE, "answer")
    streams.append(goal.pk, "goal.done", answer=answer)


def _last_word(goal: Goal) -> str:
    """The last word of the work itself (not of its review), or the list of what was made."""
    answers = Task.objects.filter(goal=goal, reviews="", parent=None).exclude(answer="")
    last = answers.order_by("-position").values_list("answer", flat=True).first()
    if last is not None:
        return last
    names = Artifact.objects.filter(goal=goal, origin=Artifact.Origin.MADE)
    return "Made " + ", ".join(artifact.name for artifact in names) + "."


def nudge_planning(goal: Goal) -> None:
    now = timezone.now()
    start_by = queueing.start_by(now, goal.priority, goal.deadline_at)
    outbox.nudge("plan_goal", goal.pk, start_by=start_by)


def move(goal: Goal, wanted: GoalState, *also: str) -> None:
    """Take a legal step. also: names of other changed fields that are saved with it."""
    lifecycle.check_goal(goal.pk, goal.state, wanted)
    goal.state = wanted
    goal.save(update_fields=["state", *also])


def end(goal: Goal, wanted: GoalState, *also: str) -> None:
    """Take a legal step to an end."""
    goal.ended_at, goal.is_paused = timezone.now(), False
    move(goal, wanted, "ended_at", "is_paused", *also)
    outbox.nudge(outbox.REMEMBER, goal.pk)
