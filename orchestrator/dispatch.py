"""What the boss can ask of the house: the one door from web and command line to the staff.

Each function makes one call into the actions; the work itself is done later by the workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from orchestrator.agent.skills import load_skills
from orchestrator.celery import app
from orchestrator.intake import GivenFile, keeping
from orchestrator.tools.folder import GoalFolder
from staff.actions import control, goals, nodes, questions, tasks
from staff.models import Approval, Goal, Node, Plan, User, Workspace


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
    with keeping() as keep:
        return goals.create(workspace, boss, text, lambda goal: keep(goal, files), **options)


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


def tend_model(node: str, verb: str, model: str) -> bool:
    """Ask a node to do something about one of its models. False if there is no such node.

    verb: "load", "unload", "retry" (a file in quarantine), "pin" (load, and keep in memory, also
          after a restart) or "unpin". The node says how it went with its heartbeats.
    """
    if verb in ("pin", "unpin"):
        found = nodes.pin(node, model, is_pinned=verb == "pin")
        verb = "load" if verb == "pin" else ""
    else:
        found = Node.objects.filter(name=node).exists()
    if found and verb:
        app.control.broadcast("tend_model", {"verb": verb, "model": model}, destination=[node])
    return found
