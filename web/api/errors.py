"""One shape for all that goes wrong: {"error": {"code", "message", "fields"?}}."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, SuspiciousOperation
from django.db import IntegrityError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from orchestrator.inference.base import InferenceError
from orchestrator.tools.base import FileProblem
from staff.actions.agents import AgentRefused
from staff.actions.drafts import MemoryRefused
from staff.actions.firings import NotNow
from staff.actions.goals import GoalRefused
from staff.actions.routines import RoutineRefused
from staff.domain.lifecycle import IllegalTransition
from staff.domain.plans import PlanRefused
from staff.recall import NothingVisible

OURS: tuple[tuple[type[Exception], int, str], ...] = (
    (IllegalTransition, 409, "illegal_transition"),
    (IntegrityError, 409, "conflict"),
    (GoalRefused, 400, "refused"),
    (PlanRefused, 400, "plan_refused"),
    (AgentRefused, 400, "refused"),
    (NotNow, 409, "not_now"),
    (RoutineRefused, 400, "refused"),
    (MemoryRefused, 400, "refused"),
    (NothingVisible, 403, "permission_denied"),
    (InferenceError, 503, "model_unavailable"),
    (FileProblem, 404, "not_found"),
    (ObjectDoesNotExist, 404, "not_found"),
    (SuspiciousOperation, 400, "bad_request"),
    (OperationalError, 503, "unavailable"),
)
SAID = {
    "not_found": "There is no such thing here.",
    "conflict": "Someone else changed this at the same moment. Try again.",
    "unavailable": "The database does not answer. Try again in a moment.",
    "bad_request": "The request is too large or malformed.",
}


def explain(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None lets the exception through: it is ours to fix."""
    for kind, status, code in OURS:
        if isinstance(exception, kind):
            set_rollback()
            field = getattr(exception, "field", "")
            more = {"fields": {field: [str(exception)]}} if field else {}
            return _answer(status, code, SAID.get(code) or str(exception), **more)
    standard = exception_handler(exception, context)
    if standard is None:
        return None
    if isinstance(exception, exceptions.ValidationError):
        fields = exception.detail
        return _answer(400, "invalid", _first(fields), fields=_as_fields(fields))
    if isinstance(exception, Http404):
        return _answer(404, "not_found", SAID["not_found"])
    if isinstance(exception, PermissionDenied):
        return _answer(403, "permission_denied", str(exception) or "This is not yours to change.")
    answer = _answer(standard.status_code, exception.default_code, str(exception.detail))
    answer.headers = standard.headers
    return answer


def _answer(status: int, code: str, message: str, **more: Any) -> Response:
    return Response({"error": {"code": code, "message": message, **more}}, status=status)


def _as_fields(detail: Any) -> dict[str, Any]:
    return detail if isinstance(detail, dict) else {"request": detail}


def _first(detail: Any, name: str = "") -> str:
    """The first message in nested errors, with the field that it is about."""
    if isinstance(detail, dict):
        key, inner = next(iter(detail.items()))
        return _first(inner, name if key == "non_field_errors" else str(key))
    if isinstance(detail, list):
        return _first(next((each for each in detail if each), ""), name)
    return f"{name}: {detail}" if name else str(detail)
