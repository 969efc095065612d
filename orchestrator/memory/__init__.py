"""Memory with its embedder: what is remembered is embedded before the transaction begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from django.utils import timezone

from orchestrator import runtime
from orchestrator.inference.embedding import Embedder, unit
from staff import queries
from staff.actions import memory
from staff.actions.drafts import MAX_CHARS
from staff.actions.memory import Draft, Kept, Vectors
from staff.domain import facts
from staff.domain.names import without
from staff.domain.words import words
from staff.models import Memory, Scope
from staff.recall import Pair, Recalled, Sight, alike
from staff.recall import recall as search

CONTEXT_WEIGHT = 0.3  # of the previous turn in what is embedded
PART_CHARS = 4000  # of a text that is too long for one memory
BATCH = 500  # memories to a transaction


def recall(sight: Sight, query: str, k: int = 10, **options: Any) -> list[Recalled]:
    """`staff.recall.recall` with this installation's embedder."""
    return search(sight, query, k, embedder=runtime.embedder(), **options)


def duplicates(sight: Sight) -> list[Pair]:
    """Facts that may be one under two names, but for those that the boss has said are two."""
    told = queries.kept_both(sight)
    pairs = alike(sight, runtime.embedder().name)
    return [each for each in pairs if tuple(sorted((each.one.pk, each.other.pk))) not in told]


def remember(
    scope: Scope, drafts: Sequence[Draft], *, by: str = "", embedder: Embedder | None = None
) -> list[Kept]:
    """Keep drafts in their order; facts by slot, the rest as they are. No language model is asked.

    Each batch is one transaction. Raises MemoryRefused; batches before the bad one are kept.
    """
    embedder = embedder or runtime.embedder()
    kept: list[Kept] = []
    for start in range(0, len(drafts), BATCH):
        kept += _remember_batch(scope, drafts[start : start + BATCH], by, embedder)
    return kept


def cut(draft: Draft) -> list[Draft]:
    """A draft of any length as drafts that can be kept: a long text in parts, one thread."""
    if draft.kind == Memory.Kind.FACT or len(draft.text) <= MAX_CHARS:
        return [draft]
    thread = draft.thread or f"long text {facts.content_hash(draft.text)[:12]}"
    return [replace(draft, text=part, thread=thread) for part in _parts(draft.text)]


def edit(
    memory_: Memory,
    *,
    by: str,
    text: str | None = None,
    value: str | None = None,
    seen: int | None = None,
) -> Memory:
    """`staff.actions.memory.edit`, the new words embedded."""
    embedder = runtime.embedder()
    said = _without_subject(memory.edited_text(memory_, text, value), memory_.subject)
    vectors = Vectors(embedder.name, embedder.embed([said]))
    return memory.edit(memory_, vectors, by=by, text=text, value=value, seen=seen)


def _parts(text: str) -> Iterator[str]:
    """All of a text in pieces, cut between words where there are any."""
    start = 0
    while start < len(text):
        end = start + PART_CHARS
        if end < len(text):
            gap = max(text.rfind("\n", start + PART_CHARS // 2, end), text.rfind(" ", start, end))
            end = gap + 1 if gap > start else end
        if part := text[start:end].strip():
            yield part
        start = end


def _remember_batch(
    scope: Scope, drafts: Sequence[Draft], by: str, embedder: Embedder
) -> list[Kept]:
    said = [replace(draft, said_at=draft.said_at or timezone.now()) for draft in drafts]
    rows = embedded(embedder, said, _before(scope, said))
    plain = [at for at, draft in enumerate(said) if draft.kind != Memory.Kind.FACT]
    kept: dict[int, Kept] = {}
    if plain:
        vectors = Vectors(embedder.name, rows[plain])
        told = memory.remember(scope, [said[at] for at in plain], vectors, by=by)
        kept |= dict(zip(plain, told, strict=True))
    for at, draft in enumerate(said):
        if at not in kept:
            vectors = Vectors(embedder.name, rows[at : at + 1])
            kept[at] = memory.assert_fact(scope, draft, vectors, by=by)
    return [kept[at] for at in range(len(said))]


def embedded(embedder: Embedder, drafts: Sequence[Draft], before: Sequence[str]) -> np.ndarray:
    """(N, D): each text with a share of what was said before it, so that an answer is found by
    its question. before: that text; empty for none."""
    texts = [draft.text or f"{draft.attribute}: {draft.value}" for draft in drafts]
    own = embedder.embed(
        [_without_subject(text, draft.subject) for text, draft in zip(texts, drafts, strict=True)]
    )
    spoken = np.array([bool(text) for text in before])
    if spoken.any():
        context = embedder.embed([text for text in before if text])
        own[spoken] += CONTEXT_WEIGHT * context
    return unit(own)


def _without_subject(text: str, subject: str) -> str:
    """Whom a fact is about is a field: what is embedded says only what is true of them."""
    return without(text, [frozenset(words(subject))])


def _before(scope: Scope, drafts: Sequence[Draft]) -> list[str]:
    """The turn before each draft in its thread; of the first ones, what the thread ended with."""
    threads = {draft.thread for draft in drafts if draft.thread}
    stored = Memory.objects.filter(scope=scope, thread__in=threads, state=Memory.State.ACTIVE)
    newest = stored.order_by("thread", "-said_at", "-id").distinct("thread")
    last: dict[str, str] = dict(newest.values_list("thread", "text")) if threads else {}
    before = []
    for draft in drafts:
        before.append(last.get(draft.thread, "") if draft.thread else "")
        last[draft.thread] = draft.text
    return before
