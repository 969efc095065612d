"""What becomes of a document: given, read passage by passage, replaced, forgotten.

Like all that changes a scope's memory, each action locks the row of the scope first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from staff.actions import memory, originals, outbox
from staff.actions.drafts import Draft, Source, Vectors
from staff.actions.memory_write import Write
from staff.domain.passages import Passage as Piece
from staff.models import Document, DocumentVersion, Memory, Passage, Scope, User

State = DocumentVersion.State
OPEN = (State.WAITING, State.READING)
JOB = "read_document"


@dataclass(frozen=True)
class File:
    """A file that has been stored. folder: its place below DOCUMENTS_DIR"""

    name: str
    sha256: str
    size_bytes: int
    folder: str


@dataclass(frozen=True)
class Given:
    """outcome: "new" (a document), "version" (a newer one of that name), "known" (the same file is
    there already; the one that was handed in is not needed), "retried" (it is, but could not be
    read: it is read once more)"""

    outcome: Literal["new", "version", "known", "retried"]
    document: Document
    version: DocumentVersion


@transaction.atomic
def give(scope: Scope, file: File, by: User) -> Given:
    """Take a stored file in, to be read by a worker."""
    scope = Scope.objects.select_for_update().get(pk=scope.pk)
    if known := _same(scope, file):
        return known
    document, is_new = Document.objects.get_or_create(scope=scope, name=file.name)
    last = 0 if is_new else document.newest.number
    version = DocumentVersion.objects.create(
        document=document,
        number=last + 1,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        folder=file.folder,
        given_by=by,
    )
    outbox.nudge(JOB, version.pk)
    return Given("new" if is_new else "version", document, version)


def next_open(tried: Collection[int]) -> int | None:
    """The version that waits longest to be read, of all workspaces; none of those."""
    waiting = DocumentVersion.objects.filter(state__in=OPEN).exclude(pk__in=tried)
    return waiting.order_by("pk").values_list("pk", flat=True).first()


def begin(version: DocumentVersion) -> bool:
    """A reader has taken it up. False if it is done, or gone."""
    return bool(_open(version).update(state=State.READING))


def note(
    version: DocumentVersion, *, kind: str, pages: int, passages_total: int, notes: list[str]
) -> None:
    """What the reader found out, before the first passage is kept."""
    _open(version).update(kind=kind, pages=pages, passages_total=passages_total, notes=notes)


@transaction.atomic
def keep(
    version: DocumentVersion, done: int, pieces: Sequence[Piece], vectors: Vectors, *, by: str
) -> bool:
    """Remember the next passages of a version, `done` being how many are kept.

    False if that is not where the reading stands: another worker has gone on, or it was deleted.
    """
    scope = Scope.objects.select_for_update().get(pk=version.document.scope_id)
    at_hand = DocumentVersion.objects.filter(pk=version.pk, state=State.READING, passages_done=done)
    if not at_hand.update(passages_done=done + len(pieces)):
        return False
    kept = memory.remember(scope, drafts(version, pieces), vectors, by=by)
    Passage.objects.bulk_create(
        [
            Passage(
                version=version,
                position=position,
                memory=each.memory,
                heading=list(piece.heading) if each.memory else [],
                page=piece.page,
                first_row=piece.first_row,
                last_row=piece.last_row,
            )
            for position, (piece, each) in enumerate(zip(pieces, kept, strict=True), done + 1)
        ]
    )
    return True


def drafts(version: DocumentVersion, pieces: Sequence[Piece]) -> list[Draft]:
    """Passages as they are remembered. Whoever wrote them, they are words that nobody need obey."""
    name = version.document.name
    return [
        Draft(
            piece.indexed(name),
            Memory.Kind.CHUNK,
            thread=name,
            said_at=version.given_at,
            trust=Memory.Trust.DOCUMENT,
            is_tainted=True,
            sources=(Source(name, quote=piece.text),),
        )
        for piece in pieces
    ]


@transaction.atomic
def finish(version: DocumentVersion, *, by: str) -> None:
    """All passages are kept: from now on they are what the document says.

    Passages that come again although they were forgotten were not kept; then the file is not
    either, for it holds their words.
    """
    write = Write.begin(version.document.scope, by)
    notes, count = list(version.notes), version.passages.filter(memory=None).count()
    if count:
        were = "1 passage was" if count == 1 else f"{count} passages were"
        notes.append(f"{were} forgotten before, and not learned again; nor was the file kept.")
        originals.drop([version.pk])
    if _open(version).update(state=State.READY, read_at=timezone.now(), notes=notes):
        _let_current_stand(write, version.document_id)
    write.end()


def fail(version: DocumentVersion, problem: str) -> None:
    """It cannot be read. What an earlier version said stays."""
    _open(version).update(state=State.FAILED, problem=problem, read_at=timezone.now())


@transaction.atomic
def forget(document: Document, *, by: str) -> int:
    """Forget all that a document said in any version, and its files. Returns how many memories
    went, what was drawn from them included."""
    scope = Scope.objects.select_for_update().get(pk=document.scope_id)
    said = Memory.objects.filter(passages__version__document=document, scope=scope)
    said = said.exclude(state=Memory.State.FORGOTTEN).distinct()
    gone = memory.forget(list(said), by=by)
    originals.drop(document.versions.values_list("pk", flat=True))
    document.delete()
    return gone


def _open(version: DocumentVersion) -> QuerySet[DocumentVersion]:
    return DocumentVersion.objects.filter(pk=version.pk, state__in=OPEN)


def _same(scope: Scope, file: File) -> Given | None:
    """The version that this file is already: the newest one of a document of the scope."""
    held = DocumentVersion.objects.filter(document__scope=scope, sha256=file.sha256)
    for version in held.select_related("document").order_by("-pk"):
        document = version.document
        if version.number != document.newest.number:
            continue
        if version.state != State.FAILED:
            return Given("known", document, version)
        if document.name == file.name:
            return Given("retried", document, _again(version, file))
    return None


def _again(version: DocumentVersion, file: File) -> DocumentVersion:
    """Read a version that failed once more, from the file that was handed in now."""
    originals.drop([version.pk])
    version.state, version.problem, version.folder = State.WAITING, "", file.folder
    version.passages_done = version.passages_total = 0
    version.passages.all().delete()
    version.save()
    outbox.nudge(JOB, version.pk)
    return version


def _let_current_stand(write: Write, document_id: int) -> None:
    """Passages of the current version are active, those of others superseded. One that stands in
    both stays as it is; one that came back is active again."""
    now = timezone.now()
    document = Document.objects.get(pk=document_id)
    said = Memory.objects.filter(passages__version__document=document).distinct()
    current = said.filter(passages__version=document.current).values_list("pk", flat=True)
    gone = said.filter(state=Memory.State.ACTIVE).exclude(pk__in=list(current))
    back = said.filter(state=Memory.State.SUPERSEDED, pk__in=list(current))
    _turn(write, gone, "superseded", document.current, state=Memory.State.SUPERSEDED, valid_to=now)
    _turn(write, back, "said again", document.current, state=Memory.State.ACTIVE, valid_to=None)


def _turn(
    write: Write, found: QuerySet[Memory], event: str, current: DocumentVersion, **change: Any
) -> None:
    """Change many memories at once, each with its event."""
    memories = list(found)
    for each in memories:
        write.tell(each, event, version=current.number)
    ids = [each.pk for each in memories]
    Memory.objects.filter(pk__in=ids).update(**change, version=write.scope.version)
