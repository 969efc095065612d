"""What the boss does with a single task: hold it, stop it, run it again, release a dead letter."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from staff.actions import outbox, progress, queue, streams
from staff.actions.goals import GoalRefused
from staff.domain import lifecycle
from staff.domain.lifecycle import GoalState, IllegalTransition, TaskState
from staff.models import Agent, Goal, Question, Task, User

STOPPED_GOALS = (GoalState.FAILED, GoalState.CANCELLED)


@transaction.atomic
def pause(task_id: int, boss: User) -> None:
    """Hold a task. One that runs is handed back within two seconds, with all that it has shown."""
    goal, task = _locked(task_id)
    if task.state not in lifecycle.OPEN_TASKS:
        raise IllegalTransition("Task", task_id, task.state, "paused")
    if not task.is_paused:
        Task.objects.filter(pk=task_id).update(is_paused=True)
        outbox.drop("run_task", task_id)
        streams.append(goal.pk, "task.paused", task_id=task_id, actor=boss.get_username())


@transaction.atomic
def resume(task_id: int, boss: User) -> None:
    goal, task = _locked(task_id)
    if not task.is_paused:
        raise GoalRefused("The task is not paused.")
    task.is_paused = False
    task.save(update_fields=["is_paused"])
    streams.append(goal.pk, "task.resumed", task_id=task_id, actor=boss.get_username())
    if task.state == TaskState.READY:
        queue.nudge(goal, task)


@transaction.atomic
def cancel(task_id: int, boss: User) -> None:
    """Stop a task for good, and all that builds on it; the rest of the goal goes on.

    Who had handed the task on is told, and goes on without it.
    """
    goal, task = _locked(task_id)
    lifecycle.check_task(task_id, task.state, TaskState.CANCELLED)
    keys = progress.successors(goal, task.key, askers=False)
    queue.cancel(Task.objects.filter(plan=task.plan, key__in=keys))
    progress.withdraw_questions(goal, Task.objects.filter(plan=task.plan, key__in=keys))
    streams.append(goal.pk, "task.cancelled", task_id=task_id, actor=boss.get_username())
    if goal.state == GoalState.RUNNING:
        progress.go_on(goal)


@transaction.atomic
def rerun(task_id: int, boss: User, note: str = "") -> None:
    """Do a task again, and then what builds on it or asked for it: the goal forks here.

    Earlier work is kept, and so is the history of what is done again. note: what should be
    different this time. A dead letter is released by the same act. What the task has asked the
    boss is asked anew; what others have asked stays answered.
    """
    goal, task = _locked(task_id)
    if task.state in lifecycle.OPEN_TASKS:
        raise GoalRefused("The task is not over yet: let it end, or cancel it first.")
    if goal.state not in STOPPED_GOALS:
        _check_before(goal, task)
    _check_wanted(goal, task, Q())
    streams.append(goal.pk, "task.rerun", task_id=task_id, actor=boss.get_username(), note=note)
    task.questions.update(state=Question.State.WITHDRAWN)
    progress.send_back(goal, task, [note] if note else [])
    _go_on(goal)


@transaction.atomic
def release(task_id: int, boss: User) -> None:
    """Let a dead letter try again where it stopped, with all its tries before it; what builds on
    it and has stopped since is taken up too. A goal that had failed goes on as a whole.

    Raises GoalRefused for work that was handed on and that nobody waits for any more.
    """
    goal, task = _locked(task_id)
    if task.state != TaskState.FAILED:
        raise GoalRefused("Only a failed task can be released.")
    _check_wanted(goal, task, ~Q(state=TaskState.DONE))
    streams.append(goal.pk, "task.released", task_id=task_id, actor=boss.get_username())
    again = progress.done_again(goal, task.key)
    progress.take_up(goal, Task.objects.filter(goal=goal, key__in=again))
    _go_on(goal)


@transaction.atomic
def reassign(task_id: int, boss: User, agent: Agent) -> None:
    """Give a task that does not run to another agent of the workspace."""
    goal, task = _locked(task_id)
    if agent.workspace_id != goal.workspace_id or not agent.is_active:
        raise GoalRefused("There is no such agent in this workspace.")
    if task.state == TaskState.RUNNING:
        raise GoalRefused("The task is being worked on: pause it first.")
    Task.objects.filter(pk=task_id).update(agent=agent)
    streams.append(
        goal.pk, "task.reassigned", task_id=task_id, actor=boss.get_username(), agent=agent.name
    )
    if task.state == TaskState.READY:
        queue.nudge(goal, task)


def _go_on(goal: Goal) -> None:
    """Let the goal go on; one that had failed or was cancelled goes on with all of its work."""
    if goal.state != GoalState.RUNNING:
        has_stopped = goal.state in STOPPED_GOALS
        progress.reopen(goal)
        if has_stopped:
            stopped = progress.stopped_work(goal)
            progress.take_up(goal, Task.objects.filter(goal=goal, key__in=stopped))
    progress.go_on(goal)


def _check_before(goal: Goal, task: Task) -> None:
    """Raises GoalRefused if the task would wait for one that never comes."""
    before = Task.objects.filter(goal=goal, key__in=task.after, state=TaskState.CANCELLED)
    stopped = before.filter(parent=None).first()
    if stopped is not None:
        raise GoalRefused(f"It builds on “{stopped.title}”, which is cancelled: run that again.")


def _check_wanted(goal: Goal, task: Task, asking: Q) -> None:
    """Raises GoalRefused for work that was handed on, unless one of the asking tasks uses it."""
    if task.parent is None:
        return
    others = Task.objects.filter(asking, goal=goal).values_list("after", flat=True)
    if not any(task.key in after for after in others):
        raise GoalRefused(
            f"Nobody waits for it any more: “{task.parent.title}” goes on without it. "
            "Run that again instead."
        )


def _locked(task_id: int) -> tuple[Goal, Task]:
    goal_id = Task.objects.values_list("goal_id", flat=True).get(pk=task_id)
    goal = streams.lock_goal(goal_id)
    return goal, Task.objects.get(pk=task_id)
