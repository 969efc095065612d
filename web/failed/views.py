"""Failed work: every dead letter of the workspace, with all that was tried, and its way back."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from orchestrator import dispatch
from staff import queries
from staff.actions.goals import GoalRefused
from web.goals.answers import REFUSALS, answered
from web.goals.lookups import number
from web.workspaces import acting, seated

PAGE = 25
MOST = 100  # that are released at once
MOST_WHYS = 3  # that are told at once


@seated
def failed(request: HttpRequest) -> HttpResponse:
    """The list, as a page or as the part of it that htmx draws anew."""
    found = Paginator(queries.dead_letters(request.workspace), PAGE)
    page = found.get_page(request.GET.get("page", "1")[:6])
    template = "failed/letters.html" if request.htmx else "failed/page.html"
    return render(request, template, {"page": page})


@acting
@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """Release the dead letters that are named in the form, one or a whole page of them."""
    asked = [number(text) for text in request.POST.getlist("task")[:MOST]]
    if not asked or None in asked:
        raise Http404
    return answered(request, lambda: _release(request, asked), reverse("failed"))


def _release(request: HttpRequest, asked: Sequence[int | None]) -> str:
    """Releases what still is a dead letter, and says why the rest was not."""
    found = list(queries.dead_letters(request.workspace).filter(pk__in=asked))
    whys = [_("Somebody was quicker: it goes on already.")] if len(found) < len(asked) else []
    released = 0
    for task in found:
        try:
            dispatch.release_task(task.pk, request.user)
            released += 1
        except REFUSALS as reason:
            whys.append(f"{task.title}: {reason}")
    if not released:
        raise GoalRefused(" ".join(whys[:MOST_WHYS]))
    said = ngettext("Released. It tries again.", "%(n)s released.", released) % {"n": released}
    return " ".join([said, *whys[:MOST_WHYS]])
