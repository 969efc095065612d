"""Reviewing: code looks first, then the model answers one small question for each ask."""

from __future__ import annotations

import json
import re
from typing import Any

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.grammar import from_schema
from orchestrator.tools.base import FileProblem, Files, ToolContext
from orchestrator.tools.documents import read_document
from orchestrator.tools.drafting import unsupported_numbers
from orchestrator.tools.registry import intend, tool

DOCUMENT_CHARS = 3200
MAX_ASKS = 5
PLACEHOLDER = re.compile(
    r"\b(TODO|TBD|lorem ipsum|xxx+)\b|\[(insert|your)\b[^\]]*\]", re.IGNORECASE
)
REVIEWER = """\
You check a document against what was asked. For each ask say whether the document deals with \
it at all. Answer in JSON."""


def _commit_verdict(files: Files, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"review": {"accepted": not arguments["reasons"], "reasons": arguments["reasons"]}}


@tool(effect="reads")
def review_document(context: ToolContext, name: str, asks: str) -> dict[str, Any]:
    """Check a document against what was asked: {"ok": bool, "reasons": [text]}."""
    reasons = _found_by_code(context, name)
    if not reasons:
        reasons = _found_by_model(context, name, asks)
    return {"ok": not reasons, "reasons": reasons}


@tool(effect="writes", commit=_commit_verdict)
def accept_work(context: ToolContext, note: str = "") -> str:
    """Accept the reviewed work."""
    intend(context, "accept_work", {"reasons": [], "note": note}, "accept the work")
    return "accepted"


@tool(effect="writes", commit=_commit_verdict)
def send_back(context: ToolContext, reasons: list[str]) -> str:
    """Send the reviewed work back with reasons."""
    told = [reason for reason in reasons if reason.strip()] or ["the reviewer gave no reason"]
    intend(context, "send_back", {"reasons": told}, "send the work back: " + "; ".join(told))
    return "sent back"


def _found_by_code(context: ToolContext, name: str) -> list[str]:
    """What needs no judgement: it opens, it says something, its numbers have a source."""
    try:
        text = read_document(name, context.files.read(name)).text
    except FileProblem as bad:
        return [str(bad)]
    reasons = []
    if len(re.findall(r"\w+", text)) < 8:
        reasons.append(f"{name} says next to nothing")
    if found := PLACEHOLDER.search(text):
        reasons.append(f"{name} still holds a placeholder: {found[0]}")
    if unknown := unsupported_numbers(_prose(text), _sources(context, name)):
        reasons.append(f"{name} has numbers without a source: {', '.join(unknown[:5])}")
    return reasons


def _found_by_model(context: ToolContext, name: str, asks: str) -> list[str]:
    """One constrained verdict over the goal's parts; a 'no' counts with the part that it names."""
    parts = parts_of(asks)
    text = read_document(name, context.files.read(name)).text[:DOCUMENT_CHARS]
    answers = {f"ask_{number}": {"enum": ["yes", "no"]} for number in range(1, len(parts) + 1)}
    listed = "\n".join(f"ask_{number}: {part}" for number, part in enumerate(parts, 1))
    answer = context.model(
        f"review {name}",
        ChatRequest(
            messages=(
                Message("system", REVIEWER),
                Message("user", f"Document:\n{text}\n\nAsks:\n{listed}"),
            ),
            max_tokens=16 * len(parts) + 16,
            grammar=from_schema({"type": "object", "properties": answers}),
        ),
    )
    try:
        verdict = json.loads(answer.text)
    except ValueError:
        return []
    return [
        f"{name} does not deal with: {part}"
        for number, part in enumerate(parts, 1)
        if verdict.get(f"ask_{number}") == "no"
    ]


def parts_of(asks: str) -> list[str]:
    """The single asks of a goal: 'Total these, flag those, and write that' has three."""
    pieces = re.split(r"[.;\n]|,\s*(?:and\s+)?|\band\b", asks)
    parts = [" ".join(piece.split()) for piece in pieces]
    return [part for part in parts if len(part.split()) >= 2][:MAX_ASKS] or [asks[:200]]


def _prose(text: str) -> str:
    """The document without its tables: their numbers were put there by code."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("|"))


def _sources(context: ToolContext, name: str) -> str:
    """Everything that the document's numbers may come from: the goal and all its other files."""
    parts = [context.goal_text, context.today.isoformat()]
    for entry in context.files.list():
        if entry.name == name:
            continue
        try:
            parts.append(read_document(entry.name, context.files.read(entry.name)).text)
        except FileProblem:
            continue
    tables = read_document(name, context.files.read(name)).text
    parts += [line for line in tables.splitlines() if line.lstrip().startswith("|")]
    return "\n".join(parts)
