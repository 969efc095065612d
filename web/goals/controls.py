"""The buttons of a goal and of its tasks; `why` says why one cannot be pressed now."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from staff.domain.lifecycle import OPEN_GOALS, OPEN_TASKS, GoalState, TaskState
from staff.models import Goal, Task


@dataclass(frozen=True)
class Control:
    """verb: the last part of its address; confirm: what is asked before, if anything"""

    verb: str
    label: str
    why: str = ""
    confirm: str = ""
    kind: str = ""  # its look: "primary", "danger", or plain


def of_goal(goal: Goal) -> list[Control]:
    over = _("The goal has ended.") if goal.state not in OPEN_GOALS else ""
    can_retry = goal.state in (GoalState.FAILED, GoalState.CANCELLED)
    return [
        _hold(goal, over),
        Control(
            "retry",
            _("Retry"),
            "" if can_retry else _("Only a failed or cancelled goal can be retried."),
        ),
        Control(
            "cancel",
            _("Cancel"),
            over,
            _("Stop this goal? What was made so far stays, and you can retry it later."),
        ),
    ]


def of_task(task: Task, *, builders: int) -> list[Control]:
    """What is done with one press. builders: how many tasks build on this one"""
    over = _("The task is over.") if task.state not in OPEN_TASKS else ""
    stop = ngettext(
        "Stop this task and the one that builds on it? The rest of the goal goes on.",
        "Stop this task and the %(n)s that build on it? The rest of the goal goes on.",
        builders,
    )
    alone = _("Stop this task? The rest of the goal goes on.")
    shown = [
        _hold(task, over),
        Control("cancel", _("Cancel"), over, stop % {"n": builders} if builders else alone),
    ]
    if task.state == TaskState.FAILED:
        return [Control("release", _("Release"), kind="primary"), *shown]
    return shown


def rerun(task: Task, *, builders: int) -> Control:
    open_yet = _("It is not over yet: let it end, or cancel it first.")
    again = ngettext(
        "Do this again, and then the task that builds on it? What was made is made anew.",
        "Do this again, and then the %(n)s tasks that build on it? What was made is made anew.",
        builders,
    )
    alone = _("Do this again? What it made is made anew.")
    return Control(
        "rerun",
        _("Re-run from here"),
        open_yet if task.state in OPEN_TASKS else "",
        again % {"n": builders} if builders else alone,
    )


def reassign(task: Task, *, others: int) -> Control:
    """others: how many agents could have it instead"""
    why = ""
    if task.state == TaskState.RUNNING:
        why = _("It is being worked on: pause it first.")
    elif not others:
        why = _("There is nobody else: hire someone.")
    return Control("reassign", _("Reassign"), why)


def _hold(held: Goal | Task, over: str) -> Control:
    if held.is_paused and not over:
        return Control("resume", _("Resume"))
    return Control("pause", _("Pause"), over)
