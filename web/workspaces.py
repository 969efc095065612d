"""Which workspace a request is about, and whether its person has a seat there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from staff import queries
from staff.models import Membership

SESSION_KEY = "workspace"
View = Callable[..., HttpResponse]


class CurrentWorkspace:
    """Sets request.membership (None without a seat) and request.workspace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.membership = seat_of(request)
        request.workspace = request.membership.workspace if request.membership else None
        return self.get_response(request)


def seat_of(request: HttpRequest) -> Membership | None:
    """The seat in the chosen workspace, or the first that the person has."""
    if not request.user.is_authenticated:
        return None
    seats = list(queries.memberships_of(request.user))
    chosen = request.session.get(SESSION_KEY)
    return next((s for s in seats if s.workspace_id == chosen), seats[0] if seats else None)


def seated(view: View) -> View:
    """For signed-in people with a seat in a workspace."""

    @login_required
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.membership is None:
            raise PermissionDenied(_("You have no workspace yet: ask its owner to let you in."))
        return view(request, *args, **kwargs)

    return guarded


def acting(view: View) -> View:
    """For people who may act in their workspace; viewers may only look."""

    @seated
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.membership.may_act:
            raise PermissionDenied(_("You may look but not act here: you are a viewer."))
        return view(request, *args, **kwargs)

    return guarded


def managing(view: View) -> View:
    """For people who look after the house: owners and admins."""

    @seated
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.membership.may_manage:
            raise PermissionDenied(_("Only owners and admins may look after the machines."))
        return view(request, *args, **kwargs)

    return guarded


def shell(request: HttpRequest) -> dict[str, Any]:
    """What every page's frame shows; each is asked for only where a template uses it."""
    workspace = getattr(request, "workspace", None)
    if workspace is None:
        return {}
    return {
        "workspace": workspace,
        "may_act": request.membership.may_act,
        "may_manage": request.membership.may_manage,
        "my_seats": functools.partial(queries.memberships_of, request.user),
        "waiting_count": functools.partial(queries.count_waiting, workspace),
        "failed_count": functools.partial(queries.count_dead_letters, workspace),
    }
