"""Plans: DAGs of steps over the catalogue of skills, and what makes one fit to be carried out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

MAX_STEPS = 12
FILE_NAME = re.compile(r"[\w][\w ()&+,-]{0,100}(\.\w{1,8}){1,2}")
TEXT_FIELDS = ("key", "title", "skill", "agent_role", "instruction")
LIST_FIELDS = ("after", "inputs", "outputs")


class PlanRefused(Exception):
    """The plan cannot be carried out; the message says why, in the boss's words."""


@dataclass(frozen=True)
class PlanStep:
    """One step: which skill, by whom, after which others, and what it must leave behind.

    key:        short name within the plan; `after` and `reviews` refer to it
    agent_role: a role ("analyst") or an agent's name
    inputs:     file names that the step reads
    outputs:    file names that must exist when it is done
    reviews:    key of the step whose work this one judges, if it is a review
    """

    key: str
    title: str
    skill: str
    agent_role: str
    instruction: str = ""
    after: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    reviews: str | None = None


@dataclass(frozen=True)
class Plan:
    """A proposed DAG of steps. source: "playbook:NAME", "model", "fallback" or "boss"."""

    steps: tuple[PlanStep, ...]
    source: str = "model"
    summary: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "steps": [
                asdict(step) | {name: list(getattr(step, name)) for name in LIST_FIELDS}
                for step in self.steps
            ]
        }

    @classmethod
    def from_json(cls, data: object) -> Plan:
        """Raises PlanRefused with the place of the first thing that is wrong."""
        if not isinstance(data, Mapping) or not isinstance(data.get("steps"), list):
            raise PlanRefused('A plan is an object with a list called "steps".')
        return cls(
            steps=tuple(_step(number, raw) for number, raw in enumerate(data["steps"], 1)),
            source=_text(data.get("source", "model"), "source"),
            summary=_text(data.get("summary", ""), "summary"),
        )


def check(plan: Plan, skills: Collection[str], agents: Collection[str]) -> None:
    """Raises PlanRefused unless the plan can be carried out.

    agents: the roles and names that exist in the workspace; empty means not to look
    """
    steps = plan.steps
    if not steps:
        raise PlanRefused("The plan has no steps.")
    if len(steps) > MAX_STEPS:
        raise PlanRefused(f"The plan has {len(steps)} steps; at most {MAX_STEPS} are allowed.")
    if twice := _repeated(step.key for step in steps):
        raise PlanRefused(f"Two steps are called {twice!r}.")
    for name in (name for step in steps for name in step.outputs):
        if not FILE_NAME.fullmatch(name):
            raise PlanRefused(f"{name!r} is no file name: use letters, digits and one ending.")
    if twice := _repeated(name.casefold() for step in steps for name in step.outputs):
        raise PlanRefused(f"Two steps write {twice!r}.")
    keys = {step.key for step in steps}
    for step in steps:
        if not step.key:
            raise PlanRefused("A step has no key.")
        if step.skill not in skills:
            raise PlanRefused(f"{step.key}: there is no skill or tool called {step.skill!r}.")
        if agents and step.agent_role not in agents:
            raise PlanRefused(f"{step.key}: nobody in the staff is {step.agent_role!r}.")
        if unknown := [key for key in step.after if key not in keys]:
            raise PlanRefused(f"{step.key} comes after {unknown[0]!r}, which is not in the plan.")
        if step.reviews is not None and step.reviews not in keys - {step.key}:
            raise PlanRefused(f"{step.key} reviews {step.reviews!r}, which is not in the plan.")
        if step.reviews is not None and step.reviews not in step.after:
            raise PlanRefused(f"{step.key} reviews {step.reviews!r} but does not come after it.")
    try:
        TopologicalSorter({step.key: step.after for step in steps}).prepare()
    except CycleError as cycle:
        circle = " → ".join(reversed(cycle.args[1]))
        raise PlanRefused(f"The steps wait for each other in a circle: {circle}.") from cycle


def _step(number: int, raw: object) -> PlanStep:
    place = f"step {number}"
    if not isinstance(raw, Mapping):
        raise PlanRefused(f"{place} is not an object.")
    known = {*TEXT_FIELDS, *LIST_FIELDS, "reviews"}
    if unknown := sorted(set(raw) - known):
        raise PlanRefused(f"{place} has an unknown field {unknown[0]!r}.")
    if missing := [name for name in ("key", "skill", "agent_role") if not raw.get(name)]:
        raise PlanRefused(f"{place} has no {missing[0]}.")
    fields: dict[str, Any] = {
        name: _text(raw.get(name, ""), f"{place}, {name}") for name in TEXT_FIELDS
    }
    fields["title"] = fields["title"] or fields["key"]
    fields |= {name: _names(raw.get(name, ()), f"{place}, {name}") for name in LIST_FIELDS}
    if raw.get("reviews"):
        fields["reviews"] = _text(raw["reviews"], f"{place}, reviews")
    return PlanStep(**fields)


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or len(value) > 4000 or "\0" in value:
        raise PlanRefused(f"{place} must be a text of at most 4,000 characters.")
    return value.strip()


def _names(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise PlanRefused(f"{place} must be a list of names.")
    return tuple(_text(name, place) for name in value)


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
