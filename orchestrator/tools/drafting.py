"""Language, where language is the product: prose from facts that code has computed.

The model writes; code checks. A sentence with a figure that the facts do not give is left out, and
the boss is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.tools.base import ToolContext
from orchestrator.tools.documents import Document, compact, parts_of, read_documents
from orchestrator.tools.grounding import Facts, supported
from orchestrator.tools.registry import tool
from orchestrator.tools.writing import table_markdown

PARALLEL = 4
DRAFT_TOKENS = 220
NOTE_TOKENS = 120
PROMPT_CHARS = 3200  # about 1,000 tokens of facts or text
MAX_PARTS = 6  # of one long document
MAX_ROWS = 25  # of one table

WRITER = """\
You write for a busy reader: plain, correct, short sentences in the language of the task. Use only \
the facts given, with their numbers as they are written there; never calculate. One paragraph, no \
headings, tables, lists or greetings."""
READER = """\
You read for a busy reader and say what matters in plain short sentences, in the language of the \
question. Keep to what the text says, with its numbers and dates as written. No headings."""
NOTHING_LEFT = "The figures are in the tables."


@tool(effect="reads")
def draft(context: ToolContext, instruction: str, facts: Any = None) -> str:
    """Short prose about facts (tables, values) that the program has computed."""
    shown = rendered(context, facts, MAX_ROWS)
    reader = _reader(context)
    known = Facts(
        "\n".join([rendered(context, facts, None), instruction, context.goal_text, reader]),
        [*_counts(facts)],
        [str(name) for name, value in facts.items() if value] if isinstance(facts, Mapping) else (),
    )
    asked = (
        f"Facts:\n{shown[:PROMPT_CHARS]}\n\n{reader}Task: {instruction}\nWrite one short paragraph."
    )
    prose = _written(context, "draft", WRITER, asked, DRAFT_TOKENS, known)
    if not prose:
        again = f"{asked} Do not use any numbers."
        prose = _written(context, "draft again", WRITER, again, DRAFT_TOKENS // 2, known)
    return prose or NOTHING_LEFT


def _reader(context: ToolContext) -> str:
    """What the boss has said of themselves, for whoever writes to them."""
    told = "; ".join(" ".join(note.text.split()) for note in context.memory.about_boss())
    return f"About the reader: {told}\n" if told else ""


@tool(effect="reads")
def summarise(context: ToolContext, files: list[str] | str, question: str = "") -> str:
    """What files say, or what they say about a question."""
    documents = read_documents(context, files)
    with ThreadPoolExecutor(PARALLEL) as pool:
        notes = list(pool.map(lambda each: _noted(context, each, question), documents))
    if len(documents) == 1:
        return notes[0]
    named = [f"**{each.name}**: {note}" for each, note in zip(documents, notes, strict=True)]
    overall = _joined(context, "put together", named, question)
    return "\n\n".join([overall, *named] if overall else named)


def _noted(context: ToolContext, document: Document, question: str) -> str:
    """What one document says: in one go, or part by part and put together."""
    parts = list(parts_of(compact(document), PROMPT_CHARS))
    if len(parts) > MAX_PARTS:
        told = f"{document.name}: it is long, so only the first {MAX_PARTS} parts of it were read"
        context.notes.append(told)
    asked = f"Question: {question}" if question else "Say what matters in it."
    tokens = DRAFT_TOKENS if len(parts) == 1 else NOTE_TOKENS
    said = [
        _written(
            context,
            f"read {document.name}",
            READER,
            f"Text of {document.name}:\n{part}\n\n{asked}",
            tokens,
            Facts(f"{document.name}\n{part}\n{question}"),
        )
        for part in parts[:MAX_PARTS]
    ]
    if len(said) == 1:
        return said[0] or "(nothing that could be confirmed)"
    return _joined(context, f"put {document.name} together", said, question) or " ".join(said)


def _joined(context: ToolContext, purpose: str, notes: Sequence[str], question: str) -> str:
    """One paragraph from several notes."""
    text = "\n".join(note for note in notes if note)
    asked = f"Question: {question}" if question else "Sum these notes up in a few sentences."
    known = Facts(f"{text}\n{question}", [len(notes)])
    prompt = f"Notes:\n{text[:PROMPT_CHARS]}\n\n{asked}"
    return _written(context, purpose, READER, prompt, DRAFT_TOKENS, known)


def _written(
    context: ToolContext, purpose: str, system: str, asked: str, tokens: int, facts: Facts
) -> str:
    """What the model writes, held to the facts; what is left out is noted."""
    request = ChatRequest((Message("system", system), Message("user", asked)), max_tokens=tokens)
    prose, notes = supported(whole_sentences(context.model(purpose, request).text), facts)
    context.notes += [note for note in notes if note not in context.notes]
    return prose


def whole_sentences(text: str) -> str:
    """Without headings, and up to the last full sentence: an answer may be cut in the middle."""
    text = re.sub(r"^#+ .*$", "", text.strip(), flags=re.MULTILINE).strip()
    if text and text[-1] not in ".!?:)]*\"'”":
        end = max(text.rfind(mark) for mark in ".!?")
        text = text[: end + 1] if end > 0 else text
    return text


def rendered(context: ToolContext, facts: Any, rows: int | None) -> str:
    """Facts as text: tables as Markdown (at most so many rows), mappings by their keys."""
    if isinstance(facts, Mapping):
        parts = [f"{key}: {rendered(context, value, rows)}" for key, value in facts.items()]
        return "\n".join(parts) or "none"
    if isinstance(facts, list) and facts and all(isinstance(row, Mapping) for row in facts):
        shown = table_markdown(context, [dict(row) for row in facts[:rows]])
        more = len(facts) - len(facts[:rows])
        count = f"{len(facts)} row{'s' * (len(facts) > 1)}"
        return f"{count}\n{shown}" + (f"({more} more rows)\n" if more else "")
    if isinstance(facts, list):
        return "; ".join(rendered(context, each, rows) for each in facts) or "none"
    return "none" if facts is None else str(facts)


def _counts(facts: Any) -> Iterator[Decimal | int]:
    """How many there are of each thing in the facts."""
    if isinstance(facts, list):
        yield len(facts)
    values = facts.values() if isinstance(facts, Mapping) else facts
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        return
    for value in values:
        yield from _counts(value)
