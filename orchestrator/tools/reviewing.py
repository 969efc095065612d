"""Reviewing finished work: code looks first, then the model answers one small question per ask.

What code finds is a reason by itself. The model's "no" is one only together with the ask that it
says no to, so that whoever does the work again knows what is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.grammar import from_schema
from orchestrator.tools.base import FileProblem, Files, Table, ToolContext, ToolError
from orchestrator.tools.documents import Document, compact, read_document
from orchestrator.tools.grounding import Facts
from orchestrator.tools.registry import intend, tool
from orchestrator.tools.tables import describe_table, read_table
from orchestrator.tools.values import listed

PROMPT_CHARS = 3000  # about 1,000 tokens
MAX_ASKS = 5
LEAST_WORDS = 8
PLACEHOLDER = re.compile(
    r"\b(?:TODO|TBD|FIXME|lorem ipsum|xxx+)\b|\[(?:insert|your|name|date)\b[^\]]*\](?!\()",
    re.IGNORECASE,
)
SYSTEM = """\
You check a document against what was asked for. Say of each ask whether the document deals with \
it: "yes" or "no". Answer with one JSON object."""


def _commit_verdict(files: Files, arguments: dict[str, Any]) -> dict[str, Any]:
    reasons = arguments["reasons"]
    return {"review": {"accepted": not reasons, "reasons": reasons}}


@tool(effect="reads")
def review_document(context: ToolContext, name: str, asks: str) -> dict[str, Any]:
    """Check a document against what was asked: {"ok": bool, "reasons": [text]}."""
    try:
        document = read_document(name, context.files.read(name))
    except FileProblem as bad:
        return {"ok": False, "reasons": [str(bad)]}
    reasons = [*_found_by_code(context, document)] or [*_found_by_model(context, document, asks)]
    return {"ok": not reasons, "reasons": reasons}


@tool(effect="says", commit=_commit_verdict)
def accept_work(context: ToolContext, note: str = "") -> str:
    """Accept the reviewed work."""
    intend(context, "accept_work", {"reasons": [], "note": note}, "accept the work")
    return "accepted"


@tool(effect="says", commit=_commit_verdict)
def send_back(context: ToolContext, reasons: list[str]) -> str:
    """Send the reviewed work back with reasons."""
    told = [reason.strip() for reason in reasons if reason.strip()]
    if not told:
        raise ToolError("reasons is empty; say what is wrong, or use accept_work(note)")
    intend(context, "send_back", {"reasons": told}, "send the work back: " + "; ".join(told))
    return "sent back"


def asks_of(goal: str) -> list[str]:
    """The single asks of a goal: "Total these, flag those, and write that" has three."""
    pieces = re.split(r"[.;\n]\s|[.;\n]$|,\s*(?:and\s+|und\s+|et\s+)?|\b(?:and|und|et)\b", goal)
    asks = [" ".join(piece.split()) for piece in pieces if piece]
    return [ask for ask in asks if len(ask.split()) >= 2][:MAX_ASKS] or [goal[:200]]


def _found_by_code(context: ToolContext, document: Document) -> Iterator[str]:
    """What needs no judgement: something is said, nothing is left open, figures have a source."""
    if len(re.findall(r"\w+", document.text)) < LEAST_WORDS:
        yield f"{document.name} says next to nothing"
    if found := PLACEHOLDER.search(document.text):
        yield f"{document.name} still holds a placeholder: {found[0]}"
    if unknown := _facts(context, document).missing_in(_prose(document.text)):
        yield f"{document.name} has figures without a source: {listed(unknown, 5)}"
    for source, column in _unread(context, document.name):
        if source not in document.text:
            yield f"{document.name} does not say that {column} of {source} could not be read"


def _found_by_model(context: ToolContext, document: Document, asks: str) -> Iterator[str]:
    parts = asks_of(asks)
    keys = {f"ask_{number}": part for number, part in enumerate(parts, 1)}
    asked = "\n".join(f"{key}: {part}" for key, part in keys.items())
    answer = context.model(
        f"review {document.name}",
        ChatRequest(
            messages=(
                Message("system", SYSTEM),
                Message("user", f"Document:\n{compact(document)[:PROMPT_CHARS]}\n\nAsks:\n{asked}"),
            ),
            max_tokens=16 * len(parts) + 16,
            grammar=from_schema(
                {"type": "object", "properties": {key: {"enum": ["yes", "no"]} for key in keys}}
            ),
        ),
    )
    try:
        verdict = json.loads(answer.text)
    except ValueError:  # cut at its last token: no verdict, no reason
        return
    for key, part in keys.items():
        if verdict.get(key) == "no":
            yield f"{document.name} does not deal with: {part}"


def _prose(text: str) -> str:
    """The document without its tables: those were put there by code."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("|"))


def _facts(context: ToolContext, document: Document) -> Facts:
    """What the figures may come from: the goal, the other files, sums and counts of tables."""
    parts = [context.goal_text, context.today.isoformat(), document.name]
    parts += [line for line in document.text.splitlines() if line.lstrip().startswith("|")]
    counts: list[Decimal | int] = []
    for name, rows in _tables(context, document.name):
        facts = describe_table(context, rows)
        sums = [each["sum"] for each in facts["numbers"].values()]
        counts.append(facts["rows"])
        for each in sums:
            counts += each.values() if isinstance(each, dict) else [each]
        parts.append(name)
    for entry in context.files.list():
        if entry.name != document.name:
            try:
                other = read_document(entry.name, context.files.read(entry.name))
            except FileProblem:
                continue
            parts += [entry.name, compact(other)]
    return Facts("\n".join(parts), counts)


def _tables(context: ToolContext, but: str) -> Iterator[tuple[str, Table]]:
    """The goal's other tables, by name."""
    quiet = ToolContext(context.files, context.model, context.goal_text, context.today)
    for entry in context.files.list():
        if entry.kind in ("csv", "xlsx") and entry.name != but:
            try:
                yield entry.name, read_table(quiet, entry.name)
            except (FileProblem, ToolError):
                continue


def _unread(context: ToolContext, but: str) -> list[tuple[str, str]]:
    """(source, column) of every amount that could not be read from a document.

    Records know their source; a column of numbers with a gap is one that was not fully read.
    """
    found = []
    for _, rows in _tables(context, but):
        numbers = describe_table(context, rows)["numbers"] if rows and "source" in rows[0] else {}
        found += [
            (str(row["source"]), column)
            for row in rows
            for column in numbers
            if row.get(column) is None
        ]
    return list(dict.fromkeys(found))
