import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.domain.lifecycle import (
    ATTEMPT_STEPS,
    GOAL_STEPS,
    OPEN_GOALS,
    OPEN_TASKS,
    PLAN_STEPS,
    TASK_STEPS,
    AttemptState,
    GoalState,
    IllegalTransition,
    PlanState,
    TaskState,
    check_attempt,
    check_goal,
    check_plan,
    check_task,
)


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        (GOAL_STEPS, GoalState),
        (PLAN_STEPS, PlanState),
        (TASK_STEPS, TaskState),
        (ATTEMPT_STEPS, AttemptState),
    ],
)
def test_every_state_has_its_steps_and_leads_only_to_known_states(steps, states):
    assert set(steps) == set(states)
    assert all(target in set(states) for targets in steps.values() for target in targets)


@given(st.lists(st.sampled_from(GoalState), max_size=12))
def test_a_goal_only_ever_takes_legal_steps(wishes):
    state = GoalState.PLANNING
    for wish in wishes:
        if wish in GOAL_STEPS[state]:
            check_goal(1, state, wish)
            state = wish
        else:
            with pytest.raises(IllegalTransition) as refused:
                check_goal(1, state, wish)
            assert state in str(refused.value)


@given(st.lists(st.sampled_from(TaskState), max_size=12))
def test_a_task_runs_only_after_it_was_ready(wishes):
    state, was_ready = TaskState.WAITING, False
    for wish in wishes:
        if wish not in TASK_STEPS[state]:
            with pytest.raises(IllegalTransition):
                check_task(1, state, wish)
            continue
        if wish == TaskState.RUNNING:
            assert was_ready
        state = wish
        was_ready = state == TaskState.READY


@pytest.mark.parametrize("state", OPEN_GOALS)
def test_an_open_goal_can_always_be_cancelled(state):
    check_goal(1, state, GoalState.CANCELLED)


@pytest.mark.parametrize("state", OPEN_TASKS)
def test_an_open_task_can_always_be_cancelled(state):
    check_task(1, state, TaskState.CANCELLED)


@given(st.sampled_from(AttemptState), st.sampled_from(AttemptState))
def test_an_attempt_ends_once(state, wish):
    if state is AttemptState.RUNNING and wish is not AttemptState.RUNNING:
        check_attempt(1, state, wish)
    else:
        with pytest.raises(IllegalTransition):
            check_attempt(1, state, wish)


def test_a_plan_is_decided_once():
    check_plan(1, PlanState.PROPOSED, PlanState.ADOPTED)
    with pytest.raises(IllegalTransition):
        check_plan(1, PlanState.REJECTED, PlanState.ADOPTED)
