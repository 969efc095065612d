"""The tasks of a goal: how each stands, and what its buttons do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from orchestrator import dispatch
from staff import queries
from staff.actions import queue
from staff.actions.goals import GoalRefused
from staff.models import Agent, Goal, Task
from web.goals import controls
from web.goals.answers import answered
from web.goals.lookups import goal_or_404, number
from web.workspaces import acting

MAX_NOTE = 2000


def rows(goal: Goal) -> list[Task]:
    """The tasks, each with after_titles, place (in the queue), buttons, rerun and reassign."""
    tasks = list(queries.tasks_of(goal))
    if not tasks:
        return []
    titles = {task.key: task.title for task in tasks}
    after = {task.key: task.after for task in tasks}
    places = queue.places(goal.pk)
    staff = list(goal.workspace.agents.filter(is_active=True))
    for task in tasks:
        builders = _builders(after, task.key)
        task.after_titles = [titles[key] for key in task.after if key in titles]
        task.place = places.get(task.pk)
        # who handed a task on goes on if it is stopped, but not if it is done again
        task.buttons = controls.of_task(task, builders=0 if task.parent_id else builders)
        task.rerun = controls.rerun(task, builders=builders)
        task.others = [agent for agent in staff if agent.pk != task.agent_id]
        task.reassign = controls.reassign(task, others=len(task.others))
    return tasks


def _builders(after: Mapping[str, Sequence[str]], key: str) -> int:
    """How many tasks build on the one of this key."""
    found: set[str] = set()
    reached = {key}
    while reached:
        reached = {other for other, before in after.items() if reached & {*before}} - found
        found |= reached
    return len(found)


@acting
@require_POST
def act(request: HttpRequest, goal_id: int, task_id: int, verb: str) -> HttpResponse:
    """Do what a button of a task asks; then say so, or why not."""
    goal = goal_or_404(request, goal_id)
    try:
        task = queries.task_of(goal, task_id)
    except Task.DoesNotExist:
        raise Http404 from None
    if verb not in VERBS:
        raise Http404
    back = f"{reverse('goal', args=[goal_id])}#task-{task_id}"
    return answered(request, lambda: VERBS[verb](request, task), back)


def _pause(request: HttpRequest, task: Task) -> str:
    dispatch.pause_task(task.pk, request.user)
    return _("Paused: %(title)s.") % {"title": task.title}


def _resume(request: HttpRequest, task: Task) -> str:
    dispatch.resume_task(task.pk, request.user)
    return _("It goes on: %(title)s.") % {"title": task.title}


def _cancel(request: HttpRequest, task: Task) -> str:
    dispatch.cancel_task(task.pk, request.user)
    return _("Cancelled: %(title)s. Re-run takes it up again.") % {"title": task.title}


def _rerun(request: HttpRequest, task: Task) -> str:
    note = request.POST.get("note", "").replace("\0", "").strip()[:MAX_NOTE]
    dispatch.rerun_task(task.pk, request.user, note)
    return _("It is done again: %(title)s.") % {"title": task.title}


def _release(request: HttpRequest, task: Task) -> str:
    dispatch.release_task(task.pk, request.user)
    return _("Released: %(title)s. It tries again where it stopped.") % {"title": task.title}


def _reassign(request: HttpRequest, task: Task) -> str:
    chosen = number(request.POST.get("agent", ""))
    if chosen is None:
        raise GoalRefused(_("Choose who should have it."))
    try:
        agent: Agent = queries.agent_of(request.workspace, chosen)
    except ObjectDoesNotExist:
        raise Http404 from None
    dispatch.reassign_task(task.pk, request.user, agent)
    return _("%(name)s has it now: %(title)s.") % {"name": agent.name, "title": task.title}


VERBS: dict[str, Callable[[HttpRequest, Any], str]] = {
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "rerun": _rerun,
    "release": _release,
    "reassign": _reassign,
}
