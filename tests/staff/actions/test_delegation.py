"""Whatever agents ask of each other, it ends, and within the caps."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staff.actions import control, delegation, goals, planning, questions, queue, recovery, tasks
from staff.actions.budgets import BudgetSpent
from staff.actions.delegation import NotHandedOn, Request
from staff.actions.goals import GoalRefused
from staff.domain import lifecycle
from staff.domain.lifecycle import IllegalTransition, TaskState
from staff.domain.retries import BACKOFF_S, FailureKind
from staff.models import Budget, Event, Task

ROLES = ("assistant", "researcher", "analyst", "writer", "reviewer", "nobody")
ABOUT = "abcdef"


@dataclass
class Script:
    """What agents do. requests: for each subject, what its program asks of whom, in turn."""

    requests: dict[str, list[tuple[str, str]]]
    ends: dict[str, str]  # "done", "failed" or "lost", for each subject
    refused: list[str] = field(default_factory=list)

    def run(self, held: queue.Claim) -> None:
        task = Task.objects.get(pk=held.task_id)
        for role, about in self.requests.get(task.instruction, []):
            request = Request(role, "answer-question", f"About {about}", about)
            try:
                if delegation.hand_on(held, [request]) is None:
                    return
            except NotHandedOn as reason:
                self.refused.append(str(reason))
            except BudgetSpent as reason:
                questions.ask_for_budget(held, str(reason))
                return
        self.end(held, task)

    def end(self, held: queue.Claim, task: Task) -> None:
        match self.ends.get(task.instruction, "done"):
            case "failed":
                Task.objects.filter(pk=task.pk).update(
                    failures={FailureKind.MODEL: len(BACKOFF_S[FailureKind.MODEL])}
                )
                tasks.fail(held, "It cannot be done.", FailureKind.MODEL)
            case "lost" if task.attempts_made < 3:
                recovery.reap(worker="w")
            case _:
                tasks.complete(held, f"{task.instruction}.")


def roots(office, boss, abouts, **options):
    goal = goals.create(office, boss, "Whatever comes", **options)
    steps = [
        {
            "key": f"root{number}",
            "title": f"Root {number}",
            "skill": "answer-question",
            "agent_role": ROLES[number],
            "instruction": about,
        }
        for number, about in enumerate(abouts)
    ]
    planning.propose(
        goal.pk, planning.claim(goal.pk, 60), [planning.RankedPlan({"steps": steps}, 1, "")]
    )
    goals.approve_plan(goal.pk, boss)
    return goal


def check(goal, depth, steps):
    """What holds at every moment."""
    found = {t.pk: t for t in Task.objects.filter(goal=goal).select_related("parent")}
    for task in found.values():
        agents = [hop.agent_id for hop in delegation.way_to(task)]
        assert len(agents) - 1 <= depth
        assert len(set(agents)) == len(agents), "somebody waits for itself"
        if task.parent_id is not None:
            assert task.budget.depth_cap == depth - (len(agents) - 1)
    budget = Budget.objects.get(pk=goal.budget_id)
    assert steps is None or budget.steps_used <= steps
    assert budget.steps_used == sum(t.parent_id is not None for t in found.values())
    lively = [t for t in found.values() if t.parent_id and t.state not in lifecycle.STOPPED_TASKS]
    assert len({t.request for t in lively}) == len(lively), "equal work is done once"


def settle(goal, script, depth, steps):
    """Work until nothing can be claimed. It must end."""
    for _ in range(400):
        Task.objects.filter(goal=goal).update(not_before=None)  # as if that time had gone by
        held = queue.claim("w", 60)
        if held is None:
            return
        script.run(held)
        check(goal, depth, steps)
    pytest.fail("it goes on and on")


def check_still(goal):
    """Nothing moves any more: all is over, or somebody asks the boss and the others wait."""
    goal.refresh_from_db()
    states = list(Task.objects.filter(goal=goal).values_list("state", flat=True))
    lively = [state for state in states if state in lifecycle.OPEN_TASKS]
    assert not lively or TaskState.ASKING in lively, "some wait for ever"
    assert TaskState.READY not in lively and TaskState.RUNNING not in lively
    assert bool(lively) is (goal.state == "running")


SCRIPTS = st.builds(
    Script,
    st.fixed_dictionaries(
        {
            about: st.lists(
                st.tuples(st.sampled_from(ROLES), st.sampled_from(ABOUT)), min_size=1, max_size=3
            )
            for about in ABOUT
        }
    ),
    st.dictionaries(st.sampled_from(ABOUT), st.sampled_from(["done", "failed", "lost"])),
)


@pytest.mark.django_db
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    script=SCRIPTS,
    abouts=st.lists(st.sampled_from(ABOUT), min_size=1, max_size=3),
    depth=st.sampled_from([3, 2, 1, 0]),
    steps=st.none() | st.integers(0, 9),
    acts=st.lists(
        st.tuples(
            st.sampled_from(["cancel", "rerun", "release", "pause", "resume"]), st.integers(0, 20)
        ),
        max_size=4,
    ),
)
def test_random_delegation_always_ends_within_the_caps(
    office, boss, script, abouts, depth, steps, acts
):
    with transaction.atomic():
        goal = roots(office, boss, abouts, step_budget=steps, depth_budget=depth)
        for verb, number in acts:
            held = queue.claim("w", 60)
            if held is not None:
                script.run(held)
            every = list(Task.objects.filter(goal=goal).order_by("pk"))
            with suppress(GoalRefused, IllegalTransition):
                getattr(control, verb)(every[number % len(every)].pk, boss)
            check(goal, depth, steps)
        for task in Task.objects.filter(goal=goal, is_paused=True):
            control.resume(task.pk, boss)
        settle(goal, script, depth, steps)
        check_still(goal)
        numbers = list(Event.objects.filter(goal=goal).values_list("seq", flat=True))
        assert numbers == list(range(1, len(numbers) + 1))
        transaction.set_rollback(True)
