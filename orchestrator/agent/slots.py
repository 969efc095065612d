"""Slots: the settings at the top of a skill's program, chosen under a grammar.

A small model chooses well among a few things that are there and writes badly what is not. So code
looks up what the question names, columns and values of cells, and the grammar leaves the model
only what remains open. The program itself stays as it was written, and known to run.

Kinds of slots, as a SKILL.md names them:

rows:    the rows that the question names by a value: {} or {"region": ["North"]}; by code
dates:   the name of the column of dates, or ""; by code
columns: one or two columns to group by; "month" too if there is a column of dates
numbers: a column of numbers
[a, b]:  one of these
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.grammar import from_schema
from orchestrator.tools.base import Table

Kind = str | Sequence[str]

BY_CODE = ("rows", "dates")
SLOT_TOKENS = 120
FEW = 30  # different values, so that a column is one to choose rows by
SYSTEM = "You set up how a table is evaluated. Read the question; fill in the settings in JSON."


def request(
    slots: Mapping[str, Kind], rows: Table, question: str, advice: str = ""
) -> ChatRequest | None:
    """The request for the open settings; None if the table leaves nothing to choose from."""
    open_slots = {name: kind for name, kind in slots.items() if kind not in BY_CODE}
    options = {name: _options(kind, rows, question) for name, kind in open_slots.items()}
    if not rows or not all(options.values()):
        return None
    properties = {name: _schema(open_slots[name], options[name]) for name in options}
    first = ", ".join(f"{column}: {value}" for column, value in rows[0].items())
    user = f"Table: {len(rows)} rows like {first}\n{advice}\nQuestion: {question}"
    return ChatRequest(
        messages=(Message("system", SYSTEM), Message("user", user)),
        max_tokens=SLOT_TOKENS,
        grammar=from_schema({"type": "object", "properties": properties}),
    )


def filled(program: str, slots: Mapping[str, Kind], rows: Table, question: str, answer: str) -> str:
    """The program with its settings; as it was, if the answer was cut."""
    try:
        chosen = json.loads(answer)
    except ValueError:
        return program
    lines = program.splitlines()
    for number, line in enumerate(lines):
        name = line.partition(" = ")[0]
        if name in slots:
            by_code = _by_code(slots[name], rows, question)
            value = _unique(chosen[name]) if by_code is None else by_code
            lines[number] = f"{name} = {value!r}"
    return "\n".join(lines)


def named_rows(rows: Table, question: str) -> dict[str, list[str]]:
    """Which values of which columns a question names: {"region": ["North"]}."""
    found = {}
    for column in rows[0] if rows else ():
        if not _is_all(rows, column, str):
            continue
        texts = list(dict.fromkeys(row[column] for row in rows))
        named = [text for text in texts if text and _names(question, text)]
        if named and len(texts) <= FEW:
            found[column] = named
    return found


def _by_code(kind: Kind, rows: Table, question: str) -> Any:
    """The setting, if it is not the model's to choose; else None."""
    if kind == "rows":
        return named_rows(rows, question)
    return _date_column(rows) if kind == "dates" else None


def _options(kind: Kind, rows: Table, question: str) -> list[str]:
    """What the model may choose from: what the question names, else all that fits."""
    if not isinstance(kind, str):
        return list(kind)
    columns = list(rows[0]) if rows else []
    numbers = [column for column in columns if _is_all(rows, column, int | Decimal)]
    if kind == "numbers":
        return _named(numbers, question) or numbers
    groups = [column for column in columns if column not in numbers]
    if _date_column(rows) and "month" not in columns:
        groups.append("month")
    single = [column for column, values in named_rows(rows, question).items() if len(values) == 1]
    wide = [column for column in groups if column not in single] or groups
    return _named(wide, question) or wide


def _schema(kind: Kind, options: list[str]) -> dict[str, Any]:
    one = {"enum": options}
    if kind == "columns":
        return {"type": "array", "items": one, "minItems": 1, "maxItems": min(2, len(options))}
    return one


def _named(columns: Sequence[str], question: str) -> list[str]:
    return [column for column in columns if _names(question, column.replace("_", " "))]


def _names(question: str, words: str) -> bool:
    """Whether a question names something, in the singular or plural."""
    return re.search(rf"\b{re.escape(words)}(e?s)?(?!\w)", question, re.IGNORECASE) is not None


def _unique(chosen: Any) -> Any:
    return list(dict.fromkeys(chosen)) if isinstance(chosen, list) else chosen


def _date_column(rows: Table) -> str:
    for column in rows[0] if rows else ():
        if all(re.fullmatch(r"\d{4}-\d\d-\d\d", str(row[column])) for row in rows):
            return column
    return ""


def _is_all(rows: Table, column: str, types: Any) -> bool:
    known = [row[column] for row in rows if row[column] is not None]
    return bool(known) and all(
        isinstance(value, types) and not isinstance(value, bool) for value in known
    )
