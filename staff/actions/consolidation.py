"""Two facts that are one: the better one stands, the other steps back behind it and can return."""

from __future__ import annotations

from django.db import models, transaction
from django.db.models import F

from staff.actions.memory_write import Write
from staff.models import Memory, MemorySource, Scope


@transaction.atomic
def merge(kept: Memory, other: Memory, *, by: str, why: str) -> bool:
    """Let one fact stand for two. False, and nothing changes, if either is not current any more.

    Additive: the one that steps back keeps its words and becomes a source of the other; what is
    said later under its name goes to the other's history. `split` undoes it.
    """
    write = Write.begin(kept.scope, by)
    rows = {
        memory.pk: memory
        for memory in Memory.objects.filter(
            pk__in=[kept.pk, other.pk], scope=kept.scope_id, state=Memory.State.ACTIVE
        )
    }
    if len(rows) < 2 or rows[other.pk].is_pinned:
        return False
    kept, other = rows[kept.pk], rows[other.pk]
    other.state, other.superseded_by = Memory.State.SUPERSEDED, kept
    other.valid_to = other.valid_from  # it never held by itself: that is how `split` knows it
    write.change(other, "merged", "state", "superseded_by", "valid_to", into=kept.pk, why=why)
    MemorySource.objects.create(memory=kept, origin=other, actor=other.actor, said_at=other.said_at)
    kept.last_said_at = max(kept.last_said_at, other.last_said_at)
    kept.valid_from = min(kept.valid_from, other.valid_from)
    write.change(kept, "merged with", "last_said_at", "valid_from", other=other.pk)
    write.end()
    return True


@transaction.atomic
def split(other: Memory, *, by: str) -> bool:
    """Undo a merge: the fact stands by itself again. False if it was not merged, or if its place
    was taken meanwhile."""
    write = Write.begin(other.scope, by)
    fresh = merged().filter(pk=other.pk).first()
    if fresh is None:
        return False
    current = Memory.objects.filter(
        scope=fresh.scope_id, slot=fresh.slot, kind="fact", state=Memory.State.ACTIVE
    )
    if current.exists():
        return False
    MemorySource.objects.filter(memory=fresh.superseded_by_id, origin=fresh).delete()
    fresh.state, fresh.superseded_by, fresh.valid_to = Memory.State.ACTIVE, None, None
    write.change(fresh, "split", "state", "superseded_by", "valid_to")
    write.end()
    return True


def merged() -> models.QuerySet[Memory]:
    """Facts that stepped back behind another."""
    return Memory.objects.filter(
        state=Memory.State.SUPERSEDED, superseded_by__isnull=False, valid_to=F("valid_from")
    )


def done_up_to(scope: Scope, version: int) -> None:
    """All facts up to this version of the scope have been compared with the others."""
    Scope.objects.filter(pk=scope.pk, consolidated_version__lt=version).update(
        consolidated_version=version
    )
