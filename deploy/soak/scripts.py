"""What the scripted model says in a soak. FORESTAFF_SCRIPT names one of these functions.

Imported by the workers, so it imports nothing heavy.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

from orchestrator.agent.skills import load_skills
from orchestrator.inference.base import ChatRequest
from orchestrator.inference.scripted import Answer

SKILLS = Path(__file__).parent / "skills"  # that only a soak has
WORD_S = 0.05  # of a model that takes its time

NOTE_SKILL = "answer-question"
PLAN = json.dumps({"steps": [{"skill": NOTE_SKILL, "do": "say in one line what was asked"}]})
NOTE = """
write_markdown(output, instruction)
finish("written")
"""
COPY = """
rows = [{"step": instruction}]
for name in inputs:
    rows = rows + read_table(name)
write_csv(output, rows)
finish(f"{len(rows)} rows in {output}.")
"""
ASK_ON = """
for n in range(150):
    draft(f"Say more, {n}")
"""
DELEGATE_ON = """
for n in range(150):
    delegate("writer", "hand-on", f"Say it, {n}")
"""
HAND_ON = """
done = delegate("hop-{next}", "hand-on", "Hand it on: hop {next}")
finish("hop {here}, " + done["answer"])
"""
SAY = """
finish("That is all.")
"""


def note(request: ChatRequest) -> str:
    """A plan where a plan is asked for, which comes with a grammar; else a program that writes one
    small file."""
    return PLAN if request.grammar else _program(NOTE)


def copy(request: ChatRequest) -> str:
    """A program that writes its own instruction below a header, and beneath it the rows of its
    inputs: two effects, one of them a file whose content follows from the plan alone."""
    return _program(COPY)


def runaway(request: ChatRequest) -> Answer:
    """A model without measure, of the kind that the goal names."""
    goal = re.search(r"^goal = '(.*)'$", request.messages[1].content, re.MULTILINE)
    asked = goal[1] if goal else ""
    if asked.startswith("Write on"):
        return repeat(" more")
    if asked.startswith("Take your time"):
        return _slowly()
    if asked.startswith("Ask on"):
        return _program(ASK_ON)
    if asked.startswith("Delegate on"):
        return _program(DELEGATE_ON)
    hop = re.fullmatch(r"Hand it on: hop (\d+)", asked)
    if hop and "go no further" not in request.messages[-1].content:
        return _program(HAND_ON.format(here=hop[1], next=int(hop[1]) + 1))
    return _program(SAY)


def _slowly() -> Iterator[str]:
    while True:
        time.sleep(WORD_S)
        yield " well"


def _program(source: str) -> str:
    return f"```python\n{source}```"


load_skills().update(load_skills(SKILLS))  # type: ignore[attr-defined]
