"""What the boss does with a single task: hold it, stop it, run it again, release a dead letter."""

from __future__ import annotations

from django.db import transaction

from staff.actions import outbox, progress, queue, streams
from staff.actions.goals import GoalRefused
from staff.domain import lifecycle
from staff.domain.lifecycle import GoalState, IllegalTransition, TaskState
from staff.models import Agent, Goal, Task, User


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
    """Stop a task for good, and all that builds on it; the rest of the goal goes on."""
    goal, task = _locked(task_id)
    lifecycle.check_task(task_id, task.state, TaskState.CANCELLED)
    keys = progress.successors(goal, task.key)
    queue.cancel(Task.objects.filter(plan=task.plan, key__in=keys))
    progress.withdraw_questions(goal, Task.objects.filter(plan=task.plan, key__in=keys))
    streams.append(goal.pk, "task.cancelled", task_id=task_id, actor=boss.get_username())
    if goal.state == GoalState.RUNNING:
        progress.go_on(goal)


@transaction.atomic
def rerun(task_id: int, boss: User, note: str = "") -> None:
    """Do a task again, and then what builds on it: the goal forks here.

    Earlier work is kept, and so is the history of what is done again. note: what should be
    different this time. A dead letter is released by the same act.
    """
    goal, task = _locked(task_id)
    if task.state in lifecycle.OPEN_TASKS:
        raise GoalRefused("The task is not over yet: let it end, or cancel it first.")
    if goal.state != GoalState.RUNNING:
        progress.reopen(goal)
    streams.append(goal.pk, "task.rerun", task_id=task_id, actor=boss.get_username(), note=note)
    progress.send_back(goal, task, [note] if note else [])
    progress.go_on(goal)


@transaction.atomic
def release(task_id: int, boss: User) -> None:
    """Let a dead letter try again where it stopped, with all its tries before it, and with it
    what was cancelled because it failed."""
    goal, task = _locked(task_id)
    if task.state != TaskState.FAILED:
        raise GoalRefused("Only a failed task can be released.")
    if goal.state != GoalState.RUNNING:
        progress.reopen(goal)
    streams.append(goal.pk, "task.released", task_id=task_id, actor=boss.get_username())
    progress.take_up(goal, Task.objects.filter(pk=task_id))
    progress.take_up(goal, Task.objects.filter(goal=goal, state=TaskState.CANCELLED))
    progress.go_on(goal)


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


def _locked(task_id: int) -> tuple[Goal, Task]:
    goal_id = Task.objects.values_list("goal_id", flat=True).get(pk=task_id)
    goal = streams.lock_goal(goal_id)
    return goal, Task.objects.get(pk=task_id)
