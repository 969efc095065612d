"""The states of goals, tasks and plans, and the only ways between them.

A goal may be paused in any open state: that is a flag beside its state, so that resuming needs
no memory of where it was.
"""

from __future__ import annotations

from enum import StrEnum


class IllegalTransition(Exception):
    """Someone asked for a step that the lifecycle does not know; nothing was changed."""

    def __init__(self, noun: str, key: object, state: str, wanted: str):
        super().__init__(f"{noun} {key} is {state}; it cannot become {wanted}.")
        self.state = state
        self.wanted = wanted


class GoalState(StrEnum):
    PLANNING = "planning"
    PROPOSED = "proposed"  # plans wait for the boss
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    WAITING = "waiting"  # for the tasks before it
    READY = "ready"
    RUNNING = "running"
    ASKING = "asking"  # for the boss
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PlanState(StrEnum):
    PROPOSED = "proposed"
    ADOPTED = "adopted"
    REJECTED = "rejected"


GOAL_STEPS: dict[GoalState, frozenset[GoalState]] = {
    GoalState.PLANNING: frozenset({GoalState.PROPOSED, GoalState.FAILED, GoalState.CANCELLED}),
    GoalState.PROPOSED: frozenset({GoalState.PLANNING, GoalState.RUNNING, GoalState.CANCELLED}),
    GoalState.RUNNING: frozenset({GoalState.DONE, GoalState.FAILED, GoalState.CANCELLED}),
    GoalState.FAILED: frozenset({GoalState.PLANNING, GoalState.RUNNING}),
    GoalState.DONE: frozenset({GoalState.RUNNING}),
    GoalState.CANCELLED: frozenset({GoalState.PLANNING, GoalState.RUNNING}),
}

TASK_STEPS: dict[TaskState, frozenset[TaskState]] = {
    TaskState.WAITING: frozenset({TaskState.READY, TaskState.CANCELLED}),
    TaskState.READY: frozenset({TaskState.RUNNING, TaskState.WAITING, TaskState.CANCELLED}),
    TaskState.RUNNING: frozenset(
        {
            TaskState.READY,  # the attempt was lost or is to be tried again
            TaskState.ASKING,
            TaskState.DONE,
            TaskState.FAILED,
            TaskState.CANCELLED,
        }
    ),
    TaskState.ASKING: frozenset({TaskState.READY, TaskState.FAILED, TaskState.CANCELLED}),
    TaskState.DONE: frozenset({TaskState.READY, TaskState.WAITING}),  # sent back, or run again
    TaskState.FAILED: frozenset({TaskState.READY, TaskState.WAITING}),
    TaskState.CANCELLED: frozenset({TaskState.READY, TaskState.WAITING}),
}

OPEN_GOALS = (GoalState.PLANNING, GoalState.PROPOSED, GoalState.RUNNING)
OPEN_TASKS = (TaskState.WAITING, TaskState.READY, TaskState.RUNNING, TaskState.ASKING)


def check_goal(key: object, state: str, wanted: GoalState) -> None:
    """Raises IllegalTransition unless a goal may go from `state` to `wanted`."""
    if wanted not in GOAL_STEPS[GoalState(state)]:
        raise IllegalTransition("Goal", key, state, wanted)


def check_task(key: object, state: str, wanted: TaskState) -> None:
    """Raises IllegalTransition unless a task may go from `state` to `wanted`."""
    if wanted not in TASK_STEPS[TaskState(state)]:
        raise IllegalTransition("Task", key, state, wanted)
