"""Skills: what the staff knows how to do, as folders in the open SKILL.md format.

Front matter: `name` and `description` as in the format; ours are

role:     who does it
triggers: word stems of a goal that ask for it
takes:    what it works on: documents, table, results (all that was made before) or report
makes:    what it leaves behind: records (a table read from documents), table, report or verdict
output:   default name of the file it writes; none for a verdict
tools:    the functions on offer to its programs, few enough for a small model
adapt:    false where the example program is run as written
steps:    for a playbook: the skills it breaks a goal into, each with its output and instruction

The body explains the skill and holds one example program, a ```python block. A program finds the
variables `inputs` (file names), `output` (file name), `goal` and `instruction` in place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

FOLDER = Path(__file__).resolve().parent.parent / "skills"

Takes = Literal["documents", "table", "results", "report"]
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
    name: str
    description: str
    triggers: tuple[str, ...]
    role: str = ""
    takes: Takes = "documents"
    makes: Makes = "table"
    output: str = ""
    tools: tuple[str, ...] = ()
    adapt: bool = True
    program: str = ""
    steps: tuple[PlaybookStep, ...] = field(default=())

    @property
    def is_playbook(self) -> bool:
        return bool(self.steps)

    def hits(self, text: str) -> int:
        """How many different triggers a text contains, each at the start of a word."""
        return sum(
            re.search(rf"\b{re.escape(stem)}", text, re.IGNORECASE) is not None
            for stem in self.triggers
        )


@cache
def load_skills(folder: Path = FOLDER) -> Mapping[str, Skill]:
    """All skills of a folder by name. Raises SkillBroken for the first that cannot be read."""
    found = [read_skill(path) for path in sorted(folder.glob("*/SKILL.md"))]
    return {skill.name: skill for skill in found}


def read_skill(path: Path) -> Skill:
    """One SKILL.md. Raises SkillBroken."""
    parts = re.match(r"---\n(.*?)\n---\n(.*)", path.read_text(encoding="utf-8"), re.DOTALL)
    if parts is None:
        raise SkillBroken(f"{path}: it must begin with front matter between two lines of ---")
    try:
        front = yaml.safe_load(parts[1])
        return _skill(front, parts[2])
    except (yaml.YAMLError, TypeError, KeyError) as wrong:
        raise SkillBroken(f"{path}: {wrong}") from wrong


def _skill(front: dict[str, Any], body: str) -> Skill:
    program = re.search(r"```python\n(.*?)```", body, re.DOTALL)
    steps = tuple(PlaybookStep(**step) for step in front.pop("steps", ()))
    return Skill(
        **{key: tuple(v) if isinstance(v, list) else v for key, v in front.items()},
        program=program[1].strip() if program else "",
        steps=steps,
    )
