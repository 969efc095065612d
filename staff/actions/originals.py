"""The files of documents, on disk, and what forgetting does to them."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from django.conf import settings
from django.db import transaction

from staff.models import DocumentVersion, Passage

UPLOAD_S = 3600  # no file takes longer to arrive; what is older and belongs to nobody is left over


def let_go(memory_ids: Collection[int]) -> int:
    """Part the documents from memories that are being forgotten. Returns how many files went.

    Where a passage goes, its place stays, empty; the files that hold its words go, in all that
    was given with it, once the transaction is committed. `sweep` finishes what a crash leaves.
    """
    touched = Passage.objects.filter(memory__in=memory_ids)
    files = DocumentVersion.objects.filter(passages__memory__in=memory_ids).exclude(folder="")
    gone = drop(files.distinct().values_list("pk", flat=True))
    touched.update(memory=None, heading=[])
    return gone


def drop(version_ids: Collection[int]) -> int:
    """Remove the files of these versions when the transaction is committed."""
    versions = DocumentVersion.objects.filter(pk__in=list(version_ids)).exclude(folder="")
    folders = list(versions.values_list("folder", flat=True))
    versions.update(folder="")
    for folder in folders:
        transaction.on_commit(lambda folder=folder: discard(folder))
    return len(folders)


def discard(folder: str) -> None:
    """Remove a file that no version has."""
    if not folder:
        raise ValueError("name the folder of one document")
    shutil.rmtree(settings.DOCUMENTS_DIR / folder, ignore_errors=True)


def sweep() -> int:
    """Remove files that belong to no version: their upload or their removal was interrupted."""
    oldest = time.time() - UPLOAD_S
    found = {path.name for path in settings.DOCUMENTS_DIR.glob("*") if _changed_at(path) < oldest}
    kept = DocumentVersion.objects.filter(folder__in=found).values_list("folder", flat=True)
    left_over = found - set(kept)
    for folder in left_over:
        discard(folder)
    return len(left_over)


def _changed_at(path: Path) -> float:
    """Seconds since 1970; of what has just gone, the end of time."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf
