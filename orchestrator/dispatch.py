"""What the boss can ask of the house: the one door from web and command line to the staff.

Each function makes one call into the actions; the work itself is done later by the workers.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from orchestrator.agent.skills import load_skills
from orchestrator.tools.base import FileProblem, ToolError
from orchestrator.tools.folder import MAX_FILE_BYTES, GoalFolder
from orchestrator.tools.writing import safe_name
from staff.actions import control, goals, questions, tasks
from staff.actions.goals import Attachment, GoalRefused
from staff.models import Approval, Goal, Plan, User, Workspace

logger = logging.getLogger(__name__)

MAX_FILES = 200


@dataclass(frozen=True)
class GivenFile:
    """A file as the boss hands it over: its name and its bytes, open for reading."""

    name: str
    content: IO[bytes]
    size_bytes: int


def submit_goal(
    workspace: Workspace,
    boss: User,
    text: str,
    files: Sequence[GivenFile] = (),
    **options: Any,
) -> Goal:
    """Accept a goal with its files.

    A file that cannot be kept (too large, empty, a name that is no name) does not stop the goal:
    it is named on it with the reason. Raises GoalRefused where the goal itself cannot stand.
    options: priority, deadline_at, token_budget, second_budget, step_budget, depth_budget,
             autonomy, parent (a Goal)
    """
    if len(files) > MAX_FILES:
        raise GoalRefused(f"{len(files)} files are too many: at most {MAX_FILES} to a goal.")
    made: list[Path] = []

    def store(goal: Goal) -> Iterable[Attachment]:
        root = settings.GOALS_DIR / goal.folder
        made.append(root)
        return _store_files(GoalFolder(root), files)

    try:
        return goals.create(workspace, boss, text, store, **options)
    except OSError as reason:
        _remove(made)
        logger.exception("could not keep the files of a goal")
        raise GoalRefused(
            f"The files could not be kept ({reason.strerror}). Free some disk space and try again."
        ) from reason
    except BaseException:
        _remove(made)
        raise


def approve(
    goal_id: int,
    boss: User,
    *,
    plan_id: int | None = None,
    edited: dict[str, Any] | None = None,
    approval_id: int | None = None,
) -> Plan | Approval:
    """Approve a plan (the recommended one, a named one, or an edited one) or open effects."""
    if approval_id is not None:
        return tasks.decide(approval_id, boss, granted=True)
    working = {skill.name for skill in load_skills().values() if not skill.is_playbook}
    return goals.approve_plan(goal_id, boss, plan_id=plan_id, edited=edited, skills=working)


def reject(goal_id: int, boss: User, *, reason: str = "", approval_id: int | None = None) -> None:
    """Turn the proposed plans down, or open effects; the staff tries again with the reason."""
    if approval_id is not None:
        tasks.decide(approval_id, boss, granted=False, note=reason)
    else:
        goals.reject_plans(goal_id, boss, reason)


pause = goals.pause
resume = goals.resume
cancel = goals.cancel
retry = goals.retry
rate = goals.rate
raise_budget = goals.raise_budget

answer = questions.answer

pause_task = control.pause
resume_task = control.resume
cancel_task = control.cancel
rerun_task = control.rerun
release_task = control.release
reassign_task = control.reassign


def folder_of(goal: Goal) -> GoalFolder:
    """The files of a goal."""
    return GoalFolder(settings.GOALS_DIR / goal.folder)


def _store_files(folder: GoalFolder, files: Sequence[GivenFile]) -> Iterable[Attachment]:
    taken: set[str] = set()
    for number, given in enumerate(files, 1):
        name = _free_name(given.name, number, taken)
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


def _free_name(given: str, number: int, taken: set[str]) -> str:
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


__all__ = [
    "GivenFile",
    "answer",
    "approve",
    "cancel",
    "folder_of",
    "pause",
    "raise_budget",
    "rate",
    "reject",
    "resume",
    "retry",
    "submit_goal",
]
