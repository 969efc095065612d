"""The library: documents that are given, kept as they are, and read into memory by a worker."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from orchestrator import memory as memories
from orchestrator import runtime
from orchestrator.intake import GivenFile, NoRoom, free_name
from orchestrator.tools.apart import read_apart
from orchestrator.tools.base import FileProblem
from orchestrator.tools.folder import MAX_FILE_BYTES, GoalFolder
from orchestrator.tools.formats import Unreadable
from staff.actions import documents, originals
from staff.actions.documents import File, Given
from staff.actions.drafts import MemoryRefused, Vectors
from staff.domain.passages import passages
from staff.models import DocumentVersion, Scope, User

logger = logging.getLogger(__name__)

ORIGINAL = "original"
BATCH = 40  # passages to a transaction; progress shows after each
READERS_LOCK = 0x70617065  # an advisory lock of the database


def add(scope: Scope, user: User, given: GivenFile) -> Given:
    """Keep a file and have it read. Raises MemoryRefused, NoRoom."""
    name = free_name(given.name, 1, set())
    if given.size_bytes > MAX_FILE_BYTES:
        raise MemoryRefused(
            f"{name} is larger than {MAX_FILE_BYTES // 2**20} MB; split it and add the parts."
        )
    content = given.content.read()
    if not content:
        raise MemoryRefused(f"{name} is empty; add it again with its content.")
    folder = secrets.token_hex(16)
    kept = None
    try:
        _folder(folder).write(ORIGINAL, content)
        file = File(name, hashlib.sha256(content).hexdigest(), len(content), folder)
        kept = documents.give(scope, file, user)
    except OSError as reason:
        logger.exception("could not keep a document")
        raise NoRoom(
            f"{name} could not be kept ({reason.strerror}). Free some disk space and try again."
        ) from reason
    finally:
        if kept is None or kept.outcome == "known":
            originals.discard(folder)
    return kept


def original(version: DocumentVersion) -> bytes:
    """The file as it was given. Raises FileProblem if it is no longer there."""
    if not version.folder:
        raise FileProblem(
            version.document.name,
            "the file was removed, because a passage of it was forgotten.",
        )
    return _folder(version.folder).read(ORIGINAL)


def read_waiting(first: int) -> Iterator[int]:
    """Read this version and then all others that wait. Yields the number of each that is done.

    One document is read at a time in the whole house, so that the office stays free for the rest
    of its work; while another reader is at it, nothing is done.
    """
    with _alone() as is_alone:
        if not is_alone:
            return
        tried = {first}
        read(first)
        yield first
        while waiting := documents.next_open(tried):
            tried.add(waiting)
            read(waiting)
            yield waiting


def read(version_id: int) -> None:
    """Read a version into memory, from where an earlier reader stopped. Two readers do no harm:
    each batch is kept only where the reading stands."""
    found = DocumentVersion.objects.select_related("document__scope", "given_by")
    version = found.filter(pk=version_id).first()
    if version is None or not documents.begin(version):
        return
    try:
        _read(version)
    except Unreadable as why:
        documents.fail(version, _sentence(str(why)))
    except FileProblem as gone:
        documents.fail(version, _sentence(gone.reason))


def _read(version: DocumentVersion) -> None:
    name = version.document.name
    original(version)  # raises where it is gone
    reading = read_apart(settings.DOCUMENTS_DIR / version.folder / ORIGINAL, name)
    pieces = list(passages(reading.blocks))
    notes = [_sentence(note) for note in reading.notes]
    found = {"kind": reading.kind, "pages": reading.pages, "notes": notes}
    documents.note(version, passages_total=len(pieces), **found)
    version.refresh_from_db()
    by = version.given_by.get_username() if version.given_by else ""
    embedder = runtime.embedder()
    done = version.passages_done
    while done < len(pieces):
        batch = pieces[done : done + BATCH]
        before = pieces[done - 1].text if done else ""
        said = documents.drafts(version, batch)
        context = [before, *(piece.text for piece in batch[:-1])]
        vectors = Vectors(embedder.name, memories.embedded(embedder, said, context))
        if not documents.keep(version, done, batch, vectors, by=by):
            return
        done += len(batch)
    documents.finish(version, by=by)


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether this is the only reader. The lock goes with the connection, so one that dies holds
    nobody up."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [READERS_LOCK])
        (is_alone,) = cursor.fetchone()
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [READERS_LOCK])


def _folder(folder: str) -> GoalFolder:
    return GoalFolder(settings.DOCUMENTS_DIR / folder)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
