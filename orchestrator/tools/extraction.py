"""Fields out of documents: the model points, the code copies, reads and checks.

For each field code finds what in the document could be its value (`candidates`); a grammar lets
the model choose one of these or null. So a value that is not in the document cannot come out, and
a wrong one can only be another one of the same document. What was chosen is read by rule, and a
total is held against the sums that the document shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.grammar import from_schema
from orchestrator.tools.amounts import variants
from orchestrator.tools.base import Row, Table, ToolContext
from orchestrator.tools.candidates import (
    Evidence,
    candidates,
    find_amount,
    is_ambiguous,
    value_of,
)
from orchestrator.tools.documents import Document, compact, read_documents
from orchestrator.tools.fields import Field, parse_fields
from orchestrator.tools.listing import list_records
from orchestrator.tools.records import records_of
from orchestrator.tools.registry import tool
from orchestrator.tools.sums import Sum, sums

PARALLEL = 4  # the engine decodes them in one batch
PROMPT_CHARS = 3600  # about 1,200 tokens
FIELD_TOKENS = 48  # a key and a value of 80 characters

SYSTEM = """\
You copy fields out of documents. Answer with one JSON object. Copy each value exactly as it is \
written in the document; "" if the document does not give it."""

_CREDIT = re.compile(
    r"^\W*(?:credit (?:note|memo)|gutschrift|avoir|nota d[ie] cr[eé]dito|creditnota)\b",
    re.IGNORECASE | re.MULTILINE,
)

Answer = dict[str, Any]  # field -> the text that was copied for it; empty if none was


@tool(effect="reads")
def extract(context: ToolContext, files: list[str] | str, fields: dict[str, str]) -> Table:
    """Copy fields (types: text, number, date, currency, "a|b") out of files, a row per file."""
    wanted = parse_fields(fields)
    documents = read_documents(context, files)
    recipients = {to for each in documents for to in Evidence(compact(each)).recipients}
    with ThreadPoolExecutor(PARALLEL) as pool:
        read = list(pool.map(lambda each: _read(context, each, wanted, recipients), documents))
    for _, notes in read:
        context.notes += [note for note in notes if note not in context.notes]
    return [row for rows, _ in read for row in rows]


@tool(effect="reads")
def extract_list(context: ToolContext, file: str, fields: dict[str, str]) -> Table:
    """Copy several records (such as action items) out of one file, a row for each."""
    wanted = parse_fields(fields)
    document = read_documents(context, file)[0]
    notes: list[str] = []
    rows = records_of(context, document, wanted) or list_records(context, document, wanted, notes)
    context.notes += [note for note in notes if note not in context.notes]
    return rows


def prompt_text(document: Document, notes: list[str]) -> str:
    """The text as far as a prompt can hold it: head and tail if it is long."""
    text = compact(document)
    if len(text) <= PROMPT_CHARS:
        return text
    notes.append(f"{document.name}: it is long, so only its beginning and its end were read")
    tail = PROMPT_CHARS // 3
    return f"{text[: PROMPT_CHARS - tail]}\n[...]\n{text[-tail:]}"


def _read(
    context: ToolContext,
    document: Document,
    fields: Sequence[Field],
    recipients: Collection[frozenset[str]],
) -> tuple[Table, list[str]]:
    """The rows of one document and the notes on them."""
    notes: list[str] = []
    rows = records_of(context, document, fields)
    if not rows:
        rows = [_Interview(context, document, fields, recipients, notes).row()]
    unread = [each.name for each in fields if any(row[each.name] is None for row in rows)]
    notes += [f"{document.name}: {name} could not be read" for name in unread]
    return rows, notes


class _Interview:
    """The questions about one document: one for all fields, one more for a doubtful total."""

    def __init__(
        self,
        context: ToolContext,
        document: Document,
        fields: Sequence[Field],
        recipients: Collection[frozenset[str]],
        notes: list[str],
    ):
        self.model = context.model
        self.name = document.name
        self.fields = fields
        self.notes = notes
        self.evidence = Evidence(prompt_text(document, notes))
        self.choices = {each.name: candidates(each, self.evidence, recipients) for each in fields}
        # a document's only currency needs no choice
        least = {"currency": 2}
        self.asked = [f for f in fields if len(self.choices[f.name]) >= least.get(f.type, 1)]
        listed = "\n".join(f"- {each.name} ({each.hint or each.type})" for each in self.asked)
        self.messages = [
            Message("system", SYSTEM),
            Message("user", f"Fields:\n{listed}\n\nDocument:\n{self.evidence.text}"),
        ]

    def row(self) -> Row:
        copied = self._answer()
        row: Row = {each.name: self._value(each, copied) for each in self.fields}
        return row | {"source": self.name}

    def _answer(self) -> Answer:
        if not self.asked:
            return {}
        text = self._ask("read", {each.name: self.choices[each.name] for each in self.asked})
        self.messages.append(Message("assistant", text))
        copied = _as_object(text)
        for each in self.asked:
            picked = copied.get(each.name)
            if each.is_total and isinstance(picked, str) and (doubt := self._doubt(picked)):
                copied[each.name] = self._settled(each, picked, doubt)
        return copied

    def _ask(self, purpose: str, choices: Mapping[str, Sequence[str]]) -> str:
        properties = {
            name: {"type": "string", "x-copy": [*texts, ""]} for name, texts in choices.items()
        }
        request = ChatRequest(
            messages=tuple(self.messages),
            max_tokens=FIELD_TOKENS * len(choices) + 16,
            grammar=from_schema({"type": "object", "properties": properties}),
        )
        return self.model(f"{purpose} {self.name}", request).text

    def _doubt(self, picked: str) -> Sum | None:
        """A sum that the picked amount is only a part of."""
        chosen = find_amount(picked, self.evidence)
        larger = [
            each
            for each in sums(self.evidence)
            if chosen and chosen.value in each.parts and each.total.value > chosen.value
        ]
        return max(larger, key=lambda each: each.total.value, default=None)

    def _settled(self, of: Field, picked: str, doubt: Sum) -> str:
        """What the model says when it is shown the sum."""
        shown = f"{' + '.join(map(str, doubt.parts))} = {doubt.total.value}"
        self.messages.append(
            Message(
                "user", f"The document shows {shown}. Copy {of.name} ({of.hint or of.type}) again."
            )
        )
        text = self._ask("check", {of.name: [picked, *variants(doubt.total)]})
        settled = str(_as_object(text).get(of.name) or picked)
        if settled == picked:
            self.notes.append(f"{self.name}: {of.name} was read as {picked}, though {shown}")
        return settled

    def _value(self, of: Field, copied: Answer) -> Any:
        written = copied.get(of.name)
        value = value_of(of, written, self.evidence)
        if of.type == "currency":
            return self._currency(copied) or value
        if of.type == "date" and is_ambiguous(written, self.evidence):
            order = "day" if self.evidence.day_first()[0] else "month"
            self.notes.append(f"{self.name}: {of.name} {written} was read {order} first: {value}")
        is_credit = _CREDIT.search(self.evidence.text)
        if is_credit and of.is_total and isinstance(value, Decimal) and value > 0:
            self.notes.append(
                f"{self.name}: it seems to be a credit note, but {of.name} is {value}"
            )
        return value

    def _currency(self, copied: Answer) -> str | None:
        """The currency beside an amount that was copied, else the document's only one."""
        texts = [copied.get(each.name) for each in self.fields if each.type == "number"]
        amounts = [find_amount(text, self.evidence) for text in texts if isinstance(text, str)]
        beside = [amount.currency for amount in amounts if amount and amount.currency]
        only = list(self.evidence.currencies) if len(self.evidence.currencies) == 1 else []
        return next(iter([*reversed(beside), *only]), None)


def _as_object(text: str) -> Answer:
    """The JSON object of an answer; empty for one that was cut."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
