"""Skills: what the staff knows how to do, as folders in the open SKILL.md format.

Front matter: `name` and `description` as in the format; ours are

role:     who does it
triggers: words of a goal that ask for it; "analy*" stands for every word that begins so
general:  true where the skill is worth offering though no trigger is in the goal
wordings: instructions that the example program is known to be right for: they run it as written
takes:    what it works on: documents (attached), table (records made before, else attached ones),
          results (all that was made before), report (the newest), anything (attached, if any)
makes:    what it leaves behind: records (a table read from documents), table, report or verdict
answers:  true where its answer is worth having without a file: then `output` may be ""
output:   default name of the file it writes; none for a verdict
tools:    the functions on offer to its programs, few enough for a small model
slots:    the settings at the top of the program, each with its kind (see `agent.slots`)
adapt:    false where the example program is always run as written
steps:    for a playbook: the skills it breaks a goal into, each with its output and instruction

The body says what to mind and holds one example program, a ```python block. A program finds the
variables `inputs` (file names), `output` (file name), `goal` and `instruction` in place: they are
its slots.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

FOLDER = Path(__file__).resolve().parent.parent / "skills"
MAX_TOOLS = 12

Takes = Literal["documents", "table", "results", "report", "anything"]
Makes = Literal["records", "table", "report", "verdict"]


class SkillBroken(Exception):
    """A SKILL.md cannot be used; the message names the file and the field."""


@dataclass(frozen=True)
class PlaybookStep:
    skill: str
    title: str
    output: str = ""
    instruction: str = ""


@dataclass(frozen=True)
class Skill:
    """advice: the text of the body without the program; for the other fields see above."""

    name: str
    description: str
    triggers: tuple[str, ...]
    role: str = ""
    wordings: tuple[str, ...] = ()
    takes: Takes = "documents"
    makes: Makes = "table"
    output: str = ""
    tools: tuple[str, ...] = ()
    general: bool = False
    adapt: bool = True
    answers: bool = False
    advice: str = ""
    program: str = ""
    slots: Mapping[str, str | Mapping[str, Sequence[str]]] = field(default_factory=dict)
    steps: tuple[PlaybookStep, ...] = ()

    @property
    def is_playbook(self) -> bool:
        return bool(self.steps)

    def knows(self, instruction: str) -> bool:
        """Whether the example program is known to be right for a task in these words."""
        asked = " ".join(instruction.casefold().split())
        return any(asked == wording.casefold() for wording in self.wordings)

    def hits(self, text: str) -> int:
        """How many different triggers a text contains, as whole words or their plurals."""
        return sum(
            re.search(_pattern(trigger), text, re.IGNORECASE) is not None
            for trigger in self.triggers
        )


@cache
def load_skills(folder: Path = FOLDER) -> Mapping[str, Skill]:
    """All skills of a folder by name. Raises SkillBroken for the first that cannot be used."""
    found = {skill.name: skill for skill in map(read_skill, sorted(folder.glob("*/SKILL.md")))}
    for playbook in found.values():
        for step in playbook.steps:
            if step.skill not in found or found[step.skill].is_playbook:
                raise SkillBroken(f"{playbook.name}: steps: there is no skill {step.skill!r}")
    return found


def read_skill(path: Path) -> Skill:
    """One SKILL.md. Raises SkillBroken."""
    parts = re.match(r"---\n(.*?)\n---\n(.*)", path.read_text(encoding="utf-8"), re.DOTALL)
    if parts is None:
        raise SkillBroken(f"{path}: it must begin with front matter between two lines of ---")
    try:
        front = yaml.safe_load(parts[1])
        if not isinstance(front, dict):
            raise TypeError("the front matter must hold fields, name: value")
        skill = _skill(front, parts[2])
    except (yaml.YAMLError, TypeError) as wrong:
        raise SkillBroken(f"{path}: {wrong}") from wrong
    if problem := _problem_of(skill, path.parent.name):
        raise SkillBroken(f"{path}: {problem}")
    return skill


def _skill(front: dict[str, Any], body: str) -> Skill:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in front.items()
    }
    advice, fence, rest = body.partition("```python\n")
    return Skill(
        **fields
        | {
            "steps": tuple(PlaybookStep(**step) for step in front.get("steps", ())),
            "advice": " ".join(advice.split()),
            "program": rest.partition("```")[0].strip() if fence else "",
        }
    )


def _problem_of(skill: Skill, folder_name: str) -> str:
    if skill.name != folder_name:
        return f"name: {skill.name!r} must be the name of its folder"
    if skill.is_playbook:
        return ""
    if skill.takes not in get_args(Takes):
        return f"takes: {skill.takes!r} must be one of {', '.join(get_args(Takes))}"
    if skill.makes not in get_args(Makes):
        return f"makes: {skill.makes!r} must be one of {', '.join(get_args(Makes))}"
    if bool(skill.output) is (skill.makes == "verdict"):
        return "output: needed, unless it makes a verdict"
    if not skill.program:
        return "the body must hold an example program, a ```python block"
    for slot in skill.slots:
        if not re.search(rf"^{slot} = ", skill.program, re.MULTILINE):
            return f"slots: the program has no line {slot!r} = ..."
    if not 0 < len(skill.tools) <= MAX_TOOLS:
        return f"tools: name 1 to {MAX_TOOLS}"
    return ""


def _pattern(trigger: str) -> str:
    """A trigger as a regular expression; punctuation ("?") stands for itself."""
    if not trigger[:1].isalnum():
        return re.escape(trigger)
    if trigger.endswith("*"):
        return rf"\b{re.escape(trigger[:-1])}"
    return rf"\b{re.escape(trigger)}s?\b"
