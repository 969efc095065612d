"""What the staff remembers: to look through, correct, pin and forget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from orchestrator import memory as memories
from staff import queries
from staff.actions import memory
from staff.actions.memory import Draft, MemoryChanged, MemoryRefused
from staff.models import Memory
from staff.recall import Sight, visible_to
from web.goals.lookups import goal_or_404
from web.memory.browse import Filters, found
from web.memory.forms import EditForm, RememberForm, scope_select
from web.workspaces import acting, seated

SAID = {
    "new": gettext_lazy("Remembered."),
    "again": gettext_lazy("That was known already; it is noted that you said it as well."),
    "superseding": gettext_lazy("Remembered. It took the place of what was known before."),
    "earlier": gettext_lazy("Remembered as what held before."),
    "quarantined": gettext_lazy("It contradicts something that weighs more: settle it here."),
    "forgotten": gettext_lazy("You had that forgotten, so it was not kept."),
}


def sight_of(request: HttpRequest) -> Sight:
    return visible_to(request.user, request.workspace)


def memory_or_404(request: HttpRequest, memory_id: int) -> Memory:
    try:
        return queries.memory_of(sight_of(request), memory_id)
    except Memory.DoesNotExist:
        raise Http404 from None


@seated
def overview(request: HttpRequest) -> HttpResponse:
    """Search, or what was remembered last."""
    sight, filters = sight_of(request), Filters.read(request.GET)
    shown = found(sight, filters, request.GET)
    places = queries.places_of(sight, [each.pk for each in shown.memories])
    facts = {
        "found": shown,
        "rows": [
            {"memory": each, "place": places.get(each.pk), "recalled": shown.recalled.get(each.pk)}
            for each in shown.memories
        ],
        "filters": filters,
        "kinds": Memory.Kind.choices,
        "scope_select": scope_select(
            request.workspace, chosen=filters.scope, blank=_("All that you may see")
        ),
        "settle_count": queries.count_to_settle(sight),
    }
    return render(request, "memory/list.html", facts)


@acting
def remember(request: HttpRequest) -> HttpResponse:
    """Something to remember, by hand."""
    form = RememberForm(request.POST or None, workspace=request.workspace)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        kind = Memory.Kind.FACT if form.is_fact else Memory.Kind.EPISODE
        draft = Draft(
            given["text"],
            kind,
            actor="" if form.is_fact else request.user.get_username(),
            subject=given["subject"],
            attribute=given["attribute"],
            value=given["value"],
            trust=Memory.Trust.BOSS,
        )
        try:
            scope = memory.scope_named(request.workspace, request.user, given["scope"])
            (kept,) = memories.remember(scope, [draft], by=request.user.get_username())
        except MemoryRefused as reason:
            form.add_error(None, str(reason).removeprefix("Memory 1: "))
        else:
            level = messages.success if kept.memory else messages.warning
            level(request, SAID[kept.outcome])
            if kept.outcome == "quarantined":
                return redirect("settle-memories")
            return redirect("memory", kept.memory.pk) if kept.memory else redirect("memories")
    return render(
        request, "memory/remember.html", {"form": form}, status=422 if form.errors else 200
    )


@seated
@never_cache
def one(request: HttpRequest, memory_id: int) -> HttpResponse:
    return _show(request, memory_or_404(request, memory_id))


@seated
@never_cache
def of_task(request: HttpRequest, goal_id: int, task_id: int) -> HttpResponse:
    """The part of a task's view that says what it was reminded of, and what it learned."""
    goal = goal_or_404(request, goal_id)
    if not goal.tasks.filter(pk=task_id).exists():
        raise Http404
    used, learned = queries.memory_of_tasks(sight_of(request), goal)
    facts = {"used": used.get(task_id, []), "learned": learned.get(task_id, [])}
    return render(request, "memory/of_task.html", facts)


@acting
@require_POST
@never_cache
def act(request: HttpRequest, memory_id: int, verb: str) -> HttpResponse:
    """Do what a button of the memory's page asks; then say so, or why not."""
    found = memory_or_404(request, memory_id)
    if verb not in VERBS:
        raise Http404
    try:
        return VERBS[verb](request, found)
    except MemoryRefused as reason:
        messages.error(request, str(reason))
    return redirect(_back(request))


def _edit(request: HttpRequest, shown: Memory) -> HttpResponse:
    form = EditForm(request.POST, memory=shown)
    if not form.is_valid():
        return _show(request, shown, form, status=422)
    by = request.user.get_username()
    try:
        changes = form.changes
        if any(value is not None for value in changes.values()):
            memories.edit(shown, by=by, seen=form.cleaned_data["seen"], **changes)
    except MemoryChanged:
        fresh = memory_or_404(request, shown.pk)
        typed = EditForm({**request.POST.dict(), "seen": fresh.version}, memory=fresh)
        return _show(request, fresh, typed, status=409, is_changed=True)
    except MemoryRefused as reason:
        form.add_error(None, str(reason))
        return _show(request, shown, form, status=422)
    messages.success(request, _("Corrected. You vouch for it now."))
    return redirect("memory", shown.pk)


def _pin(request: HttpRequest, shown: Memory) -> HttpResponse:
    is_pinned = not shown.is_pinned
    memory.pin(shown, by=request.user.get_username(), is_pinned=is_pinned)
    messages.success(request, _("Pinned.") if is_pinned else _("No longer pinned."))
    return redirect("memory", shown.pk)


def _forget(request: HttpRequest, shown: Memory) -> HttpResponse:
    gone = memory.forget([shown], by=request.user.get_username())
    said = ngettext("Forgotten.", "Forgotten, with %(n)s that were drawn from it.", gone)
    messages.success(request, said % {"n": gone - 1})
    return redirect(_back(request))


def _accept(request: HttpRequest, shown: Memory) -> HttpResponse:
    memory.settle(shown, accept=True, by=request.user.get_username())
    messages.success(request, _("It stands now."))
    return redirect("settle-memories")


VERBS: dict[str, Callable[[HttpRequest, Memory], HttpResponse]] = {
    "edit": _edit,
    "pin": _pin,
    "forget": _forget,
    "accept": _accept,
}


def _back(request: HttpRequest) -> str:
    return "settle-memories" if request.POST.get("back") == "settle" else "memories"


def _show(
    request: HttpRequest,
    shown: Memory,
    form: EditForm | None = None,
    *,
    status: int = 200,
    is_changed: bool = False,
) -> HttpResponse:
    sight = sight_of(request)
    facts: dict[str, Any] = {
        "memory": shown,
        "form": form or EditForm(memory=shown),
        "is_changed": is_changed,
        "place": queries.places_of(sight, [shown.pk]).get(shown.pk),
        "sources": queries.sources_of(shown),
        "drawn": queries.drawn_from(shown),
        "values": queries.values_of(shown),
        "uses": queries.uses_of(shown)[:50],
        "events": queries.events_of(shown)[:50],
        "files": queries.files_holding(shown),
    }
    return render(request, "memory/memory.html", facts, status=status)
