"""The answer to a button: what was done, or why it cannot be; nothing is lost either way."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_htmx.http import trigger_client_event

from staff.actions.goals import GoalRefused
from staff.domain.lifecycle import IllegalTransition
from staff.domain.plans import PlanRefused

REFUSALS = (GoalRefused, PlanRefused, IllegalTransition)


def answered(request: HttpRequest, do: Callable[[], str], back: str) -> HttpResponse:
    """Do it and say so, or say why not.

    A page with scripts is told by the event "goal-acted" and looks again, whatever came of it: if
    someone else was quicker, it shows what they did. Without scripts one goes back to `back`.
    """
    try:
        said, is_good = do(), True
    except REFUSALS as reason:
        said, is_good = str(reason), False
    if request.htmx:
        event = {"said": said, "good": is_good}
        return trigger_client_event(HttpResponse(status=204), "goal-acted", event)
    (messages.success if is_good else messages.error)(request, said)
    return redirect(back)
