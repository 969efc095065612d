"""POST /hooks/SECRET: a program's call becomes a goal. Whoever knows the address may call."""

from __future__ import annotations

from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from orchestrator import triggers
from orchestrator.intake import NoRoom
from staff.actions import routines
from staff.actions.firings import NotNow
from staff.actions.goals import GoalRefused
from staff.models import Routine
from web.routines import bodies


@csrf_exempt
@never_cache
def receive(request: HttpRequest, secret: str) -> JsonResponse:
    """202 with the goal's id. The same delivery again is answered the same, and does nothing."""
    if request.method != "POST":
        return _refuse(405, "method_not_allowed", "Send a POST.", {"Allow": "POST"})
    try:
        routine = routines.find_hook(secret)
        if routine is None:
            return _refuse(404, "not_found", "No routine listens here: its address may be new.")
        return _deliver(request, routine)
    except bodies.BodyRefused as bad:
        return _refuse(bad.status, bad.code, str(bad))
    except NotNow as reason:
        if reason.retry_after_s is None:
            return _refuse(409, "not_now", str(reason))
        return _refuse(429, "throttled", str(reason), {"Retry-After": str(reason.retry_after_s)})
    except NoRoom as reason:
        return _refuse(503, "unavailable", str(reason), {"Retry-After": "60"})
    except GoalRefused as reason:
        return _refuse(400, "refused", str(reason))
    except Routine.DoesNotExist:  # deleted this moment
        return _refuse(404, "not_found", "No routine listens here any more.")
    except OperationalError:
        said = "The database does not answer. Try again in a moment."
        return _refuse(503, "unavailable", said, {"Retry-After": "10"})


def _deliver(request: HttpRequest, routine: Routine) -> JsonResponse:
    sent = bodies.read(request)
    firing, is_new = triggers.deliver(
        routine, sent.files, body=sent.text, digest=sent.digest, delivery=sent.name
    )
    return JsonResponse({"goal": firing.goal_id, "replayed": not is_new}, status=202)


def _refuse(
    status: int, code: str, message: str, headers: dict[str, Any] | None = None
) -> JsonResponse:
    error = {"error": {"code": code, "message": message}}
    return JsonResponse(error, status=status, headers=headers)
