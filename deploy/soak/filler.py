"""A process that fills the queue: goals with an adopted plan of many steps, through the actions."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection


@dataclass(frozen=True)
class Fill:
    goals: int
    steps: int  # of each goal, none waiting for another


def run(pipe: Connection, order: Fill) -> None:
    """Makes the goals; then answers with their ids."""
    import django

    django.setup()
    from deploy.soak import cast

    pipe.send([cast.queued_goal(order.steps) for _ in range(order.goals)])
