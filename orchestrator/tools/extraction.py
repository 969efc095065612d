"""Fields out of documents: the model points, the code copies.

For each field code finds what in the document could be its value; a grammar lets the model choose
one of these or null, and nothing else. So a value that is not in the document cannot come out.
Amounts and dates are then read by rule (`amounts`), never by the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.grammar import from_schema
from orchestrator.tools import amounts
from orchestrator.tools.base import FileProblem, Row, Table, ToolContext, ToolError
from orchestrator.tools.documents import Document, read_documents
from orchestrator.tools.registry import tool
from orchestrator.tools.tables import read_table

PARALLEL = 4
DOCUMENT_CHARS = 3600  # about 1,200 tokens
MAX_SPANS = 160
SPAN_CHARS = 80
FIELD_TOKENS = 28
LIST_ROWS = 15

TYPES = {
    "text": "text", "str": "text", "string": "text", "name": "text", "id": "text",
    "number": "number", "amount": "number", "money": "number", "decimal": "number",
    "float": "number", "int": "number", "integer": "number",
    "date": "date", "datetime": "date",
    "currency": "currency",
}  # fmt: skip
TOTAL_NAME = re.compile(r"total|due|amount|gross|sum|pay|betrag|montant", re.IGNORECASE)
NET_NAME = re.compile(r"net|sub|tax|vat|before", re.IGNORECASE)

SYSTEM = """\
You copy fields out of a document. Answer with one JSON object. Copy each value exactly as it is \
written in the document. Use null for a field that the document does not give. The vendor or \
sender is who wrote the document and wants to be paid, not who receives it. A total is the final \
amount to pay, tax included."""


@dataclass(frozen=True)
class Field:
    """One field to read. choices: for a field of the form "a|b|c"."""

    name: str
    type: str
    hint: str = ""
    choices: tuple[str, ...] = ()


@tool(effect="reads")
def extract(context: ToolContext, files: list[str], fields: dict[str, str]) -> Table:
    """Copy fields (types: text, number, date, currency) of each document into one row per file."""
    wanted = parse_fields(fields)
    if not files:
        raise ToolError("files is empty: give at least one file name, for example inputs")
    documents = read_documents(context, files)
    with ThreadPoolExecutor(PARALLEL) as pool:
        reads = pool.map(lambda document: _records(context, document, wanted), documents)
        rows: Table = []
        for found, notes in reads:
            rows += found
            context.notes.extend(notes)
    return rows


@tool(effect="reads")
def extract_list(context: ToolContext, file: str, fields: dict[str, str]) -> Table:
    """Copy several records (such as action items) out of one document, a row for each."""
    wanted = parse_fields(fields)
    for document in read_documents(context, [file]):
        return _record_list(context, document, wanted)
    raise ToolError(f"{file} cannot be read. Leave this file out.")


def parse_fields(fields: Mapping[str, str]) -> list[Field]:
    """Raises ToolError for a type that there is not."""
    if not fields:
        raise ToolError('fields is empty: give {"name": "type"}, for example {"total": "number"}')
    return [_field(name, str(type_)) for name, type_ in fields.items()]


def _field(name: str, given: str) -> Field:
    type_, _, hint = given.partition(":")
    if "|" in type_:
        return Field(name, "choice", hint.strip(), tuple(part.strip() for part in type_.split("|")))
    known = TYPES.get(type_.strip().casefold())
    if known is None:
        close = get_close_matches(type_, TYPES, 1)
        meant = f' Did you mean "{TYPES[close[0]]}"?' if close else ""
        raise ToolError(
            f'{name} has the type "{type_}"; use text, number, date, currency or "a|b|c".{meant}'
        )
    return Field(name, known, hint.strip())


def _records(
    context: ToolContext, document: Document, fields: Sequence[Field]
) -> tuple[Table, list[str]]:
    """The rows of one document, each with its `source`, and notes on what could not be read."""
    if document.kind in ("csv", "xlsx") and (rows := _from_table(context, document, fields)):
        return rows, []
    notes: list[str] = []
    text = _cut(document, notes)
    candidates = {field.name: candidates_of(field, text) for field in fields}
    answer = _ask(context, f"read {document.name}", text, fields, candidates)
    row = _row(document.name, text, fields, answer, notes)
    for field in fields:
        if better := _doubt(field, row.get(field.name), text):
            row[field.name] = _settle(context, document.name, text, field, row[field.name], better)
    row["source"] = document.name
    return [row], notes


def candidates_of(field: Field, text: str) -> list[str]:
    """What in the text could be the value of a field, as it is written."""
    if field.choices:
        return list(field.choices)
    finders: Mapping[str, Callable[[str], list[str]]] = {
        "number": amounts.amounts_in,
        "date": amounts.dates_in,
        "currency": amounts.currencies_in,
        "text": spans_in,
    }
    return finders[field.type](text)


def spans_in(text: str) -> list[str]:
    """Pieces of text that could be a value: lines, cells, what follows a label, names, codes."""
    found: dict[str, None] = {}
    for piece in _pieces(text):
        clean = " ".join(piece.split()).strip(" .,;:|*#-")
        if clean and len(clean) <= SPAN_CHARS and any(c.isalnum() for c in clean):
            found.setdefault(clean)
    return list(found)[:MAX_SPANS]


def _pieces(text: str) -> Iterator[str]:
    for line in text.splitlines():
        for cell in re.split(r"\t|\||\s{2,}", line):
            yield cell
            if ":" in cell:
                yield cell.partition(":")[2]
            for mark in re.finditer(r"(?:#|\b(?:no|nr|number|ref)\b\.?)\s*:?\s*(\S+)", cell, re.I):
                yield mark[1]
        yield from re.findall(r"\b(?=\w*\d)[A-Za-z0-9]+(?:[-/.][A-Za-z0-9]+)+\b", line)
        yield from re.findall(
            r"(?:[^\W\d_a-zß-ÿ][\w.'-]*|&)(?: (?:[^\W\d_a-zß-ÿ][\w.'-]*|&))+", line
        )


def _ask(
    context: ToolContext,
    purpose: str,
    text: str,
    fields: Sequence[Field],
    candidates: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """One call: the model chooses among the candidates. Fields without any are not asked for."""
    asked = [field for field in fields if candidates[field.name] and field.type != "currency"]
    settled = {
        field.name: next(iter(candidates[field.name]), None)
        for field in fields
        if field not in asked
    }
    for field in fields:
        if field.type == "currency" and len(candidates[field.name]) > 1:
            asked.append(field)
    if not asked:
        return settled
    schema = {
        "type": "object",
        "properties": {
            field.name: {
                "anyOf": [
                    {"type": "string", "x-copy": list(candidates[field.name])},
                    {"type": "null"},
                ]
            }
            for field in asked
        },
    }
    lines = "\n".join(f"- {field.name} ({field.hint or field.type})" for field in asked)
    answer = context.model(
        purpose,
        ChatRequest(
            messages=(
                Message("system", SYSTEM),
                Message("user", f"Fields:\n{lines}\n\nDocument:\n{text}"),
            ),
            max_tokens=FIELD_TOKENS * len(asked) + 16,
            grammar=from_schema(schema),
        ),
    )
    return settled | _as_object(answer.text)


def _as_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:  # cut at its last token
        return {}
    return found if isinstance(found, dict) else {}


def _row(
    name: str, text: str, fields: Sequence[Field], answer: Mapping[str, Any], notes: list[str]
) -> Row:
    """The answer as values; what could not be read is None and noted."""
    row: Row = {}
    for field in fields:
        written = answer.get(field.name)
        row[field.name] = value_of(field, written, text)
        if row[field.name] is None:
            notes.append(f"{name}: {field.name} could not be read")
        elif field.type == "date" and _means_two_days(str(written), text):
            notes.append(f"{name}: {field.name} {written} was read as {row[field.name]}")
    return row


def value_of(field: Field, written: object, text: str) -> Any:
    """The value that a copied text stands for: Decimal, ISO date, ISO currency or the text."""
    if not isinstance(written, str):
        return None
    if field.type == "number":
        return amounts.parse_amount(_with_sign(written, text))
    if field.type == "date":
        day_first, _ = amounts.is_day_first(amounts.dates_in(text), text)
        return amounts.parse_date(written, day_first)
    return written


def _means_two_days(written: str, text: str) -> bool:
    certain = amounts.is_day_first(amounts.dates_in(text), text)[1]
    return amounts.is_ambiguous(written) and not certain


def _with_sign(written: str, text: str) -> str:
    """The amount with what stands around it, so that (12.00) and - 12.00 stay negative."""
    found = re.search(rf"[(−-]?\s?[^\w\s()]?\s?{re.escape(written)}\)?", text)
    return found[0] if found else written


def _doubt(field: Field, value: object, text: str) -> str:
    """An amount that would be a better total: the picked one and another one add up to it.

    A net amount plus a smaller tax makes the total; whoever picked the net is asked again.
    """
    if field.type != "number" or not isinstance(value, Decimal):
        return ""
    if not TOTAL_NAME.search(field.name) or NET_NAME.search(field.name):
        return ""
    written = {amounts.parse_amount(amount): amount for amount in amounts.amounts_in(text)}
    for one, other in combinations([amount for amount in written if amount], 2):
        if value in (one, other) and one + other in written and abs(one + other - value) < value:
            return written[one + other]
    return ""


def _settle(
    context: ToolContext, name: str, text: str, field: Field, value: Decimal, better: str
) -> Any:
    """Ask once more, between the two amounts only."""
    written = [
        amount for amount in amounts.amounts_in(text) if amounts.parse_amount(amount) == value
    ]
    answer = _ask(
        context,
        f"check {field.name} of {name}",
        text,
        [Field(field.name, "number", "the final amount to pay, after tax and after any deposit")],
        {field.name: [*written[:1], better]},
    )
    return value_of(field, answer.get(field.name), text) or value


def _from_table(context: ToolContext, document: Document, fields: Sequence[Field]) -> Table:
    """Rows of a table whose header names the fields; [] where it does not.

    A table of records needs no model: each field is looked up by its name in the header.
    """
    try:
        rows = read_table(context, document.name)
    except (ToolError, FileProblem):
        return []
    if not rows:
        return []
    columns = {field.name: _column(field.name, rows[0]) for field in fields}
    named = [name for name in columns.values() if name]
    if len(named) < max(2, len(fields) - 1):
        return []
    return [
        {field.name: _cell(row, columns[field.name], field) for field in fields}
        | {"source": document.name}
        for row in rows
        if any(row.get(name) not in (None, "") for name in named)
    ]


SYNONYMS = {
    "vendor": ("supplier", "seller", "company", "from", "lieferant", "fournisseur", "name"),
    "invoice_number": ("invoice", "number", "no", "nr", "id", "reference", "invoice_no"),
    "total": ("amount", "gross", "sum", "total_due", "amount_due", "betrag", "montant"),
    "date": ("invoice_date", "issued", "datum", "day"),
    "currency": ("cur", "ccy", "waehrung", "währung", "devise"),
}


def _column(name: str, row: Row) -> str | None:
    """The column of a table that holds a field: the same name, a synonym, or nearly so."""
    plain = {re.sub(r"\W+", "_", str(column)).strip("_").casefold(): column for column in row}
    for wish in (name.casefold(), *SYNONYMS.get(name.casefold(), ())):
        if wish in plain:
            return plain[wish]
    near = get_close_matches(name.casefold(), plain, 1, 0.8)
    return plain[near[0]] if near else None


def _cell(row: Row, column: str | None, field: Field) -> Any:
    value = row.get(column) if column else None
    if value in (None, ""):
        return None
    if field.type == "number" and not isinstance(value, int | Decimal):
        return amounts.parse_amount(str(value))
    if field.type == "date":
        return amounts.parse_date(str(value)) or str(value)
    if field.type == "currency":
        return next(iter(amounts.currencies_in(str(value))), str(value))
    return str(value) if field.type == "text" else value


def _record_list(context: ToolContext, document: Document, fields: Sequence[Field]) -> Table:
    text = _cut(document, context.notes)
    candidates = {field.name: candidates_of(field, text) for field in fields}
    properties: dict[str, Any] = {}
    for field in fields:
        free: dict[str, Any] = {"type": "string", "maxLength": 120}
        copied: dict[str, Any] = {"type": "string", "x-copy": candidates[field.name]}
        choices: list[dict[str, Any]] = [copied] if candidates[field.name] else []
        if _is_prose(field):
            choices = [free]
        properties[field.name] = {"anyOf": [*choices, {"type": "null"}]}
    schema = {
        "type": "array",
        "maxItems": LIST_ROWS,
        "items": {"type": "object", "properties": properties},
    }
    lines = ", ".join(f"{field.name} ({field.hint or field.type})" for field in fields)
    answer = context.model(
        f"list {document.name}",
        ChatRequest(
            messages=(
                Message(
                    "system",
                    "You list every record that a document holds, each once, in order, as a JSON "
                    "array of objects. Null where the document does not say.",
                ),
                Message("user", f"Fields: {lines}\n\nDocument:\n{text}"),
            ),
            max_tokens=450,
            grammar=from_schema(schema),
        ),
    )
    rows = []
    for record in _whole_records(answer.text):
        row = _row(document.name, text, fields, record, [])
        if any(value is not None for value in row.values()) and _grounded(row, fields, text):
            row["source"] = document.name
            rows.append(row)
    unique = {json.dumps(row, default=str, sort_keys=True): row for row in rows}
    return list(unique.values())


def _is_prose(field: Field) -> bool:
    """A field whose value is a phrase rather than a name: said in the document's words."""
    return (
        field.type == "text"
        and re.search(
            r"task|action|item|description|decision|topic|what|note|subject",
            field.name,
            re.IGNORECASE,
        )
        is not None
    )


def _grounded(row: Row, fields: Sequence[Field], text: str) -> bool:
    """Whether most words of each phrase stand in the document: a made-up record is left out."""
    known = set(re.findall(r"\w+", text.casefold()))
    for field in fields:
        value = row[field.name]
        if _is_prose(field) and isinstance(value, str):
            words = re.findall(r"\w+", value.casefold())
            if words and sum(word in known for word in words) < 0.7 * len(words):
                return False
    return True


def _whole_records(text: str) -> list[dict[str, Any]]:
    """The records of an array, also where it was cut in the middle of one."""
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = json.loads(text[: text.rfind("}") + 1] + "]")
        except ValueError:
            return []
    return [record for record in found if isinstance(record, dict)]


def _cut(document: Document, notes: list[str]) -> str:
    """The text as far as a prompt can hold it: its head and its tail."""
    text = re.sub(r" {4,}", "   ", document.text)
    if len(text) <= DOCUMENT_CHARS:
        return text
    notes.append(f"{document.name} is long: its beginning and its end were read")
    half = DOCUMENT_CHARS // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"
