"""Files on their way in: given with a goal, stored before the goal is committed."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings

from orchestrator.tools.base import FileProblem, ToolError
from orchestrator.tools.folder import MAX_FILE_BYTES, GoalFolder
from orchestrator.tools.writing import safe_name
from staff.actions.goals import Attachment, GoalRefused
from staff.models import Goal

logger = logging.getLogger(__name__)

MAX_FILES = 200


@dataclass(frozen=True)
class GivenFile:
    """A file as the boss hands it over: its name and its bytes, open for reading."""

    name: str
    content: IO[bytes]
    size_bytes: int


class NoRoom(GoalRefused):
    """The disk did not take the files. Nothing was kept; the same can be given again later."""


Keep = Callable[[Goal, Sequence[GivenFile]], Iterable[Attachment]]


@contextmanager
def keeping() -> Iterator[Keep]:
    """Lend the function that puts files into a new goal's folder.

    Whatever it stored is removed again if the block fails, so that a refused goal leaves nothing.
    Raises NoRoom where the disk refuses.
    """
    made: list[Path] = []

    def keep(goal: Goal, files: Sequence[GivenFile]) -> Iterable[Attachment]:
        if len(files) > MAX_FILES:
            raise GoalRefused(f"{len(files)} files are too many: at most {MAX_FILES} to a goal.")
        root = settings.GOALS_DIR / goal.folder
        made.append(root)
        return _store_files(GoalFolder(root), files)

    try:
        yield keep
    except OSError as reason:
        _remove(made)
        logger.exception("could not keep the files of a goal")
        raise NoRoom(
            f"The files could not be kept ({reason.strerror}). Free some disk space and try again."
        ) from reason
    except BaseException:
        _remove(made)
        raise


def _store_files(folder: GoalFolder, files: Sequence[GivenFile]) -> Iterable[Attachment]:
    taken: set[str] = set()
    for number, given in enumerate(files, 1):
        name = free_name(given.name, number, taken)
        yield _store_file(folder, name, given)


def _store_file(folder: GoalFolder, name: str, given: GivenFile) -> Attachment:
    if given.size_bytes > MAX_FILE_BYTES:
        problem = f"it is larger than {MAX_FILE_BYTES // 2**20} MB; attach a smaller part of it"
        return Attachment(name, given.size_bytes, problem=problem)
    if given.size_bytes == 0:
        return Attachment(name, 0, problem="it is empty; attach it again with its content")
    content = given.content.read()
    try:
        folder.write(name, content)
    except FileProblem as refused:
        return Attachment(name, len(content), problem=refused.reason)
    return Attachment(name, len(content), sha256=hashlib.sha256(content).hexdigest())


def free_name(given: str, number: int, taken: set[str]) -> str:
    """A safe name that no other file of the goal has, as close to the given one as can be."""
    base = given.replace("\\", "/").rsplit("/", 1)[-1].strip()
    try:
        name = safe_name(base)
    except ToolError:
        kept = "".join(c if c.isalnum() or c in "._- " else "_" for c in base).lstrip(". ")
        name = kept[-100:] or f"file-{number}"
    stem, dot, ending = name.rpartition(".")
    candidate, copy = name, 2
    while candidate.casefold() in taken:
        candidate = f"{stem or ending} ({copy}){dot if stem else ''}{ending if stem else ''}"
        copy += 1
    taken.add(candidate.casefold())
    return candidate


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
