"""A process that fills the queue: goals with an adopted plan of many steps, through the actions."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from deploy.soak.script import SKILL


@dataclass(frozen=True)
class Fill:
    goals: int
    steps: int  # of each goal, none waiting for another


def run(pipe: Connection, order: Fill) -> None:
    """Makes the goals; then answers with their ids."""
    import django

    django.setup()
    pipe.send([queued_goal(order.steps) for _ in range(order.goals)])


def queued_goal(steps: int) -> int:
    from deploy.soak import cast
    from staff.actions import goals, planning
    from staff.models import Goal

    goal = goals.create(
        cast.office(), cast.boss(), f"Do {steps} small things", autonomy=Goal.Autonomy.ACT
    )
    fence = planning.claim(goal.pk, 60)
    assert fence is not None
    planning.propose(goal.pk, fence, [planning.RankedPlan(body(steps), 1.0, "")])
    return goal.pk


def body(steps: int) -> dict[str, Any]:
    from staff.domain.plans import Plan, PlanStep

    roles = ("researcher", "analyst", "writer")
    made = [
        PlanStep(
            key=f"s{n}",
            title=f"Thing {n}",
            skill=SKILL,
            agent_role=roles[n % len(roles)],
            instruction=f"Thing {n} is done.",
            outputs=(f"thing-{n}.md",),
        )
        for n in range(steps)
    ]
    return Plan(tuple(made), "soak").to_json()
