"""What is handed in to be remembered: its shape, what may not pass, and the rows it becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from staff.domain import facts
from staff.domain.spans import find_spans
from staff.models import Memory, MemorySource, Scope

MAX_CHARS = 20_000  # of one memory; a longer text is a document, and is cut into passages


class MemoryRefused(Exception):
    """It cannot be remembered or changed like this; the message says why."""


class MemoryChanged(MemoryRefused):
    """Somebody else has changed it since it was looked at."""


@dataclass(frozen=True)
class Source:
    """Where something came from.

    origin_id: the memory of the same scope that it was drawn from
    quote:     the words that were used; only their hash is kept
    """

    name: str = ""
    origin_id: int | None = None
    start: int | None = None
    end: int | None = None
    quote: str = ""


@dataclass(frozen=True)
class Draft:
    """Something to remember. A fact has subject, attribute and value; then `text` may be empty.

    said_at: null for now
    valid_from: null for said_at, or for the day that an episode's own words name ("yesterday")
    """

    text: str = ""
    kind: str = Memory.Kind.EPISODE
    actor: str = ""
    thread: str = ""
    subject: str = ""
    attribute: str = ""
    value: str = ""
    said_at: datetime | None = None
    valid_from: datetime | None = None
    goal_id: int | None = None
    task_id: int | None = None
    trust: int = Memory.Trust.AGENT
    is_tainted: bool = False
    is_pinned: bool = False
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Vectors:
    """What an embedder made of some texts. rows: (N, D), of unit length."""

    model: str
    rows: NDArray[np.float32]

    def __getitem__(self, at: int) -> Vectors:
        return Vectors(self.model, self.rows[at : at + 1])


def checked(draft: Draft, number: int) -> Draft:
    """A draft that can be kept, its texts cleaned. Raises MemoryRefused."""
    texts = {
        name: facts.clean(getattr(draft, name)).strip()
        for name in ("text", "actor", "thread", "subject", "attribute", "value")
    }
    draft = replace(draft, **texts)
    if draft.kind not in Memory.Kind.values:
        raise MemoryRefused(f"Memory {number}: there is no kind {draft.kind!r}.")
    if draft.kind == Memory.Kind.FACT:
        draft = _fact(draft, number)
    if not draft.text:
        raise MemoryRefused(f"Memory {number} is empty: give its text.")
    for name in ("text", "value"):
        if len(getattr(draft, name)) > MAX_CHARS:
            raise MemoryRefused(
                f"Memory {number}: its {name} has {len(getattr(draft, name)):,} characters; at "
                f"most {MAX_CHARS:,} make a memory. Add it as a document, or cut it."
            )
    for name in ("actor", "thread", "subject", "attribute"):
        most = Memory._meta.get_field(name).max_length
        if len(getattr(draft, name)) > most:
            raise MemoryRefused(f"Memory {number}: {name} has more than {most} characters.")
    return draft


def _fact(draft: Draft, number: int) -> Draft:
    try:
        facts.slot(draft.subject, draft.attribute)
    except ValueError as reason:
        raise MemoryRefused(f"Memory {number}: {reason}.") from reason
    if not draft.value:
        raise MemoryRefused(f"Memory {number}: a fact needs a value.")
    text = draft.text or f"{draft.subject} {draft.attribute}: {draft.value}"
    return replace(draft, text=text)


def limited(text: str) -> str:
    if len(text) > MAX_CHARS:
        raise MemoryRefused(f"At most {MAX_CHARS:,} characters make a memory.")
    return text


def row_of(scope: Scope, draft: Draft, digest: str, slot: str = "") -> Memory:
    said_at = draft.said_at or timezone.now()
    return Memory(
        scope=scope,
        kind=draft.kind,
        text=draft.text,
        actor=draft.actor,
        thread=draft.thread,
        goal_id=draft.goal_id,
        task_id=draft.task_id,
        subject=draft.subject,
        attribute=draft.attribute,
        value=draft.value,
        slot=slot,
        said_at=said_at,
        last_said_at=said_at,
        valid_from=draft.valid_from or _happened(draft, said_at),
        trust=draft.trust,
        is_tainted=draft.is_tainted,
        is_pinned=draft.is_pinned,
        content_hash=digest,
    )


def source_rows(memory: Memory, draft: Draft) -> list[MemorySource]:
    return [
        MemorySource(
            memory=memory,
            origin_id=source.origin_id,
            goal_id=draft.goal_id,
            task_id=draft.task_id,
            name=facts.clean(source.name)[:500],
            start=source.start,
            end=source.end,
            quote_hash=facts.content_hash(source.quote) if source.quote else "",
            actor=draft.actor,
            said_at=draft.said_at or timezone.now(),
        )
        for source in draft.sources or (Source(),)
    ]


def _happened(draft: Draft, said_at: datetime) -> datetime:
    """When what an episode tells began, as far as its words say."""
    if draft.kind != Memory.Kind.EPISODE:
        return said_at
    today = timezone.localdate(said_at)
    spans = find_spans(draft.text[:2000], today, is_past=False)
    days = [span.start for span in spans if span.start.year > 1900]
    if not days or days[0] == today:
        return said_at
    return timezone.make_aware(datetime.combine(days[0], time()))
