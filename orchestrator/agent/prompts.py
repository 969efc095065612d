"""What the model reads before it writes a program. Short: on a CPU, reading is the bill.

What all tasks share comes first, then what all tasks of a skill share, then the task: a common
beginning is read once and kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.tools.base import FileProblem, Table, Tool, ToolContext, ToolError
from orchestrator.tools.notes import listed
from orchestrator.tools.registry import stubs
from orchestrator.tools.tables import read_table

if TYPE_CHECKING:
    from orchestrator.agent.loop import Brief

PROGRAM_TOKENS = 320
NAMES_SHOWN = 4
COLUMNS_SHOWN = 12
CELL_CHARS = 24
GOAL_CHARS = 700
ERROR_CHARS = 500
TABLE_KINDS = ("csv", "xlsx", "json")

RULES = """\
You write one short program in a small subset of Python. No import, def, class, while or try.
Call only the functions below. Rows are dicts. The variables inputs (file names), output (file
name), goal and instruction exist already. Write the result to output, then call finish once.
Answer with the program only, in a ```python block."""
LAST = "Write the program for this task. Keep the example where it fits."


def request(brief: Brief, tools: Sequence[Tool], context: ToolContext) -> ChatRequest:
    """The first request for a task's program."""
    skill = brief.skill
    parts = [
        f"Example of a program for such a task:\n```python\n{skill.program}\n```",
        skill.advice,
        _persona(brief),
        f"goal = {_cut(brief.goal_text, GOAL_CHARS)!r}",
        f"inputs = {_names(brief.inputs)}",
        *_tables(brief.inputs, context),
        f"output = {brief.output!r}",
        f"instruction = {_cut(brief.instructed, GOAL_CHARS)!r}",
    ]
    system = f"{RULES}\n\nFunctions:\n{stubs(tools)}"
    asked = "\n".join(part for part in parts if part)
    notes = listed(context.memory.notes(f"{system}\n{asked}\n{LAST}"))
    messages = (
        Message("system", system),
        Message("user", "\n".join(part for part in (asked, notes, LAST) if part)),
    )
    return ChatRequest(messages=messages, max_tokens=PROGRAM_TOKENS)


def repair(first: ChatRequest, answer: str, error: str) -> ChatRequest:
    """The second request: the program, what went wrong, once more."""
    told = f"That failed: {_cut(error, ERROR_CHARS)}\nWrite the whole program again, corrected."
    messages = (*first.messages, Message("assistant", answer), Message("user", told))
    return ChatRequest(messages=messages, max_tokens=first.max_tokens)


def _persona(brief: Brief) -> str:
    """The agent's own instructions; without any, a name and a role tell the model nothing."""
    if not brief.agent_instructions:
        return ""
    return f"You are {brief.agent_name}, {brief.agent_role}. {brief.agent_instructions}"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"[{shown}{f', ... {more} more' if more > 0 else ''}]"


def _tables(names: Sequence[str], context: ToolContext) -> Iterator[str]:
    """The columns of each table among the inputs, with a value of each: a model that sees none
    invents them. A table that cannot be read is left to the program to find out."""
    kinds = {entry.name: entry.kind for entry in context.files.list(only=names)}
    for name in [name for name in names if kinds.get(name) in TABLE_KINDS][:NAMES_SHOWN]:
        if rows := table_of(context, name):
            first = list(rows[0].items())[:COLUMNS_SHOWN]
            shown = ", ".join(f"{column!r}: {_cell(value)}" for column, value in first)
            yield f"{name} has {len(rows)} rows like {{{shown}}}"


def table_of(context: ToolContext, name: str) -> Table:
    """Rows of a file, without a word about it; none if it is no readable table."""
    try:
        return read_table(replace(context, notes=[], problems=[]), name)
    except (FileProblem, ToolError):
        return []


def _cell(value: object) -> str:
    return repr(_cut(value, CELL_CHARS)) if isinstance(value, str) else str(value)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 3]}..."
