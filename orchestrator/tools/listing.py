"""Several records out of one text: the action items of a meeting, the events of a report.

Names, dates and amounts of a record can only be copied; a phrase such as the task itself is worded
by the model, and left out if its words are not the document's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.grammar import from_schema
from orchestrator.tools.base import Table, ToolContext, ToolError
from orchestrator.tools.calendar import resolved
from orchestrator.tools.candidates import Evidence, candidates, value_of
from orchestrator.tools.documents import Document, parts_of
from orchestrator.tools.fields import Field
from orchestrator.tools.formats import tidy
from staff.domain.dates import MONTHS, find_days

MAX_RECORDS = 15  # of one part of a document
PART_CHARS = 3000  # about 1,000 tokens
PHRASE_CHARS = 120
ANSWER_TOKENS = 600
KNOWN_WORDS = 0.7  # of a phrase must stand in the document

SYSTEM = """\
You list the records in a document as a JSON array, each once, in the order of the document. Copy \
names and dates exactly as they are written; "" where the document does not say. Leave out what is \
only told or has happened; if there are no records, answer []."""

_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_WEEKDAY = "(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
_SOON = re.compile(
    rf"\b(?:(?:next |this |coming )?{_WEEKDAY}|tomorrow|today|next (?:week|month)"
    r"|(?:the )?end of (?:the |this |next )*(?:week|month|quarter|year)"
    r"|in (?:\d+|a|one|two|three|four|five|six) (?:day|week|month)s?"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of )?(?:{_MONTH})"
    rf"|(?:{_MONTH}) \d{{1,2}}(?:st|nd|rd|th)?)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^\W*(?P<label>\w[\w ]*):(?P<rest>.*)$", re.MULTILINE)
_NAME = re.compile(r"[^\W\d_a-zß-öø-ÿ][\w'’-]+(?: [^\W\d_a-zß-öø-ÿ][\w.'’-]*)*")


def list_records(
    context: ToolContext, document: Document, fields: Sequence[Field], notes: list[str]
) -> Table:
    """The records of a document, each with `source`; what was left out is noted."""
    evidence = Evidence(tidy(document.text))
    base = evidence.dates[0].read(evidence.day_first()[0]) if evidence.dates else context.today
    rows: Table = []
    for part in parts_of(evidence.text, PART_CHARS):
        for record in _ask(context, document.name, Evidence(part), fields):
            row = {
                each.name: _value(each, record.get(each.name), evidence, base) for each in fields
            }
            if doubt := _doubt(record, fields, part):
                notes.append(f"{document.name}: left out a record: {doubt}")
            elif any(value is not None for value in row.values()):
                rows.append(row | {"source": document.name})
    unique = {json.dumps(row, default=str, sort_keys=True): row for row in rows}
    return list(unique.values())


def _ask(
    context: ToolContext, name: str, evidence: Evidence, fields: Sequence[Field]
) -> list[dict[str, Any]]:
    record = {each.name: _schema(each, evidence) for each in fields}
    listed = ", ".join(f"{each.name} ({each.hint or each.type})" for each in fields)
    asked = f"Records wanted: {context.goal_text[:300]}\nEach record: {listed}"
    answer = context.model(
        f"list {name}",
        ChatRequest(
            messages=(
                Message("system", SYSTEM),
                Message("user", f"{asked}\n\nDocument:\n{evidence.text}"),
            ),
            max_tokens=ANSWER_TOKENS,
            grammar=from_schema(
                {
                    "type": "array",
                    "maxItems": MAX_RECORDS,
                    "items": {"type": "object", "properties": record},
                }
            ),
        ),
    )
    return list(_whole_records(answer.text))


def _schema(of: Field, evidence: Evidence) -> dict[str, Any]:
    if of.is_phrase:
        return {"type": "string", "maxLength": PHRASE_CHARS}
    found = candidates(of, evidence)
    if of.type == "date":
        found += [soon[0] for soon in _SOON.finditer(evidence.text)]
    if of.is_person:
        found = _names(evidence.text, evidence.text) or found
    return {"type": "string", "x-copy": [*dict.fromkeys(found), ""]}


def _names(part: str, text: str) -> list[str]:
    """Who is named in a part: capitalised words that the text nowhere writes small (no "We").

    A line's label is left out ("Risk: ... Marek asks") if it stands nowhere else and somebody
    else is named behind it.
    """
    small = set(re.findall(r"\b[a-zß-öø-ÿ]\w*", text))
    other = small | MONTHS.keys()
    found = {n.start(): n[0] for n in _NAME.finditer(part) if n[0].casefold() not in other}
    labels = {
        start
        for label in _LABEL.finditer(part)
        for start in found
        if start == label.start("label")
        and text.count(found[start]) == 1
        and any(label.start("rest") <= place < label.end() for place in found)
    }
    return [name for start, name in found.items() if start not in labels]


def _value(of: Field, written: object, evidence: Evidence, base: date) -> Any:
    value = value_of(of, written, evidence)
    if of.type == "date" and value is None and isinstance(written, str) and written:
        found = _soon(written, base)
        return found and found.isoformat()
    return value


def _soon(written: str, base: date) -> date | None:
    """The day that words mean, counted from the day of the document."""
    for _, month, day in find_days(written):
        return _next_such_day(day, month, base)
    try:
        return resolved(written, base)
    except ToolError:
        return None


def _next_such_day(day: int, month: int, base: date) -> date | None:
    """The day of that year's or next year's: up to two months back it is told, not planned."""
    try:
        this_year = date(base.year, month, day)
        return this_year if (base - this_year).days <= 60 else date(base.year + 1, month, day)
    except ValueError:
        return None


def _doubt(record: dict[str, Any], fields: Sequence[Field], text: str) -> str:
    """Why a record cannot be trusted: its words are not the document's, or its name and its
    phrase stand in different sentences; "" if it can be."""
    known = _words(text)
    for phrase in (str(record.get(each.name) or "") for each in fields if each.is_phrase):
        words = _words(phrase)
        unknown = [word for word in words if not _is_known(word, known)]
        if len(unknown) > (1 - KNOWN_WORDS) * len(words) or any(map(str.isdigit, unknown)):
            return f'the document does not say "{phrase}"'
        place = max(_sentences(text), key=lambda each: len(words & _words(each)), default="")
        for each in fields:
            name = str(record.get(each.name) or "")
            if each.is_person and name and name not in place and _names(place, text):
                return f'"{phrase}" is not said of {name}'
    return ""


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _is_known(word: str, known: set[str]) -> bool:
    """Whether the document has the word, or one with another ending ("ask", "asks")."""
    if word in known or word.isdigit():
        return word in known
    stem = word[: max(3, len(word) - 2)]
    return any(other.startswith(stem) for other in known)


def _sentences(text: str) -> list[str]:
    """Sentences, also over the ends of lines; an item of a list is one."""
    items = re.split(r"\n(?=\s*(?:[-*•]|\d+[.)])\s)|\n\s*\n", text)
    return [
        sentence
        for item in items
        for sentence in re.split(r"(?<=[.!?])\s+(?=[^\W\d_a-zß-öø-ÿ])", item)
    ]


def _whole_records(text: str) -> Iterator[dict[str, Any]]:
    """The records of an array, also where it was cut in the middle of one."""
    for whole in (text, text[: text.rfind("}") + 1] + "]"):
        try:
            found = json.loads(whole)
        except ValueError:
            continue
        if isinstance(found, list):
            yield from (record for record in found if isinstance(record, dict))
        return
