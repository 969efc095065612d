"""From chosen skills to a plan: how the steps hang together follows from what each takes and makes.

So a plan is a DAG by construction, and a small model has no indexes to get wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.agent.skills import Skill
from orchestrator.tools.base import FileEntry
from staff.domain.plans import MAX_STEPS, Plan, PlanStep

TABLE_KINDS = ("csv", "xlsx")


@dataclass(frozen=True)
class Colleague:
    """A member of the staff as planning sees it. No tools named means all."""

    name: str
    role: str
    tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """One step before it is wired: a skill, and what to do with it."""

    skill: Skill
    title: str = ""
    output: str = ""
    instruction: str = ""


def wire(
    choices: Sequence[Choice],
    goal_text: str,
    files: Sequence[FileEntry],
    staff: Sequence[Colleague],
    source: str,
) -> Plan:
    """Connect chosen skills into a DAG by what each takes and makes (see `agent.skills`).

    A file that the goal asks for by name is the output of the last step that can make its kind;
    an output never has the name of an attached file. staff: at least one.
    """
    steps: list[PlanStep] = []
    made: list[tuple[PlanStep, Skill]] = []
    taken: set[str] = {entry.name.casefold() for entry in files}
    choices = _named_by_goal(choices[:MAX_STEPS], goal_text, taken)
    for number, choice in enumerate(choices, 1):
        skill = choice.skill
        before = _before(skill, made)
        output = _free(choice.output or skill.output, taken) if skill.output else ""
        made_before = tuple(name for other in before for name in other.outputs)
        step = PlanStep(
            key=f"{number}-{skill.name}",
            title=choice.title or skill.name.replace("-", " ").capitalize(),
            skill=skill.name,
            agent_role=_role(skill, staff),
            instruction=choice.instruction,
            after=tuple(other.key for other in before),
            inputs=made_before or attached(skill, files),
            outputs=(output,) if output else (),
            reviews=before[-1].key if skill.takes == "report" and before else None,
        )
        steps.append(step)
        made.append((step, skill))
    return Plan(tuple(steps), source, _summary(steps))


def attached(skill: Skill, files: Sequence[FileEntry]) -> tuple[str, ...]:
    """The attached files that this skill works on. A table counts as a document too."""
    if skill.takes == "report":
        return ()
    tables_only = skill.takes == "table"
    return tuple(entry.name for entry in files if entry.kind in TABLE_KINDS or not tables_only)


def _before(skill: Skill, made: Sequence[tuple[PlanStep, Skill]]) -> list[PlanStep]:
    """The earlier steps whose outputs this skill works on."""
    if skill.takes == "table":
        return [step for step, maker in made if maker.makes == "records"][-1:]
    if skill.takes == "results":
        return [step for step, maker in made if maker.makes != "verdict"]
    if skill.takes == "report":
        return [step for step, maker in made if maker.makes == "report"][-1:]
    return []


def _named_by_goal(choices: Sequence[Choice], goal_text: str, taken: set[str]) -> list[Choice]:
    """The choices, with outputs called what the goal calls them."""
    named = list(choices)
    for name in dict.fromkeys(re.findall(r"\b[\w-]{1,60}\.(?:csv|md)\b", goal_text)):
        places = [n for n, choice in enumerate(named) if _ending(choice) == _ending_of(name)]
        if places and name.casefold() not in taken:
            named[places[-1]] = replace(named[places[-1]], output=name)
    return named


def _ending(choice: Choice) -> str:
    return _ending_of(choice.output or choice.skill.output)


def _ending_of(name: str) -> str:
    return name.rpartition(".")[2].casefold()


def _free(name: str, taken: set[str]) -> str:
    """The name, or name-2, name-3, ...; and mark it as taken."""
    stem, _, ending = name.rpartition(".")
    candidate, number = name, 2
    while candidate.casefold() in taken:
        candidate = f"{stem}-{number}.{ending}"
        number += 1
    taken.add(candidate.casefold())
    return candidate


def _role(skill: Skill, staff: Sequence[Colleague]) -> str:
    """The skill's role if somebody has it; else a role that may use its tools, else the first's."""
    if any(one.role == skill.role for one in staff):
        return skill.role
    able = [one for one in staff if not one.tools or set(skill.tools) <= set(one.tools)]
    return (able or staff)[0].role


def _summary(steps: Sequence[PlanStep]) -> str:
    return ", then ".join(step.title[:1].lower() + step.title[1:] for step in steps)
