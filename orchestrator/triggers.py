"""What sets routines off: the clock, a file in a watched folder, a program that calls.

The one door from web, command line and beat to routines: here the files of an occasion are read
and stored, `staff.actions.firings` does the rest in one transaction. A beat that finds nothing
due asks the database one question, and one more for each watched folder; no model is asked.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from orchestrator import watching
from orchestrator.intake import GivenFile, NoRoom, keeping
from orchestrator.tools.base import FileProblem
from orchestrator.watching import FolderProblem, Found
from staff import queries
from staff.actions import firings, routines
from staff.actions.firings import NotNow, Occasion
from staff.actions.routines import RoutineRefused
from staff.models import Firing, Goal, Routine, User

logger = logging.getLogger(__name__)

BATCH_FILES = 100  # that one goal takes; the others come with the next
BATCH_BYTES = 100 * 1024 * 1024

pause = routines.pause
resume = routines.resume
delete = routines.delete
new_secret = routines.new_secret


def save(routine: Routine, boss: User, **changes: Any) -> Routine:
    """Make a routine or change one. Raises RoutineRefused, with the field that is meant."""
    folder = str(changes.get("folder", routine.folder)).strip()
    if routine.trigger == Routine.Trigger.FOLDER and folder:
        try:
            watching.check(routine.workspace_id, folder)
        except FolderProblem as reason:
            raise RoutineRefused(str(reason), "folder") from reason
    return routines.save(routine, boss, **changes)


def fire_all() -> int:
    """Fire whatever is due, each routine by itself. Returns how many goals were given."""
    given = 0
    for routine in queries.armed_routines():
        try:
            if routine.trigger == Routine.Trigger.SCHEDULE:
                given += firings.fire_due(routine.pk)
            else:
                given += look(routine)
        except Exception:  # one that breaks must not stop the others; it is tried again
            logger.exception("routine %s could not fire", routine.pk)
    return given


def look(routine: Routine) -> int:
    """One look at a watched folder; a goal for the files that are new and whole. Returns 0 or 1.

    What keeps it from firing is said on the routine, and the files wait.
    """
    try:
        lying = watching.look(routine.workspace_id, routine.folder)
        whole = set(firings.sight(routine.pk, {file.name: file.seen for file in lying}))
        if not whole:
            if routine.trouble:
                routines.note_trouble(routine.pk, "")
            return 0
        firings.check_ready(routine, routine.boss)
        occasions, files = _read(routine, [file for file in lying if file.name in whole])
        return int(_fire_files(routine, occasions, files) is not None)
    except (FolderProblem, NotNow, NoRoom) as reason:
        routines.note_trouble(routine.pk, str(reason))
        return 0


def run_now(routine: Routine, boss: User) -> Goal:
    """Fire at the boss's word, with the files that lie in a watched folder now.

    Raises RoutineRefused, or GoalRefused if no goal comes of it.
    """
    if routine.trigger != Routine.Trigger.FOLDER:
        return firings.run_now(routine.pk, boss)
    try:
        occasions, files = _read(routine, watching.look(routine.workspace_id, routine.folder))
    except FolderProblem as reason:
        raise RoutineRefused(str(reason)) from reason
    good = [occasion for occasion in occasions if not occasion.problem]
    if not good:
        raise RoutineRefused("No file that can be used lies in the folder: put one there first.")
    with keeping() as keep:
        return firings.run_now(
            routine.pk, boss, good, lambda goal, also: keep(goal, _given(files, also))
        )


def deliver(
    routine: Routine, files: Sequence[GivenFile], *, body: str, digest: str, delivery: str = ""
) -> tuple[Firing, bool]:
    """What a program sent: its firing, and whether it is new.

    files:    as they are attached; body: what {body} stands for
    digest:   of all that was sent; delivery: the caller's own name for it, or ""
    Raises NotNow, or GoalRefused if no goal comes of it.
    """
    key = f"id:{sha256(delivery.encode()).hexdigest()}" if delivery else f"body:{digest}"
    names = tuple(file.name for file in files)
    occasion = Occasion(key, delivery or ", ".join(names), files=names)
    with keeping() as keep:
        return firings.deliver(
            routine.pk,
            occasion,
            lambda goal, _: keep(goal, files),
            body=body,
            has_id=bool(delivery),
        )


def _fire_files(
    routine: Routine, occasions: Sequence[Occasion], files: Mapping[str, bytes]
) -> Goal | None:
    with keeping() as keep:
        return firings.fire_files(
            routine.pk, occasions, lambda goal, fresh: keep(goal, _given(files, fresh))
        )


def _read(routine: Routine, lying: Sequence[Found]) -> tuple[list[Occasion], dict[str, bytes]]:
    """The occasions of files, as many as one goal takes, and their bytes by key."""
    occasions: list[Occasion] = []
    contents: dict[str, bytes] = {}
    room = BATCH_BYTES
    for file in lying:
        if len(occasions) == BATCH_FILES or (file.size_bytes > room and not file.problem):
            break
        occasion, content = _occasion(routine, file)
        if occasion is None:
            continue
        occasions.append(occasion)
        if not occasion.problem:
            contents[occasion.key] = content
            room -= len(content)
    return occasions, contents


def _occasion(routine: Routine, file: Found) -> tuple[Occasion | None, bytes]:
    """A file as an occasion: by its path and content, or by its path and look if it is no good."""
    problem, content = file.problem, b""
    if not problem:
        try:
            read = watching.read(routine.workspace_id, routine.folder, file)
        except FileProblem as bad:
            problem = bad.reason
        else:
            if read is None:
                return None, b""
            content = read
    mark = repr(file.seen).encode() if problem else sha256(content).digest()
    path = f"{routine.folder}\0{file.name}\0".encode()
    key = f"{'problem' if problem else 'file'}:{sha256(path + mark).hexdigest()}"
    return Occasion(key, file.name, files=(file.name,), seen=file.seen, problem=problem), content


def _given(files: Mapping[str, bytes], occasions: Sequence[Occasion]) -> list[GivenFile]:
    return [
        GivenFile(name, io.BytesIO(files[occasion.key]), len(files[occasion.key]))
        for occasion in occasions
        for name in occasion.files
    ]


__all__ = [
    "delete",
    "deliver",
    "fire_all",
    "look",
    "new_secret",
    "pause",
    "resume",
    "run_now",
    "save",
]
