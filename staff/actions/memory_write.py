"""One change to a locked scope, its rows gathered and written together, indexes and events
included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone

from staff.actions.drafts import Draft, Vectors, source_rows
from staff.domain import facts
from staff.domain.words import terms
from staff.models import (
    Memory,
    MemoryEvent,
    MemorySource,
    MemoryUse,
    MemoryVector,
    Posting,
    Scope,
    Tombstone,
)

MAX_COUNT = 32_767  # of one term in a memory, as the index holds it


@dataclass
class Write:
    """One change to a locked scope: rows are gathered and written together."""

    scope: Scope
    by: str
    added: list[tuple[Memory, list[Draft], Vectors | None]] = field(default_factory=list)
    events: list[MemoryEvent] = field(default_factory=list)
    memories: int = 0  # how many more are indexed
    words: int = 0

    @classmethod
    def begin(cls, scope: Scope, by: str, drafts: Sequence[Draft] = ()) -> Write:
        goals = sorted({draft.goal_id for draft in drafts if draft.goal_id})
        if goals:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT id FROM staff_goal WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE",
                    [goals],
                )
        locked = Scope.objects.select_for_update().get(pk=scope.pk)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('staff_scope_version')")
            (locked.version,) = cursor.fetchone()
        return cls(locked, by)

    def end(self) -> None:
        """Write what was gathered, and the scope's new version and counts."""
        self._insert()
        MemoryEvent.objects.bulk_create(self.events)
        Scope.objects.filter(pk=self.scope.pk).update(
            version=self.scope.version,
            memories=F("memories") + self.memories,
            words=F("words") + self.words,
        )

    def buried(self, hashes: Sequence[str]) -> set[str]:
        found = Tombstone.objects.filter(scope=self.scope, content_hash__in=hashes)
        return set(found.values_list("content_hash", flat=True))

    def add(self, row: Memory, draft: Draft, vectors: Vectors | None) -> Memory:
        self.added.append((row, [draft], vectors))
        return row

    def again(self, memory: Memory, draft: Draft) -> None:
        """It was said once more: note the source; trust is that of the best one."""
        memory.last_said_at = max(memory.last_said_at, draft.said_at or timezone.now())
        memory.trust = max(memory.trust, draft.trust)
        memory.is_tainted = memory.is_tainted and draft.is_tainted
        if memory.pk is None:  # twice in one batch
            next(drafts for row, drafts, _ in self.added if row is memory).append(draft)
            return
        MemorySource.objects.bulk_create(source_rows(memory, draft))
        self.change(memory, "said again", "last_said_at", "trust", "is_tainted")

    def put(
        self,
        row: Memory,
        draft: Draft,
        vectors: Vectors | None,
        before: Memory | None,
        after: Memory | None,
    ) -> Memory:
        """Insert a fact between its neighbours in time."""
        if after:
            row.state = Memory.State.SUPERSEDED
            row.valid_to, row.superseded_by = after.valid_from, after
        if before and before.state == Memory.State.ACTIVE:
            before.state = Memory.State.SUPERSEDED  # first: only one may be current
            self.change(before, "superseded", "state")
        self.added.append((row, [draft], vectors))
        self._insert()
        if before:
            self.close(before, row)
        return row

    def close(self, old: Memory, new: Memory) -> None:
        """End the validity of a fact where the next one begins."""
        old.state = Memory.State.SUPERSEDED
        old.valid_to, old.superseded_by = new.valid_from, new
        self.change(old, "", "state", "valid_to", "superseded_by")
        origins = old.sources.exclude(origin=None).values("origin")
        Memory.objects.filter(pk__in=origins).exclude(derived__memory=new).update(
            is_outdated=True, version=self.scope.version
        )

    def change(self, memory: Memory, event: str, *fields: str, **data: Any) -> None:
        memory.version = self.scope.version
        memory.save(update_fields=[*fields, "version"])
        if event:
            self.tell(memory, event, **data)

    def tell(self, memory: Memory, kind: str, **data: Any) -> None:
        self.events.append(
            MemoryEvent(scope=self.scope, memory=memory, kind=kind, actor=self.by, data=data)
        )

    def bury(self, *memories: Memory) -> None:
        hashes = [(memory, memory.content_hash) for memory in memories]
        hashes += [
            (memory, facts.value_hash(memory.slot, memory.value))
            for memory in memories
            if memory.kind == Memory.Kind.FACT
        ]
        Tombstone.objects.bulk_create(
            [
                Tombstone(scope=self.scope, content_hash=digest, memory=memory, actor=self.by)
                for memory, digest in hashes
            ],
            ignore_conflicts=True,
        )

    def purge(self, memories: Sequence[Memory], **data: Any) -> None:
        """Empty the rows. data: told with it, and free of their words."""
        ids = [memory.pk for memory in memories]
        self.unindex(memories)
        MemorySource.objects.filter(memory__in=ids).delete()
        MemorySource.objects.filter(origin__in=ids).delete()
        MemoryEvent.objects.filter(memory__in=ids).update(data={})
        MemoryUse.objects.filter(memory__in=ids).update(query="", features={})
        Memory.objects.filter(pk__in=ids).update(
            state=Memory.State.FORGOTTEN,
            version=self.scope.version,
            length=0,
            is_pinned=False,
            **dict.fromkeys(
                ("text", "actor", "thread", "subject", "attribute", "value", "slot"), ""
            ),
            content_hash="",
        )
        for memory in memories:
            self.tell(memory, "forgotten", **data)

    def index(self, memory: Memory, vectors: Vectors | None) -> None:
        """Put a saved memory into both indexes."""
        _index_words([memory])
        MemoryVector.objects.bulk_create(_vector_rows(memory, vectors))
        self.memories += 1
        self.words += memory.length

    def unindex(self, memories: Sequence[Memory]) -> None:
        ids = [memory.pk for memory in memories]
        Posting.objects.filter(memory__in=ids).delete()
        MemoryVector.objects.filter(memory__in=ids).delete()
        self.memories -= len(memories)
        self.words -= sum(memory.length for memory in memories)

    def _insert(self) -> None:
        added, self.added = self.added, []
        rows = [row for row, _, _ in added]
        for row in rows:
            row.version = self.scope.version
            row.length = len(terms(row.text))
        Memory.objects.bulk_create(rows)
        MemorySource.objects.bulk_create(
            [
                source
                for row, drafts, _ in added
                for draft in drafts
                for source in source_rows(row, draft)
            ]
        )
        _index_words(rows)
        MemoryVector.objects.bulk_create(
            [each for row, _, vectors in added for each in _vector_rows(row, vectors)]
        )
        self.memories += len(rows)
        self.words += sum(row.length for row in rows)
        for row in rows:
            self.tell(row, "remembered")


def _index_words(memories: Sequence[Memory]) -> None:
    """By COPY: a row for each term is too many for the ORM."""
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY staff_posting (memory_id, scope_id, term, count, length) FROM STDIN"
        ) as copy,
    ):
        for memory in memories:
            counted = Counter(terms(memory.text))
            memory.length = counted.total()
            for term, count in counted.items():
                copy.write_row(
                    (memory.pk, memory.scope_id, term, min(count, MAX_COUNT), memory.length)
                )


def _vector_rows(memory: Memory, vectors: Vectors | None) -> list[MemoryVector]:
    if vectors is None:
        return []
    (vector,) = vectors.rows
    return [
        MemoryVector(
            memory_id=memory.pk,
            scope_id=memory.scope_id,
            model=vectors.model,
            dim=len(vector),
            vector=vector,
        )
    ]
