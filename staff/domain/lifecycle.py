"""The states of goals, plans, tasks and attempts, and the only ways between them.

A goal or a task may be paused in any open state: that is a flag beside its state, so that resuming
needs no memory of where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
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


class PlanState(StrEnum):
    PROPOSED = "proposed"
    ADOPTED = "adopted"
    REJECTED = "rejected"


class TaskState(StrEnum):
    WAITING = "waiting"  # for the tasks before it
    READY = "ready"
    RUNNING = "running"
    ASKING = "asking"  # the boss
    DONE = "done"
    FAILED = "failed"  # a dead letter: it stays until the boss releases it
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """How one claimed run of a task ended; every end is final."""

    RUNNING = "running"
    DONE = "done"
    ASKING = "asking"  # it put something before the boss
    WAITING = "waiting"  # it handed work to a colleague
    FAILED = "failed"
    LOST = "lost"  # its lease ran out, or its worker died
    RETURNED = "returned"  # handed back unfinished: paused, cancelled, or the worker stopped


GOAL_STEPS: Mapping[GoalState, frozenset[GoalState]] = {
    GoalState.PLANNING: frozenset({GoalState.PROPOSED, GoalState.FAILED, GoalState.CANCELLED}),
    GoalState.PROPOSED: frozenset({GoalState.PLANNING, GoalState.RUNNING, GoalState.CANCELLED}),
    GoalState.RUNNING: frozenset({GoalState.DONE, GoalState.FAILED, GoalState.CANCELLED}),
    GoalState.FAILED: frozenset({GoalState.PLANNING, GoalState.RUNNING}),
    GoalState.DONE: frozenset({GoalState.RUNNING}),
    GoalState.CANCELLED: frozenset({GoalState.PLANNING, GoalState.RUNNING}),
}

PLAN_STEPS: Mapping[PlanState, frozenset[PlanState]] = {
    PlanState.PROPOSED: frozenset({PlanState.ADOPTED, PlanState.REJECTED}),
    PlanState.ADOPTED: frozenset(),
    PlanState.REJECTED: frozenset(),
}

TASK_STEPS: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.WAITING: frozenset({TaskState.READY, TaskState.CANCELLED}),
    TaskState.READY: frozenset({TaskState.RUNNING, TaskState.WAITING, TaskState.CANCELLED}),
    TaskState.RUNNING: frozenset(
        {
            TaskState.READY,  # the attempt was lost or is to be tried again
            TaskState.WAITING,  # for a colleague
            TaskState.ASKING,
            TaskState.DONE,
            TaskState.FAILED,
            TaskState.CANCELLED,
        }
    ),
    TaskState.ASKING: frozenset({TaskState.READY, TaskState.WAITING, TaskState.CANCELLED}),
    TaskState.DONE: frozenset({TaskState.READY, TaskState.WAITING}),  # sent back, or run again
    TaskState.FAILED: frozenset({TaskState.READY, TaskState.WAITING}),
    TaskState.CANCELLED: frozenset({TaskState.READY, TaskState.WAITING}),
}

ATTEMPT_STEPS: Mapping[AttemptState, frozenset[AttemptState]] = {
    state: frozenset(AttemptState) - {AttemptState.RUNNING}
    if state is AttemptState.RUNNING
    else frozenset()
    for state in AttemptState
}

OPEN_GOALS = (GoalState.PLANNING, GoalState.PROPOSED, GoalState.RUNNING)
OPEN_TASKS = (TaskState.WAITING, TaskState.READY, TaskState.RUNNING, TaskState.ASKING)
STOPPED_TASKS = (TaskState.FAILED, TaskState.CANCELLED)


def check_goal(key: object, state: str, wanted: GoalState) -> None:
    """Raises IllegalTransition unless a goal may go from `state` to `wanted`."""
    if wanted not in GOAL_STEPS[GoalState(state)]:
        raise IllegalTransition("Goal", key, state, wanted)


def check_plan(key: object, state: str, wanted: PlanState) -> None:
    """Raises IllegalTransition unless a plan may go from `state` to `wanted`."""
    if wanted not in PLAN_STEPS[PlanState(state)]:
        raise IllegalTransition("Plan", key, state, wanted)


def check_task(key: object, state: str, wanted: TaskState) -> None:
    """Raises IllegalTransition unless a task may go from `state` to `wanted`."""
    if wanted not in TASK_STEPS[TaskState(state)]:
        raise IllegalTransition("Task", key, state, wanted)


def check_attempt(key: object, state: str, wanted: AttemptState) -> None:
    """Raises IllegalTransition unless an attempt may go from `state` to `wanted`."""
    if wanted not in ATTEMPT_STEPS[AttemptState(state)]:
        raise IllegalTransition("Attempt", key, state, wanted)
