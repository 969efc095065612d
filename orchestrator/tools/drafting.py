"""Language, where language is the product: prose from facts that code has computed.

The model writes; code checks. A sentence with a number that is not in the facts is left out and
the boss is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.tools.amounts import parse_amount
from orchestrator.tools.base import ToolContext, ToolError
from orchestrator.tools.documents import read_documents
from orchestrator.tools.registry import tool
from orchestrator.tools.writing import table_markdown

DRAFT_TOKENS = 200
NOTE_TOKENS = 120
FACT_CHARS = 3000
DOCUMENT_CHARS = 3600
ROWS_SHOWN = 30

WRITER = """\
You write for a busy reader: plain, correct, short sentences. Use only the facts given. Do not \
add numbers of your own and do not calculate. No headings, no tables, no greetings."""
READER = """\
You read a document for a busy reader and say what matters in it, in plain short sentences. Keep \
to what the document says."""


@tool(effect="reads")
def draft(context: ToolContext, instruction: str, facts: Any = None) -> str:
    """Short prose about facts (tables, values) that the program has computed."""
    shown = _facts(context, facts)
    answer = context.model(
        "draft",
        ChatRequest(
            messages=(
                Message("system", WRITER),
                Message(
                    "user", f"Facts:\n{shown}\n\nWrite one short paragraph. Task: {instruction}"
                ),
            ),
            max_tokens=DRAFT_TOKENS,
        ),
    )
    return _only_supported(context, _whole_sentences(answer.text), f"{shown}\n{instruction}")


@tool(effect="reads")
def summarise(context: ToolContext, files: list[str], question: str = "") -> str:
    """What documents say, or what they say about a question."""
    documents = read_documents(context, files)
    if not documents:
        raise ToolError("none of the files can be read")
    parts = []
    for document in documents:
        text = document.text
        if len(text) > DOCUMENT_CHARS:
            context.notes.append(f"{document.name} is long: its beginning was read")
            text = text[:DOCUMENT_CHARS]
        asked = f"Question: {question}" if question else "Say what matters in it."
        answer = context.model(
            f"read {document.name}",
            ChatRequest(
                messages=(
                    Message("system", READER),
                    Message("user", f"Document {document.name}:\n{text}\n\n{asked}"),
                ),
                max_tokens=DRAFT_TOKENS if len(documents) == 1 else NOTE_TOKENS,
            ),
        )
        prose = _only_supported(context, _whole_sentences(answer.text), f"{text}\n{question}")
        parts.append(prose if len(documents) == 1 else f"**{document.name}**: {prose}")
    return "\n\n".join(parts)


def unsupported_numbers(prose: str, facts: str) -> list[str]:
    """Numbers of a prose text that do not stand in the facts, as they are written.

    Compared by value: 1,310.00 is 1310. Whole numbers up to twelve may count what is there.
    """
    known = {_value(n) for n in _numbers(facts)}
    return [
        written
        for written in _numbers(prose)
        if (value := _value(written)) not in known and not (value <= 12 and value == int(value))
    ]


def _only_supported(context: ToolContext, prose: str, facts: str) -> str:
    """The prose without the sentences whose numbers the facts do not hold."""
    kept = []
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ*\-])", prose):
        if wrong := unsupported_numbers(sentence, facts):
            context.notes.append(
                f"A sentence was left out because {wrong[0]} is not in the facts: {sentence[:120]}"
            )
        else:
            kept.append(sentence)
    return " ".join(kept)


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d[\d.,'’]*\d|\d", text)


def _value(written: str) -> Decimal:
    return abs(parse_amount(written) or Decimal(0))


def _whole_sentences(text: str) -> str:
    """The text up to its last full sentence: an answer that was cut ends in the middle."""
    text = re.sub(r"^#+ .*$", "", text.strip(), flags=re.MULTILINE).strip()
    if text and text[-1] not in ".!?:)*\"'":
        end = max(text.rfind(mark) for mark in ".!?")
        text = text[: end + 1] if end > 0 else text
    return text


def _facts(context: ToolContext, facts: Any) -> str:
    if facts is None:
        return "none"
    if isinstance(facts, Mapping):
        parts = [f"{name}:\n{_fact(context, value)}" for name, value in facts.items()]
    elif isinstance(facts, list) and facts and not isinstance(facts[0], Mapping):
        parts = [_fact(context, value) for value in facts]
    else:
        parts = [_fact(context, facts)]
    return "\n\n".join(parts)[:FACT_CHARS]


def _fact(context: ToolContext, value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        return _table(context, value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return str(value)


def _table(context: ToolContext, rows: Sequence[Mapping[str, Any]]) -> str:
    shown = table_markdown(context, [dict(row) for row in rows[:ROWS_SHOWN]])
    more = len(rows) - ROWS_SHOWN
    return shown + (f"\n({more} more rows)" if more > 0 else "")
