"""Routines: goals that give themselves. Each view makes one call into the house."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from orchestrator import triggers, watching
from staff import queries
from staff.actions.goals import GoalRefused
from staff.actions.routines import RoutineRefused
from staff.models import Routine
from web.routines import runs
from web.routines.forms import RoutineForm
from web.workspaces import acting, seated

Trigger = Routine.Trigger


@seated
def routines(request: HttpRequest) -> HttpResponse:
    found = queries.routines_of(request.workspace)
    template = "routines/rows.html" if request.htmx else "routines/list.html"
    return render(request, template, {"routines": found})


@seated
@never_cache
def routine(request: HttpRequest, routine_id: int) -> HttpResponse:
    return _show(request, _routine_or_404(request, routine_id))


@acting
@never_cache
def new(request: HttpRequest) -> HttpResponse:
    """A new routine of the trigger that was chosen. A webhook's address is shown this once."""
    trigger = request.POST.get("trigger") or request.GET.get("trigger") or Trigger.SCHEDULE
    if trigger not in Trigger.values:
        raise Http404
    made = Routine(workspace=request.workspace, trigger=trigger)
    if trigger == Trigger.FOLDER:
        made.folder = _("scans")
    return _edit(request, made)


@acting
def edit(request: HttpRequest, routine_id: int) -> HttpResponse:
    return _edit(request, _routine_or_404(request, routine_id))


@acting
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """What the routine in the form would do, while it is being typed."""
    trigger = request.POST.get("trigger", "")
    if trigger not in Trigger.values:
        raise Http404
    form = RoutineForm(request.POST, routine=Routine(workspace=request.workspace, trigger=trigger))
    return render(request, "routines/preview.html", _previewed(request, form, trigger))


@acting
@require_POST
@never_cache
def act(request: HttpRequest, routine_id: int, verb: str) -> HttpResponse:
    """Do what a button of the routine's page asks; then say so, or why not."""
    found = _routine_or_404(request, routine_id)
    if verb not in VERBS:
        raise Http404
    try:
        return VERBS[verb](request, found)
    except (RoutineRefused, GoalRefused) as reason:
        messages.error(request, str(reason))
    except Routine.DoesNotExist:  # deleted this moment
        raise Http404 from None
    return redirect("routine", routine_id)


def _run(request: HttpRequest, routine: Routine) -> HttpResponse:
    return redirect("goal", triggers.run_now(routine, request.user).pk)


def _pause(request: HttpRequest, routine: Routine) -> HttpResponse:
    triggers.pause(routine.pk)
    messages.success(request, _("Paused."))
    return redirect("routine", routine.pk)


def _resume(request: HttpRequest, routine: Routine) -> HttpResponse:
    triggers.resume(routine.pk)
    messages.success(request, _("On again, from now."))
    return redirect("routine", routine.pk)


def _delete(request: HttpRequest, routine: Routine) -> HttpResponse:
    triggers.delete(routine.pk)
    messages.success(request, _("%(name)s is deleted. Its goals stay.") % {"name": routine.name})
    return redirect("routines")


def _secret(request: HttpRequest, routine: Routine) -> HttpResponse:
    return _show(request, routine, secret=triggers.new_secret(routine.pk))


VERBS: dict[str, Callable[[HttpRequest, Routine], HttpResponse]] = {
    "run": _run,
    "pause": _pause,
    "resume": _resume,
    "delete": _delete,
    "secret": _secret,
}


def _show(request: HttpRequest, routine: Routine, secret: str = "") -> HttpResponse:
    history = Paginator(queries.firings_of(routine), 25)
    facts: dict[str, Any] = {
        "routine": routine,
        "runs": runs.upcoming(routine),
        "page": history.get_page(request.GET.get("page", "1")[:6]),
    }
    if secret:
        facts["address"] = request.build_absolute_uri(reverse("hook", args=[secret]))
    if routine.trigger == Trigger.FOLDER:
        facts["roots"] = watching.roots_of(request.workspace.pk)
    return render(request, "routines/routine.html", facts)


def _edit(request: HttpRequest, routine: Routine) -> HttpResponse:
    form = RoutineForm(request.POST if request.method == "POST" else None, routine=routine)
    is_new = routine.pk is None
    if form.is_bound and form.is_valid() and (saved := _save(request, routine, form)):
        if is_new and saved.trigger == Trigger.WEBHOOK:
            return _show(request, saved, secret=triggers.new_secret(saved.pk))
        messages.success(request, _("%(name)s is saved.") % {"name": saved.name})
        return redirect("routine", saved.pk)
    facts = {
        "form": form,
        "routine": routine,
        "roots": watching.roots_of(request.workspace.pk),
        **_previewed(request, form, routine.trigger),
    }
    return render(request, "routines/edit.html", facts, status=422 if form.errors else 200)


def _save(request: HttpRequest, routine: Routine, form: RoutineForm) -> Routine | None:
    """The saved routine, or None; then the form says why."""
    try:
        return triggers.save(routine, request.user, **form.cleaned_data)
    except RoutineRefused as reason:
        form.add_error(reason.field if reason.field in form.fields else None, str(reason))
        return None
    except Routine.DoesNotExist:  # deleted this moment
        raise Http404 from None


def _previewed(request: HttpRequest, form: RoutineForm, trigger: str) -> dict[str, Any]:
    return {"preview": runs.preview(request.workspace, trigger, form.typed())}


def _routine_or_404(request: HttpRequest, routine_id: int) -> Routine:
    try:
        return queries.routine_of(request.workspace, routine_id)
    except Routine.DoesNotExist:
        raise Http404 from None
