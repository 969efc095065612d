"""How a goal moves on: its tasks start when nothing stands in their way, and it ends with them.

Every function here works on a goal that its caller has locked, in its caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils import timezone

from staff.actions import outbox, queue, streams
from staff.domain import lifecycle, plans, queueing
from staff.domain.lifecycle import GoalState, PlanState, TaskState
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

    by_worker: a worker calls that will take the next task of the queue itself
    """
    states = list(
        Task.objects.filter(goal=goal).values_list("pk", "key", "state", "after", "parent_id")
    )
    if any(state == TaskState.FAILED and parent is None for *_, state, _, parent in states):
        _give_up(goal)
        return
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


def _give_up(goal: Goal) -> None:
    """One of the goal's own tasks is a dead letter: nothing more is started."""
    tasks = Task.objects.filter(goal=goal)
    dead = tasks.filter(state=TaskState.FAILED, parent=None).order_by("position")[0]
    queue.cancel(tasks)
    withdraw_questions(goal)
    fail(goal, f"{dead.title}: {dead.failure}")


def send_back(goal: Goal, task: Task, reasons: Sequence[str]) -> None:
    """A task that is over, and all that builds on it, is to be done again: `go_on` starts it."""
    again = Task.objects.filter(plan=task.plan, key__in=successors(goal, task.key))
    withdraw_questions(goal, again)
    for each in again:
        if each.state == TaskState.WAITING:
            continue
        each.fence += 1
        each.revision += 1
        each.attempts_made, each.failures, each.failure, each.is_paused = 0, {}, "", False
        if each.pk == task.pk:
            each.reasons = [*each.reasons, *reasons]
        outbox.drop("run_task", each.pk)
        queue.move(
            each,
            TaskState.WAITING,
            *("fence", "revision", "attempts_made", "failures", "failure", "is_paused", "reasons"),
        )


def take_up(goal: Goal, tasks: QuerySet[Task]) -> None:
    """Let stopped tasks wait for their turn again, with all their tries before them."""
    for task in tasks.filter(state__in=lifecycle.STOPPED_TASKS):
        task.failure, task.attempts_made, task.failures, task.is_paused = "", 0, {}, False
        queue.move(task, TaskState.WAITING, "failure", "attempts_made", "failures", "is_paused")


def reopen(goal: Goal) -> None:
    """Bring an ended goal back: to its tasks, or to planning if it never had any."""
    goal.failure, goal.ended_at, goal.is_paused = "", None, False
    has_work = Task.objects.filter(goal=goal).exists()
    wanted = GoalState.RUNNING if has_work else GoalState.PLANNING
    move(goal, wanted, "failure", "ended_at", "is_paused")


def successors(goal: Goal, key: str) -> set[str]:
    """Keys of a step and of all that build on it."""
    after = dict(Task.objects.filter(goal=goal).values_list("key", "after"))
    found, grew = {key}, True
    while grew:
        more = {other for other, before in after.items() if found & set(before)} - found
        found |= more
        grew = bool(more)
    return found


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
