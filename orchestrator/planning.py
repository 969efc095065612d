"""Planning: candidate plans for a goal, and which of them to recommend.

Candidates come from playbooks whose triggers the goal contains, and from one call to the model
under a grammar that admits only known skills. The model (or the playbook) chooses *what* is to be
done; *how the steps hang together* follows in code from what each skill takes and makes. So a plan
is a DAG by construction, and a small model has no indexes to get wrong.

The model is asked even where a playbook fits: its plan costs one short call, and the boss sees an
alternative. `rank` is a plain prior with a narrow seam: candidates in, ranked candidates with a
score and a reason out, so that a forecast can take its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.agent.skills import PlaybookStep, Skill
from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.grammar import from_schema
from orchestrator.tools.base import FileEntry, ModelCaller
from staff.domain.plans import MAX_STEPS, Plan, PlanRefused, PlanStep, check

TABLE_KINDS = ("csv", "xlsx")
MODEL_STEPS = 4
PLAN_TOKENS = 160
GOAL_CHARS = 1200  # of a long goal the planner reads the beginning
FILES_SHOWN = 8
STEP_COST = 0.04  # what one more step must be worth in coverage
REVIEW_WORTH = 0.1
PLAYBOOK_WORTH = 0.1  # a decomposition that was written by someone who knew


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


@dataclass(frozen=True)
class Ranked:
    plan: Plan
    score: float
    why: str


def propose(
    goal_text: str,
    files: Sequence[FileEntry],
    skills: Mapping[str, Skill],
    staff: Sequence[Colleague],
    model: ModelCaller,
) -> list[Plan]:
    """Candidate plans, each checked; at least one. Equal candidates are given once.

    Raises PlanRefused if there is no staff, and whatever the model raises.
    """
    if not staff:
        raise PlanRefused("There is nobody in the staff: hire an agent first.")
    sources: list[tuple[str, list[Choice]]] = [
        (f"playbook:{playbook.name}", [_choice(step, skills) for step in playbook.steps])
        for playbook in _fitting(goal_text, skills)
    ]
    sources.append(("model", _ask(goal_text, files, skills, model)))
    plans: list[Plan] = []
    for source, choices in [*sources, ("fallback", _fallback(files, skills))]:
        plan = wire(choices, goal_text, files, staff, source)
        same = any(plan.steps == other.steps for other in plans)
        if not same and _stands(plan, skills) and (source != "fallback" or not plans):
            plans.append(plan)
    return plans


def rank(plans: Sequence[Plan], goal_text: str, skills: Mapping[str, Skill]) -> list[Ranked]:
    """The candidates, best first, each with its score and a reason in plain words.

    A prior: how many of the skills that the goal asks for a plan holds, less a little for each
    step, a little more where the result is reviewed and where a playbook was followed.
    """
    asked = {s.name for s in skills.values() if not s.is_playbook and s.hits(goal_text)}
    ranked = [_score(plan, asked) for plan in plans]
    return sorted(ranked, key=lambda one: one.score, reverse=True)


def wire(
    choices: Sequence[Choice],
    goal_text: str,
    files: Sequence[FileEntry],
    staff: Sequence[Colleague],
    source: str,
) -> Plan:
    """Connect chosen skills into a DAG by what each takes and makes (see `agent.skills`).

    A file that the goal asks for by name is the output of the last step that can make its kind.
    """
    steps: list[PlanStep] = []
    made: list[tuple[PlanStep, Skill]] = []
    taken: set[str] = {entry.name.casefold() for entry in files}
    choices = _named_by_goal(choices[:MAX_STEPS], goal_text, taken)
    for number, choice in enumerate(choices, 1):
        skill = choice.skill
        before = _before(skill, made)
        output = _free(choice.output or skill.output, taken) if skill.output else ""
        step = PlanStep(
            key=f"{number}-{skill.name}",
            title=choice.title or skill.name.replace("-", " ").capitalize(),
            skill=skill.name,
            agent_role=_role(skill, staff),
            instruction=choice.instruction,
            after=tuple(other.key for other in before),
            inputs=tuple(name for other in before for name in other.outputs)
            or _attached(skill, files),
            outputs=(output,) if output else (),
            reviews=before[-1].key if skill.takes == "report" and before else None,
        )
        steps.append(step)
        made.append((step, skill))
    return Plan(tuple(steps), source, _summary(steps))


def _before(skill: Skill, made: Sequence[tuple[PlanStep, Skill]]) -> list[PlanStep]:
    """The earlier steps whose outputs this skill works on."""
    if skill.takes == "table":
        return [step for step, maker in made if maker.makes == "records"][-1:]
    if skill.takes == "results":
        return [step for step, maker in made if maker.makes != "verdict"]
    if skill.takes == "report":
        return [step for step, maker in made if maker.makes == "report"][-1:]
    return []


def _attached(skill: Skill, files: Sequence[FileEntry]) -> tuple[str, ...]:
    """The attached files that this skill works on; documents are tables only if nothing else is."""
    tables = tuple(entry.name for entry in files if entry.kind in TABLE_KINDS)
    others = tuple(entry.name for entry in files if entry.kind not in TABLE_KINDS)
    if skill.takes == "table":
        return tables
    if skill.takes == "documents":
        return others or tables
    return () if skill.takes == "report" else tuple(entry.name for entry in files)


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


def _fitting(goal_text: str, skills: Mapping[str, Skill]) -> list[Skill]:
    """Playbooks whose triggers the goal contains at least twice, best first."""
    hits = {s.name: s.hits(goal_text) for s in skills.values() if s.is_playbook}
    fitting = sorted((name for name, n in hits.items() if n >= 2), key=lambda n: -hits[n])
    return [skills[name] for name in fitting[:2]]


def _choice(step: PlaybookStep, skills: Mapping[str, Skill]) -> Choice:
    return Choice(skills[step.skill], step.title, step.output, step.instruction)


def _ask(
    goal_text: str, files: Sequence[FileEntry], skills: Mapping[str, Skill], model: ModelCaller
) -> list[Choice]:
    """The model's own plan, under a grammar that admits only skills that there are."""
    working = [s for s in skills.values() if not s.is_playbook and s.makes != "verdict"]
    schema = {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "minItems": 1,
                "maxItems": MODEL_STEPS,
                "items": {
                    "type": "object",
                    "properties": {
                        "skill": {"enum": [skill.name for skill in working]},
                        "do": {"type": "string", "maxLength": 100},
                    },
                },
            }
        },
    }
    answer = model(
        "plan",
        ChatRequest(
            messages=(
                Message("system", _planner_prompt(working)),
                Message("user", f"Goal: {goal_text[:GOAL_CHARS]}\nFiles: {_listed(files)}"),
            ),
            max_tokens=PLAN_TOKENS,
            grammar=from_schema(schema),
        ),
    )
    try:
        steps = json.loads(answer.text)["steps"]
    except ValueError:  # the answer was cut at its last token
        return []
    choices = [Choice(skills[step["skill"]], "", "", step["do"].strip()) for step in steps]
    return _with_review(_once(choices), skills)


def _planner_prompt(working: Iterable[Skill]) -> str:
    catalogue = "\n".join(f"- {skill.name}: {skill.description}" for skill in working)
    return (
        "You plan work for a small staff. Choose the fewest skills, in order, that reach the "
        "goal. For each say in a few words what to do. Skills:\n"
        f"{catalogue}\n"
        'Answer in JSON: {"steps":[{"skill":"...","do":"..."}]}'
    )


def _once(choices: Sequence[Choice]) -> list[Choice]:
    """A small model likes to repeat itself: each skill with the same words counts once."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for choice in choices:
        mark = (choice.skill.name, choice.instruction.casefold())
        if mark not in seen:
            seen.add(mark)
            kept.append(choice)
    return kept


def _with_review(choices: list[Choice], skills: Mapping[str, Skill]) -> list[Choice]:
    reviewers = [skill for skill in skills.values() if skill.makes == "verdict"]
    makes_report = any(choice.skill.makes == "report" for choice in choices)
    return choices + [Choice(reviewer) for reviewer in reviewers[:1] if makes_report]


def _fallback(files: Sequence[FileEntry], skills: Mapping[str, Skill]) -> list[Choice]:
    """What is always worth a try: tables are analysed, documents summed up, questions answered."""
    if files and all(entry.kind in TABLE_KINDS for entry in files):
        names = ["analyse-table", "write-report", "review"]
    else:
        names = ["summarise-documents"] if files else ["answer-question"]
    return [Choice(skills[name]) for name in names if name in skills]


def _stands(plan: Plan, skills: Mapping[str, Skill]) -> bool:
    """A plan that can be carried out, with something to work on for each step that needs it."""
    try:
        check(plan, skills.keys(), ())
    except PlanRefused:
        return False
    needs = ("documents", "table", "report")
    return all(step.inputs or skills[step.skill].takes not in needs for step in plan.steps)


def _score(plan: Plan, asked: set[str]) -> Ranked:
    held = {step.skill for step in plan.steps}
    coverage = len(held & asked) / len(asked) if asked else 0.5
    reviewed = any(step.reviews for step in plan.steps)
    playbook = plan.source.startswith("playbook:")
    score = coverage - STEP_COST * len(plan.steps)
    score += REVIEW_WORTH * reviewed + PLAYBOOK_WORTH * playbook
    reasons = [f"covers {len(held & asked)} of {len(asked)} things asked for"] if asked else []
    reasons += ["follows a playbook"] if playbook else []
    reasons += ["is reviewed before you see it"] if reviewed else ["nobody checks the result"]
    return Ranked(plan, round(score, 3), f"{len(plan.steps)} steps; " + ", ".join(reasons))


def _role(skill: Skill, staff: Sequence[Colleague]) -> str:
    """The skill's role if somebody has it; else a role that may use its tools, else the first's."""
    if any(one.role == skill.role for one in staff):
        return skill.role
    able = [one for one in staff if not one.tools or set(skill.tools) <= set(one.tools)]
    return (able or staff)[0].role


def _free(name: str, taken: set[str]) -> str:
    """The name, or name-2, name-3, ...; and mark it as taken."""
    stem, _, ending = name.rpartition(".")
    candidate, number = name, 2
    while candidate.casefold() in taken:
        candidate = f"{stem}-{number}.{ending}"
        number += 1
    taken.add(candidate.casefold())
    return candidate


def _listed(files: Sequence[FileEntry]) -> str:
    names = [entry.name for entry in files[:FILES_SHOWN]]
    more = f" and {len(files) - FILES_SHOWN} more" if len(files) > FILES_SHOWN else ""
    return (", ".join(names) or "none") + more


def _summary(steps: Sequence[PlanStep]) -> str:
    return ", then ".join(step.title[:1].lower() + step.title[1:] for step in steps)
