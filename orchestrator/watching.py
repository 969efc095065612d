"""Watched folders: which may be watched, what lies in them, and its bytes.

FORESTAFF_WATCH lists the roots. Below a root PATH each workspace has a folder of its own, PATH/ID,
and sees no other; an entry ID=PATH gives that workspace all of PATH. From the root down no link
is followed, and only plain files directly in the watched folder count. Nothing is ever removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings

from orchestrator.tools.folder import MAX_FILE_BYTES, opened

MAX_ENTRIES = 5000
MAX_NAME_CHARS = 300
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", ".swp")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderProblem(Exception):
    """The folder cannot be watched; the message says why and what to do."""


class FolderMissing(FolderProblem):
    """It may be watched, but it is not there (yet)."""


@dataclass(frozen=True)
class Found:
    """A file in a watched folder.

    name:    as it can be shown and stored; raw_name is what the system calls it
    problem: why it cannot be taken; "" if it can
    """

    name: str
    raw_name: str
    size_bytes: int
    modified_ns: int
    problem: str = ""

    @property
    def seen(self) -> tuple[int, int]:
        return self.size_bytes, self.modified_ns


def roots_of(workspace_id: int) -> list[Path]:
    """The folders below which a workspace may watch, the preferred one first."""
    own: list[Path] = []
    for entry in settings.WATCH_FOLDERS:
        whose, _, path = entry.partition("=")
        if not whose.strip().isdigit():
            own.append(_plain(entry) / str(workspace_id))
        elif int(whose) == workspace_id:
            own.append(_plain(path))
    return own


def check(workspace_id: int, folder: str) -> None:
    """Raises FolderProblem unless the folder may be watched; makes it if it is not there yet."""
    with _opened_folder(workspace_id, folder, make=True):
        pass


def look(workspace_id: int, folder: str) -> list[Found]:
    """The files that lie in the folder now; hidden and unfinished ones are left out."""
    with _opened_folder(workspace_id, folder) as descriptor, os.scandir(descriptor) as entries:
        found = []
        for entry in entries:
            if (each := _found(entry)) is not None:
                found.append(each)
            if len(found) > MAX_ENTRIES:
                raise FolderProblem(
                    f"More than {MAX_ENTRIES} files lie in {folder}: move old ones elsewhere."
                )
        return sorted(found, key=lambda each: each.name)


def read(workspace_id: int, folder: str, file: Found) -> bytes | None:
    """The bytes of a file as it was found, or None if it has changed since or went away.

    Raises FileProblem for a link, a file that is too large or that may not be read.
    """
    with _opened_folder(workspace_id, folder) as descriptor:
        try:
            with opened(descriptor, file.raw_name) as (content, _):
                read = content.read(MAX_FILE_BYTES + 1)
                after = os.fstat(content.fileno())
        except FileNotFoundError:
            return None
    as_found = (after.st_size, after.st_mtime_ns) == file.seen and len(read) == after.st_size
    return read if as_found else None


def _found(entry: os.DirEntry[str]) -> Found | None:
    """The file behind an entry; None for what does not count."""
    name = entry.name
    if name.startswith((".", "~$")) or name.casefold().endswith(UNFINISHED):
        return None
    try:
        facts = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # gone since
        return None
    if stat.S_ISDIR(facts.st_mode):
        return None
    shown = os.fsencode(name).decode("utf-8", "replace")
    problem = _problem(facts, shown != name or len(name) > MAX_NAME_CHARS)
    return Found(shown[:MAX_NAME_CHARS], name, facts.st_size, facts.st_mtime_ns, problem)


def _problem(facts: os.stat_result, is_misnamed: bool) -> str:
    if stat.S_ISLNK(facts.st_mode):
        return "it is a link; put the file itself here"
    if not stat.S_ISREG(facts.st_mode):
        return "it is no plain file"
    if facts.st_size > MAX_FILE_BYTES:
        return f"it is larger than {MAX_FILE_BYTES // 2**20} MB; put a smaller part of it here"
    if facts.st_size == 0:
        return "it is empty; put it here again with its content"
    return "its name is no readable text; rename it" if is_misnamed else ""


@contextmanager
def _opened_folder(workspace_id: int, folder: str, *, make: bool = False) -> Iterator[int]:
    """The folder's descriptor, reached from its root one step at a time, following no link."""
    root, parts = _placed(workspace_id, folder)
    at = folder
    try:
        if make:
            root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
        try:
            for at in parts:
                if make:
                    _make(at, descriptor)
                step = os.open(at, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = step
            yield descriptor
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise FolderMissing(f"There is no folder {folder} any more: make it again.") from None
    except NotADirectoryError:
        raise FolderProblem(f"{at} is a file or a link; a folder is needed.") from None
    except PermissionError:
        raise FolderProblem(f"{folder} may not be read by the user that runs Forestaff.") from None
    except OSError as reason:
        raise FolderProblem(f"{folder} cannot be read ({reason.strerror}).") from reason


def _placed(workspace_id: int, folder: str) -> tuple[Path, tuple[str, ...]]:
    """The root that the folder belongs to, and the steps from there."""
    roots = roots_of(workspace_id)
    given = PurePosixPath(folder)
    if "\0" in folder or ".." in given.parts or not folder.strip():
        raise FolderProblem("Write a folder's path, without “..”.")
    for root in roots:
        path = root / given  # an absolute path stays as it is
        if path.is_relative_to(root):
            return root, path.relative_to(root).parts
    allowed = ", ".join(map(str, roots)) or "none"
    raise FolderProblem(
        f"Only folders below these may be watched here: {allowed}. "
        "Whoever runs Forestaff can allow others with FORESTAFF_WATCH."
    )


def _make(name: str, parent: int) -> None:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return


def _plain(path: str) -> Path:
    return Path(path.strip()).expanduser().resolve()
