"""The goal's workspace on disk: a flat folder of plain files, and what a dry-run lays over it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import stat
import unicodedata
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO

import filetype

from orchestrator.tools.base import FileEntry, FileProblem, Files, ToolError
from orchestrator.tools.values import plain

MAX_FILE_BYTES = 50 * 1024 * 1024
QUOTA_BYTES = 200 * 1024 * 1024
MAX_NAME_CHARS = 120
MAX_NAME_BYTES = 240  # file systems take 255; a staged file's prefix needs some

_STAGED = ".staged-"
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_FORBIDDEN = set('/\\:*?"<>|')
_HEAD_BYTES = 64 * 1024
_TOLD_BY_WHOLE = (b"PK\x03\x04", b"{", b"[")
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def safe_name(name: str) -> str:
    """The name, if a file of a goal may have it: flat, visible, and good on every system.

    Raises ToolError that says what is wrong with it.
    """
    if problem := _problem_of_name(name):
        raise ToolError(f"{plain(name)} is not a file name: {problem}")
    return name


def _problem_of_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        return 'give a text such as "totals.csv"'
    return _problem_of_text(name)


@lru_cache(4096)
def _problem_of_text(name: str) -> str:
    if len(name) > MAX_NAME_CHARS or len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_CHARS} characters"
    if name.startswith("."):
        return "it must not begin with a dot"
    if bad := sorted(_FORBIDDEN & set(name)):
        return f"it must not hold {' '.join(bad)} (all files lie in one folder)"
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in name):
        return "it holds invisible characters"
    if name != name.strip() or name.endswith("."):
        return "it must not begin or end with a space, or end with a dot"
    if _RESERVED.fullmatch(name):
        return "some systems reserve that name"
    return ""


class GoalFolder:
    """The files of one goal, flat in `root`. Safe against names and links that point elsewhere.

    Every access goes through the folder's descriptor and never follows a link; what is not a
    regular file is neither listed nor read. The folder is made by the first write.
    """

    def __init__(self, root: Path, quota_bytes: int = QUOTA_BYTES):
        self.root = root
        self.quota_bytes = quota_bytes

    def names(self) -> list[str]:
        try:
            with self._folder() as folder:
                return _names(folder)
        except FileNotFoundError:
            return []

    def list(self, only: Collection[str] | None = None) -> Iterable[FileEntry]:
        """The files by name, or those of them that are asked for; the kind is told from the
        content."""
        wanted = [name for name in self.names() if only is None or name in only]
        if not wanted:
            return []
        with self._folder() as folder:
            return [entry for name in wanted if (entry := _entry(folder, name))]

    def read(self, name: str) -> bytes:
        """Raises FileProblem for a file that is not there, not plain, or over MAX_FILE_BYTES."""
        _refuse_name(name)
        try:
            with self._folder() as folder:
                return _read(folder, name)
        except FileNotFoundError:
            raise FileProblem(name, "there is no such file.") from None

    def write(self, name: str, content: bytes) -> None:
        """Replace the file atomically: stage, fsync, rename, fsync the folder.

        Raises FileProblem for a bad name, a file that is too large, or a quota that is spent.
        """
        _refuse_name(name)
        if len(content) > MAX_FILE_BYTES:
            raise FileProblem(name, f"it is larger than {MAX_FILE_BYTES // 2**20} MB.")
        self.root.mkdir(parents=True, exist_ok=True)
        with self._folder() as folder:
            self._check_quota(folder, name, len(content))
            _replace(folder, name, content)

    @contextmanager
    def _folder(self) -> Iterator[int]:
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _check_quota(self, folder: int, name: str, size_bytes: int) -> None:
        others = sum(
            os.stat(other, dir_fd=folder, follow_symlinks=False).st_size
            for other in _names(folder)
            if other != name
        )
        if others + size_bytes > self.quota_bytes:
            raise FileProblem(
                name,
                f"the files of this goal would take more than {self.quota_bytes // 2**20} MB; "
                "use fewer or smaller files.",
            )


class Overlay:
    """A folder as a dry-run sees it: writes stay in memory and hide what lies beneath."""

    def __init__(self, base: Files):
        self.base = base
        self.pending: dict[str, bytes] = {}

    def names(self) -> list[str]:
        return sorted({*self.base.names(), *self.pending})

    def list(self, only: Collection[str] | None = None) -> Iterable[FileEntry]:
        beneath = [entry for entry in self.base.list(only) if entry.name not in self.pending]
        above = [
            FileEntry(name, len(content), kind_of(name, content))
            for name, content in self.pending.items()
            if only is None or name in only
        ]
        return sorted(beneath + above, key=lambda entry: entry.name)

    def read(self, name: str) -> bytes:
        content = self.pending.get(name)
        return self.base.read(name) if content is None else content

    def write(self, name: str, content: bytes) -> None:
        _refuse_name(name)
        if len(content) > MAX_FILE_BYTES:
            raise FileProblem(name, f"it is larger than {MAX_FILE_BYTES // 2**20} MB.")
        self.pending[name] = content


def kind_of(name: str, content: bytes) -> str:
    """What a file is by its content: "pdf", "docx", "xlsx", "png", "json", "text", "binary", ...

    The name only tells kinds of text apart that look alike: csv, md, html, eml. For a zip
    container the whole content is needed; otherwise its first bytes do.
    """
    if not content:
        return "empty"
    if content.startswith(b"PK\x03\x04"):
        return _kind_of_zip(content)
    if guess := filetype.guess(content[:_HEAD_BYTES]):
        return str(guess.extension)
    if _is_binary(content):
        return "binary"
    return _kind_of_text(name, content)


def _kind_of_zip(content: bytes) -> str:
    marks = {"word/document.xml": "docx", "xl/workbook.xml": "xlsx", "ppt/presentation.xml": "pptx"}
    with suppress(zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        names = set(zipfile.ZipFile(io.BytesIO(content)).namelist())
        return next((kind for mark, kind in marks.items() if mark in names), "zip")
    return "zip"


def _is_binary(content: bytes) -> bool:
    head = content[:_HEAD_BYTES]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 text
        return False
    return b"\0" in head or sum(byte < 9 or 13 < byte < 32 for byte in head) > len(head) // 20


def _kind_of_text(name: str, content: bytes) -> str:
    ending = name.rpartition(".")[2].casefold()
    head = content[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "html"
    if head.startswith((b"{", b"[")) or ending == "json":
        with suppress(ValueError, RecursionError):
            json.loads(content)
            return "json"
    named = {"csv": "csv", "tsv": "csv", "md": "md", "markdown": "md", "html": "html", "eml": "eml"}
    return named.get(ending, "text")


def _refuse_name(name: str) -> None:
    if problem := _problem_of_name(name):
        raise FileProblem(str(name)[:MAX_NAME_CHARS], problem + ".")


def _names(folder: int) -> list[str]:
    """The goal's files, by name; links, folders and what is being staged are left out."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.is_file(follow_symlinks=False) and not _problem_of_name(entry.name)
        )


def _entry(folder: int, name: str) -> FileEntry | None:
    """The file's entry, or None if it went away meanwhile."""
    try:
        with opened(folder, name) as (file, size):
            content = file.read(_HEAD_BYTES)
            if content.startswith(_TOLD_BY_WHOLE) and size <= MAX_FILE_BYTES:
                content += file.read()
    except (FileNotFoundError, FileProblem):
        return None
    return FileEntry(name, size, kind_of(name, content))


def _read(folder: int, name: str) -> bytes:
    with opened(folder, name) as (file, size):
        if size > MAX_FILE_BYTES:
            raise FileProblem(name, f"it is larger than {MAX_FILE_BYTES // 2**20} MB.")
        return file.read()


@contextmanager
def opened(folder: int, name: str) -> Iterator[tuple[IO[bytes], int]]:
    """A plain file of the folder, open for reading, and its size in bytes."""
    try:
        descriptor = os.open(name, _OPEN, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as refused:  # ELOOP: a link
        raise FileProblem(name, f"it cannot be opened ({refused.strerror}).") from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise FileProblem(name, "it is not a plain file.")
    with os.fdopen(descriptor, "rb") as file:
        yield file, facts.st_size


def _replace(folder: int, name: str, content: bytes) -> None:
    """Raises FileNotFoundError where somebody else began to write the same file meanwhile."""
    staged = f"{_STAGED}{hashlib.sha256(name.encode()).hexdigest()[:12]}-{secrets.token_hex(4)}"
    _clear(folder, staged.rpartition("-")[0])
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(staged, flags, 0o644, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(staged, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(staged, dir_fd=folder)
        raise


def _clear(folder: int, beginning: str) -> None:
    """Remove what others have staged: they died at it, or are frozen and shall not finish it."""
    with os.scandir(folder) as entries:
        staged = [entry.name for entry in entries if entry.name.startswith(beginning)]
    for name in staged:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
