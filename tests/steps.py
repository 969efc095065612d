"""Plans of a given form, and how far their tasks are."""

from __future__ import annotations

from staff.models import Task


def step(key, *after, **fields):
    return {
        "key": key,
        "title": key.capitalize(),
        "skill": "write-report",
        "agent_role": "writer",
        "instruction": "",
        "after": list(after),
        "inputs": [],
        "outputs": [f"{key}.md"],
        "reviews": None,
        **fields,
    }


def task_of(goal, key) -> Task:
    return Task.objects.get(goal=goal, key=key)


def states(goal) -> dict[str, str]:
    return dict(Task.objects.filter(goal=goal).values_list("key", "state"))
