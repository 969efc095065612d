"""Slots: the settings at the top of a skill's program, chosen under a grammar.

A small model chooses well among a few things that are there and writes badly what is not. So code
looks up what the question names, columns and values of cells and words for a choice, and the
grammar leaves the model only what remains open; nothing open, no call. The program itself stays as
it was written, and known to run.

Kinds of slots, as a SKILL.md names them:

rows:    the rows that the question names by a value: {} or {"region": ["North"]}; by code
dates:   the name of the column of dates, or ""; by code
tables:  the tables that the question is about, alike in their columns; by code, or by the boss
columns: up to two columns to group by; "month" too if there is a column of dates
numbers: a column of numbers
{choice: [words]}: the choices that the question has words for, else those that need none
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

Kind = str | Mapping[str, Sequence[str]]

BY_CODE = ("rows", "dates", "tables")
MOST_GROUPS = 2
SLOT_TOKENS = 120
FEW = 30  # different values, so that a column is one to choose rows by
SYSTEM = "You set up how a table is evaluated. Read the question; fill in the settings in JSON."


def request(
    slots: Mapping[str, Kind], rows: Table, question: str, advice: str = ""
) -> ChatRequest | None:
    """The request for the settings that are open; None if there are none, or no such table."""
    options = {name: _options(kind, rows, question) for name, kind in slots.items()}
    open_slots = [name for name in slots if len(options[name]) > 1]
    if not open_slots or not can_fill(slots, rows):
        return None
    first = ", ".join(f"{column}: {value}" for column, value in rows[0].items())
    user = f"Table: {len(rows)} rows like {first}\n{advice}\nQuestion: {question}"
    properties = {name: _schema(slots[name], options[name]) for name in open_slots}
    return ChatRequest(
        messages=(Message("system", SYSTEM), Message("user", user)),
        max_tokens=SLOT_TOKENS,
        grammar=from_schema({"type": "object", "properties": properties}),
    )


def can_fill(slots: Mapping[str, Kind], rows: Table) -> bool:
    """Whether the table has something for each slot that code does not fill alone."""
    return all(kind in BY_CODE or _options(kind, rows, "") for kind in slots.values())


def filled(
    program: str,
    slots: Mapping[str, Kind],
    rows: Table,
    question: str,
    answer: str = "{}",
    tables: Sequence[str] = (),
) -> str:
    """The program with its settings. What the answer leaves open takes the first option; a table
    that has nothing to choose from leaves the program as it was."""
    if not can_fill(slots, rows):
        return program
    try:
        chosen = json.loads(answer)
    except ValueError:  # cut at its last token
        chosen = {}
    lines = program.splitlines()
    for number, line in enumerate(lines):
        name = line.partition(" = ")[0]
        if name in slots:
            kind = slots[name]
            is_tables = kind == "tables"
            setting = (
                list(tables) if is_tables else _setting(kind, rows, question, chosen.get(name))
            )
            lines[number] = f"{name} = {setting!r}"
    return "\n".join(lines)


def tables_meant(tables: Mapping[str, Table], question: str) -> list[list[str]]:
    """The tables that a question may be about, as groups of those with the same columns.

    Those that it names, by file or by what stands in them; all where it names none.
    """
    named = [name for name in tables if _names_file(question, name)]
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in named or tables:
        groups.setdefault(tuple(_columns(tables[name])), []).append(name)
    hit = [
        names
        for columns, names in groups.items()
        if _named(columns, question) or any(named_rows(tables[name], question) for name in names)
    ]
    return list(groups.values()) if named else hit or list(groups.values())


def _names_file(question: str, name: str) -> bool:
    """By its name, or its name without the ending, with or without hyphens."""
    stem = name.rpartition(".")[0]
    return any(_names(question, each) for each in (name, stem, re.sub(r"[-_]+", " ", stem)))


def named_rows(rows: Table, question: str) -> dict[str, list[str]]:
    """Which values of which columns a question names: {"region": ["North"]}."""
    found = {}
    for column in _columns(rows):
        if not _is_all(rows, column, str):
            continue
        texts = list(dict.fromkeys(row[column] for row in rows))
        named = [text for text in texts if text and _names(question, text)]
        if named and len(texts) <= FEW:
            found[column] = named
    return found


def _setting(kind: Kind, rows: Table, question: str, chosen: Any) -> Any:
    if kind == "rows":
        return named_rows(rows, question)
    if kind == "dates":
        return _date_column(rows)
    chosen = chosen or _options(kind, rows, question)[0]
    if kind == "columns":
        given = chosen if isinstance(chosen, list) else [chosen]
        return _named_groups(rows, question)[:MOST_GROUPS] or list(dict.fromkeys(given))
    return chosen


def _options(kind: Kind, rows: Table, question: str) -> list[str]:
    """What the model may choose from; a single option leaves it nothing to choose."""
    if kind in BY_CODE:
        return []
    if not isinstance(kind, str):
        plain = [choice for choice, words in kind.items() if not words]
        return [choice for choice, words in kind.items() if _has_one_of(question, words)] or plain
    if kind == "columns":
        return _named_groups(rows, question)[:1] or _groups(rows)
    numbers = [column for column in _columns(rows) if _is_all(rows, column, int | Decimal)]
    return _named(numbers, question) or numbers


def _schema(kind: Kind, options: list[str]) -> dict[str, Any]:
    one: dict[str, Any] = {"enum": options}
    if kind == "columns":
        return {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_GROUPS}
    return one


def _groups(rows: Table) -> list[str]:
    """The columns that rows can be grouped by."""
    groups = [column for column in _columns(rows) if not _is_all(rows, column, int | Decimal)]
    return groups + ["month"] if _date_column(rows) and "month" not in groups else groups


def _named_groups(rows: Table, question: str) -> list[str]:
    """The columns that the question names, and those of which it compares values.

    A column of which it names one value only says which rows count.
    """
    values = named_rows(rows, question)
    compared = [column for column in values if len(values[column]) > 1]
    return _named([c for c in _groups(rows) if c not in values], question) + compared


def _named(columns: Sequence[str], question: str) -> list[str]:
    return [column for column in columns if _names(question, column.replace("_", " "))]


def _names(question: str, words: str) -> bool:
    """Whether a question names something, in the singular or plural."""
    return re.search(rf"\b{re.escape(words)}(e?s)?(?!\w)", question, re.IGNORECASE) is not None


def _has_one_of(question: str, words: Sequence[str]) -> bool:
    """Whether one of these stands in the question; "develop*" is the beginning of a word."""
    patterns = [re.escape(word).replace(r"\*", r"\w*") for word in words]
    return any(re.search(rf"\b{one}\b", question, re.IGNORECASE) for one in patterns)


def _columns(rows: Table) -> list[str]:
    return list(rows[0]) if rows else []


def _date_column(rows: Table) -> str:
    for column in _columns(rows):
        if all(re.fullmatch(r"\d{4}-\d\d-\d\d", str(row[column])) for row in rows):
            return column
    return ""


def _is_all(rows: Table, column: str, types: Any) -> bool:
    known = [row[column] for row in rows if row[column] is not None]
    return bool(known) and all(
        isinstance(value, types) and not isinstance(value, bool) for value in known
    )
