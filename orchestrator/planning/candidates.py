"""Candidate plans for a goal: from playbooks, from the goal's own words, and from the model.

The model chooses *what* is to be done among the skills that fit the goal and its files, under a
grammar that admits no others; `wiring` sees to how the steps hang together. It is asked even where
a playbook fits: that costs one call of some 300 tokens read and 60 written (5 to 10 s with a 1.5B
model on two cores, of the two minutes that the sample goal takes), and the boss sees another way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from orchestrator.agent.skills import PlaybookStep, Skill
from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.grammar import from_schema
from orchestrator.planning.ranking import asked_for
from orchestrator.planning.wiring import TABLE_KINDS, Choice, Colleague, wire
from orchestrator.tools.base import FileEntry, ModelCaller
from staff.domain.plans import Plan, PlanRefused, check

MODEL_STEPS = 4
PLAN_TOKENS = 180
DO_CHARS = 100
GOAL_CHARS = 1200  # of a long goal the planner reads the beginning
FILES_SHOWN = 8
ECHO = 0.7  # likeness from which on two texts say the same
STAGES = {"records": 0, "table": 1, "report": 2, "verdict": 3}


def propose(
    goal_text: str,
    files: Sequence[FileEntry],
    skills: Mapping[str, Skill],
    staff: Sequence[Colleague],
    model: ModelCaller,
) -> list[Plan]:
    """Candidate plans, each checked. Equal candidates are given once.

    sources: "playbook:NAME"; "model"; "words", the skills that the goal's words ask for; and
    "fallback" where none of these stands.
    Raises PlanRefused if there is no staff, and whatever the model raises.
    """
    if not staff:
        raise PlanRefused("There is nobody in the staff: hire an agent first.")
    sources: list[tuple[str, list[Choice]]] = [
        (f"playbook:{playbook.name}", [_choice(step, skills) for step in playbook.steps])
        for playbook in _fitting(goal_text, skills)
    ]
    for source, choices in [
        ("model", _ask(goal_text, files, skills, model)),
        ("words", _by_words(goal_text, files, skills)),
    ]:
        sources.append((source, _completed(choices, goal_text, files, skills)))
    plans: list[Plan] = []
    for source, choices in [*sources, ("fallback", _fallback(files, skills))]:
        plan = wire(choices, goal_text, files, staff, source)
        new = all(_shape(plan) != _shape(other) for other in plans)
        if new and _stands(plan, skills) and (source != "fallback" or not plans):
            plans.append(plan)
    return plans


def _fitting(goal_text: str, skills: Mapping[str, Skill]) -> list[Skill]:
    """Playbooks whose triggers the goal contains at least twice, best first."""
    hits = {skill.name: skill.hits(goal_text) for skill in skills.values() if skill.is_playbook}
    fitting = sorted((name for name, n in hits.items() if n >= 2), key=lambda name: -hits[name])
    return [skills[name] for name in fitting[:2]]


def _choice(step: PlaybookStep, skills: Mapping[str, Skill]) -> Choice:
    return Choice(skills[step.skill], step.title, step.output, step.instruction)


def _by_words(
    goal_text: str, files: Sequence[FileEntry], skills: Mapping[str, Skill]
) -> list[Choice]:
    """One way to read documents, each table asked for, one page; as far as the words ask."""
    asked = [skills[name] for name in asked_for(goal_text, skills)]
    asked = [skill for skill in asked if _applies(skill, files)]
    tables = [skill for skill in asked if skill.makes == "table"]
    readers = [skill for skill in asked if skill.makes == "records"][:1]
    pages = [skill for skill in asked if skill.makes == "report"][:1]
    return [Choice(skill) for skill in [*readers, *tables, *pages]]


def _ask(
    goal_text: str, files: Sequence[FileEntry], skills: Mapping[str, Skill], model: ModelCaller
) -> list[Choice]:
    """The model's own choice of skills; empty if its answer was cut."""
    offered = [
        skill
        for skill in skills.values()
        if _applies(skill, files) and (skill.general or skill.hits(goal_text))
    ]
    request = ChatRequest(
        messages=(
            Message("system", _prompt(offered)),
            Message("user", f"Goal: {goal_text[:GOAL_CHARS]}\nFiles: {_listed(files)}"),
        ),
        max_tokens=PLAN_TOKENS,
        grammar=from_schema(_schema([skill.name for skill in offered])),
    )
    try:
        steps = json.loads(model("plan", request).text)["steps"]
    except ValueError:
        return []
    return _once(
        Choice(skill, instruction=_own_words(step["do"].strip(), skill))
        for step in steps
        for skill in [skills[step["skill"]]]
    )


def _prompt(offered: Iterable[Skill]) -> str:
    catalogue = "\n".join(f"- {skill.name}: {skill.description}" for skill in offered)
    return (
        "You plan work for a small staff. Choose the fewest skills, in order, that together do "
        "all that the goal asks. For each say in a few words what to do, in the goal's words. "
        f"Skills:\n{catalogue}\n"
        'Answer in JSON: {"steps":[{"skill":"...","do":"..."}]}. A page, letter or report is '
        "written last."
    )


def _schema(names: Sequence[str]) -> dict[str, object]:
    step = {"skill": {"enum": names}, "do": {"type": "string", "maxLength": DO_CHARS}}
    steps = {
        "type": "array",
        "minItems": 1,
        "maxItems": MODEL_STEPS,
        "items": {"type": "object", "properties": step},
    }
    return {"type": "object", "properties": {"steps": steps}}


def _once(choices: Iterable[Choice]) -> list[Choice]:
    """A small model likes to repeat itself: each skill counts once, as it was first named."""
    first: dict[str, Choice] = {}
    for choice in choices:
        first.setdefault(choice.skill.name, choice)
    return list(first.values())


def _own_words(do: str, skill: Skill) -> str:
    """What the model says to do, unless it only echoes the skill's description."""
    likeness = SequenceMatcher(None, do.casefold(), skill.description.casefold()).ratio()
    return "" if likeness > ECHO else do


def _completed(
    choices: Sequence[Choice],
    goal_text: str,
    files: Sequence[FileEntry],
    skills: Mapping[str, Skill],
) -> list[Choice]:
    """The choices in working order, with what they need before them and a review behind.

    Tables are made from documents that must be read first; a page that is written from the
    staff's own results is reviewed.
    """
    done = sorted(choices, key=lambda choice: STAGES[choice.skill.makes])
    needs_table = any(choice.skill.takes == "table" for choice in done)
    if needs_table and _mostly_documents(files) and done[0].skill.makes != "records":
        done = [*_reader(goal_text, skills), *done]
    if any(choice.skill.takes == "results" for choice in done):
        done += [Choice(s) for s in skills.values() if s.makes == "verdict"][:1]
    return done


def _reader(goal_text: str, skills: Mapping[str, Skill]) -> list[Choice]:
    """The skill that reads records: the one that the goal's words ask for, else the general one."""
    readers = [skill for skill in skills.values() if skill.makes == "records"]
    readers.sort(key=lambda skill: (-skill.hits(goal_text), not skill.general))
    return [Choice(skill) for skill in readers[:1]]


def _fallback(files: Sequence[FileEntry], skills: Mapping[str, Skill]) -> list[Choice]:
    """What is always worth a try: tables are analysed, documents summed up, questions answered."""
    if not files:
        names = ["answer-question"]
    elif _mostly_documents(files):
        names = ["summarise-documents"]
    else:
        names = ["analyse-table", "write-report", "review"]
    return [Choice(skills[name]) for name in names if name in skills]


def _applies(skill: Skill, files: Sequence[FileEntry]) -> bool:
    """Whether a skill can be chosen: there is what it begins with. Reviews are added by code."""
    if skill.is_playbook or skill.makes == "verdict":
        return False
    needs = {"documents": any(f.kind not in TABLE_KINDS for f in files), "table": bool(files)}
    return needs.get(skill.takes, True)


def _stands(plan: Plan, skills: Mapping[str, Skill]) -> bool:
    """A plan that can be carried out, with something to work on for each step that needs it."""
    try:
        check(plan, skills.keys(), ())
    except PlanRefused:
        return False
    needs = ("documents", "table", "report")
    return all(step.inputs or skills[step.skill].takes not in needs for step in plan.steps)


def _shape(plan: Plan) -> set[tuple[str, frozenset[str]]]:
    """What makes two plans the same to the boss: the same skills on the same files."""
    return {(step.skill, frozenset(step.inputs)) for step in plan.steps}


def _mostly_documents(files: Sequence[FileEntry]) -> bool:
    tables = sum(entry.kind in TABLE_KINDS for entry in files)
    return len(files) > 2 * tables


def _listed(files: Sequence[FileEntry]) -> str:
    names = [entry.name for entry in files[:FILES_SHOWN]]
    more = f" and {len(files) - FILES_SHOWN} more" if len(files) > FILES_SHOWN else ""
    return (", ".join(names) or "none") + more
