"""From what stands in an address or a form to what it means; what is not theirs is not found."""

from __future__ import annotations

from django.http import Http404, HttpRequest

from staff import queries
from staff.models import Goal


def goal_or_404(request: HttpRequest, goal_id: int) -> Goal:
    try:
        return queries.goal_of(request.workspace, goal_id)
    except Goal.DoesNotExist:
        raise Http404 from None


def number(text: str) -> int | None:
    """A row's id from a form; what is no id is none that exists."""
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Http404
    return int(text)
