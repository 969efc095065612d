"""Goals with adopted plans for the scripted staff. Import it inside the house only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from deploy.soak import cast
from staff.actions import goals, planning
from staff.domain.plans import MAX_STEPS
from staff.models import User, Workspace

SKILL = "total-by-group"  # reads and writes tables, and lets the model write the program
Step = dict[str, Any]
Shape = Callable[[str, int], list[Step]]


def submit(office: Workspace, boss: User, text: str, steps: Sequence[Step], **caps: Any) -> int:
    """A goal whose plan is adopted already. Its number; its first tasks are ready.

    One transaction: no worker comes to plan it.
    """
    with transaction.atomic():
        goal = goals.create(office, boss, text, autonomy="act", **caps)
        fence = planning.claim(goal.pk, lease_s=60)
        assert fence is not None
        body = {"steps": list(steps), "source": "boss", "summary": ""}
        planning.propose(goal.pk, fence, [planning.RankedPlan(body, 1.0, "")])
    return goal.pk


def submit_many(text: str, shape: Shape, tasks: int) -> list[int]:
    """Goals of the same shape with so many tasks together; each says what it is in its text."""
    boss, office = cast.boss(), cast.office()
    made, number = [], 0
    while tasks > 0:
        number += 1
        name, size = f"{text} {number}", min(MAX_STEPS, tasks)
        made.append(submit(office, boss, name, shape(name, size)))
        tasks -= size
    return made


def chain(name: str, size: int) -> list[Step]:
    """Each step reads what the one before it wrote."""
    return [_step(name, n, after=[n - 1] if n else []) for n in range(size)]


def fan(name: str, size: int) -> list[Step]:
    """Steps side by side; the last one reads what all of them wrote."""
    last = size - 1
    return [_step(name, n, after=range(last) if n == last else []) for n in range(size)]


def _step(name: str, number: int, after: Sequence[int]) -> Step:
    return {
        "key": f"s{number}",
        "title": f"Step {number}",
        "skill": SKILL,
        "agent_role": "analyst",
        "instruction": f"{name}, step {number}",
        "after": [f"s{other}" for other in after],
        "inputs": [f"s{other}.csv" for other in after],
        "outputs": [f"s{number}.csv"],
        "reviews": None,
    }


def lone_step(instruction: str, skill: str, role: str) -> Step:
    """A step that waits for none and leaves no file."""
    return _step(instruction, 0, []) | {
        "skill": skill,
        "agent_role": role,
        "instruction": instruction,
        "outputs": [],
    }
