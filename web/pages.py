"""Home, health, and the pages for what went wrong."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from staff import queries
from web.suggestions import suggestions
from web.workspaces import SESSION_KEY, seated

logger = logging.getLogger(__name__)


@seated
def home(request: HttpRequest) -> HttpResponse:
    """What needs me, live work, finished lately, four figures. In 30 seconds."""
    template = "home/now.html" if request.htmx else "home/page.html"
    return render(request, template, home_context(request))


def home_context(request: HttpRequest) -> dict[str, Any]:
    workspace = request.workspace
    return {
        "has_goals": queries.has_goals(workspace),
        "waiting": queries.waiting(workspace),
        "live": queries.live(workspace),
        "finished": queries.finished_lately(workspace),
        "figures": queries.figures(workspace),
        "suggestions": suggestions(),
    }


@seated
@require_POST
def choose_workspace(request: HttpRequest) -> HttpResponse:
    """Go to another of one's workspaces."""
    wanted = request.POST.get("workspace", "")
    seats = {str(seat.workspace_id): seat for seat in queries.memberships_of(request.user)}
    if wanted in seats:
        request.session[SESSION_KEY] = seats[wanted].workspace_id
    return redirect("home")


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return wrong(
        request, 400, _("That request made no sense"), _("Go back, check what was sent, try again.")
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    said = str(exception) or _("This is not yours to see or to change.")
    return wrong(request, 403, _("Not allowed"), said)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return wrong(
        request, 404, _("Nothing here"), _("It was never here, is gone, or belongs to others.")
    )


def server_error(request: HttpRequest) -> HttpResponse:
    return wrong(
        request,
        500,
        _("Something broke on our side"),
        _("Nothing you gave is lost. Try again; if it happens again, tell us the id below."),
    )


def wrong(request: HttpRequest, status: int, title: str, said: str) -> HttpResponse:
    """The page (or, for the API, the JSON) that says what went wrong, with an id for the log."""
    error_id = secrets.token_hex(4)
    level = logging.ERROR if status >= 500 else logging.INFO
    logger.log(level, "%s %s %s: error %s", status, request.method, request.path, error_id)
    if request.path.startswith(("/api/", "/hooks/")):
        error = {"code": {404: "not_found", 500: "server_error"}.get(status, "refused")}
        return JsonResponse(
            {"error": {**error, "message": said, "id": error_id}},
            status=status,
        )
    facts = {"status": status, "title": title, "said": said, "error_id": error_id}
    if status >= 500:  # the frame asks the database, which may be what broke
        return HttpResponse(render_to_string("error.html", facts), status=status)
    return render(request, "error.html", facts, status=status)
