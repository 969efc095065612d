"""What the model reads before it writes a program. Short: on a CPU, reading is the bill."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.tools.base import FileProblem, Files, Tool
from orchestrator.tools.registry import stubs

if TYPE_CHECKING:
    from orchestrator.agent.loop import Brief

PROGRAM_TOKENS = 320
NAMES_SHOWN = 4

RULES = """\
You write one short program in a small subset of Python. No imports, no def, no class, no while.
Call only the functions below. Rows are dicts. The variables inputs (file names), output (file
name), goal and instruction exist already. Write the result to output, then call finish once.
Answer with the program only, in a ```python block."""


def system(tools: Sequence[Tool]) -> str:
    return f"{RULES}\n\nFunctions:\n{stubs(tools)}"


def request(brief: Brief, tools: Sequence[Tool], files: Files) -> ChatRequest:
    """The first request for a task's program."""
    parts = [
        f"You are {brief.agent_name}, {brief.agent_role}. {brief.agent_instructions}".strip(),
        f"Example of a program for such a task:\n```python\n{brief.skill.program}\n```",
        f"goal = {brief.goal_text!r}",
        f"inputs = {_shown_names(brief.inputs)}",
        *(f"{name} has the columns {columns}" for name, columns in _columns(brief.inputs, files)),
        f"output = {brief.output!r}",
        f"instruction = {brief.instruction or brief.title!r}",
        *(f"It came back: {reason}" for reason in brief.reasons),
        "Write the program for this task. Keep the example where it fits.",
    ]
    messages = (Message("system", system(tools)), Message("user", "\n".join(parts)))
    return ChatRequest(messages=messages, max_tokens=PROGRAM_TOKENS)


def repair(first: ChatRequest, answer: str, error: str) -> ChatRequest:
    """The second request: the program, what went wrong, once more."""
    messages = (
        *first.messages,
        Message("assistant", answer),
        Message("user", f"That failed: {error}\nWrite the whole program again, corrected."),
    )
    return ChatRequest(messages=messages, max_tokens=first.max_tokens)


def _shown_names(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"[{shown}{f', ... {more} more' if more > 0 else ''}]"


def _columns(names: Sequence[str], files: Files) -> list[tuple[str, str]]:
    """The header of each csv among the inputs: a model that sees no names invents them."""
    found = []
    for name in names[:NAMES_SHOWN]:
        if not name.lower().endswith(".csv"):
            continue
        try:
            text = files.read(name)[:4096].decode("utf-8", errors="replace").lstrip("\ufeff")
        except FileProblem:
            continue
        line = text.partition("\n")[0]
        delimiter = max(",;\t|", key=line.count)
        header = next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
        found.append((name, ", ".join(header)[:300]))
    return found
