"""What the boss does with a single task, in a plan whose work parts and comes together again."""

from __future__ import annotations

import pytest

from staff.actions import control, queue, tasks
from staff.actions.goals import GoalRefused
from staff.domain.lifecycle import IllegalTransition
from staff.domain.retries import FailureKind
from staff.models import Task
from tests import steps
from tests.steps import step, task_of

KEYS = ("read", "sum", "flag", "write")


@pytest.fixture
def goal(give):
    goal = give(
        step("read"), step("sum", "read"), step("flag", "read"), step("write", "sum", "flag")
    )
    do(goal, "read")
    goal.refresh_from_db()
    return goal


def states(goal):
    found = steps.states(goal)
    return " ".join(found[key] for key in KEYS)


def do(goal, key):
    tasks.complete(queue.claim("w", 60, task_of(goal, key).pk), "")


def lose(goal, key):
    """Fail a task until it is a dead letter."""
    Task.objects.filter(goal=goal, key=key).update(failures={"model": 2})
    tasks.fail(queue.claim("w", 60, task_of(goal, key).pk), "no such column", FailureKind.MODEL)


def state_of(goal):
    goal.refresh_from_db()
    return goal.state


def test_a_released_dead_letter_brings_back_what_stopped_with_it(goal, boss):
    lose(goal, "flag")
    assert states(goal) == "done cancelled failed cancelled" and state_of(goal) == "failed"
    control.release(task_of(goal, "flag").pk, boss)
    assert states(goal) == "done ready ready waiting" and state_of(goal) == "running"
    for key in ("flag", "sum", "write"):
        do(goal, key)
    assert states(goal) == "done done done done" and state_of(goal) == "done"


@pytest.mark.parametrize("key", ["flag", "sum", "read"])
def test_a_rerun_of_a_failed_goal_brings_back_the_rest(goal, boss, key):
    do(goal, "sum")
    lose(goal, "flag")
    control.rerun(task_of(goal, key).pk, boss, "look at the second sheet")
    assert state_of(goal) == "running"
    assert task_of(goal, key).reasons == ["look at the second sheet"]
    while ready := Task.objects.filter(goal=goal, state="ready").first():
        do(goal, ready.key)
    assert states(goal) == "done done done done" and state_of(goal) == "done"


def test_what_builds_on_a_stopped_task_stays_stopped(goal, boss):
    control.cancel(task_of(goal, "sum").pk, boss)
    control.cancel(task_of(goal, "flag").pk, boss)
    assert states(goal) == "done cancelled cancelled cancelled" and state_of(goal) == "done"
    with pytest.raises(GoalRefused, match="builds on “Sum”"):
        control.rerun(task_of(goal, "write").pk, boss)
    control.rerun(task_of(goal, "flag").pk, boss)
    do(goal, "flag")
    assert states(goal) == "done cancelled done cancelled" and state_of(goal) == "done"
    control.rerun(task_of(goal, "sum").pk, boss)
    do(goal, "sum")
    do(goal, "write")
    assert states(goal) == "done done done done" and state_of(goal) == "done"


def test_a_rerun_of_a_done_goal_forks_it(goal, boss):
    for key in ("sum", "flag", "write"):
        do(goal, key)
    control.rerun(task_of(goal, "sum").pk, boss, "by quarter")
    assert states(goal) == "done ready done waiting" and state_of(goal) == "running"
    do(goal, "sum")
    do(goal, "write")
    assert state_of(goal) == "done"


def test_the_second_of_two_bosses_is_refused_and_nothing_is_lost(goal, boss, teammate):
    lose(goal, "flag")
    letter = task_of(goal, "flag").pk
    control.release(letter, boss)
    events = goal.events.count()
    with pytest.raises(GoalRefused, match="failed task"):
        control.release(letter, teammate)
    with pytest.raises(GoalRefused, match="not over yet"):
        control.rerun(letter, teammate, "another note")
    control.cancel(letter, boss)
    with pytest.raises(IllegalTransition, match="cancelled"):
        control.cancel(letter, teammate)
    with pytest.raises(IllegalTransition, match="cancelled"):
        control.pause(letter, teammate)
    assert goal.events.count() == events + 1
