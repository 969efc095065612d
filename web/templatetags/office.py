"""Numbers, times and states as people read them."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from staff.domain.lifecycle import OPEN_TASKS, TaskState
from web.goals.previews import markdown_html

register = template.Library()

STATES = {
    "planning": gettext_lazy("Planning"),
    "proposed": gettext_lazy("Plan waits for you"),
    "running": gettext_lazy("Working"),
    "done": gettext_lazy("Done"),
    "failed": gettext_lazy("Failed"),
    "cancelled": gettext_lazy("Cancelled"),
    "paused": gettext_lazy("Paused"),
    "waiting": gettext_lazy("Waiting"),
    "ready": gettext_lazy("Ready"),
    "asking": gettext_lazy("Asks you"),
}


ATTEMPTS = {
    "running": gettext_lazy("At work"),
    "done": gettext_lazy("Done"),
    "asking": gettext_lazy("Asked you"),
    "waiting": gettext_lazy("Handed work on"),
    "failed": gettext_lazy("Failed"),
    "lost": gettext_lazy("Lost"),
    "returned": gettext_lazy("Handed back"),
}
KINDS = {
    "model": gettext_lazy("what the model made does not stand"),
    "tool": gettext_lazy("a tool or a file did not do what it should"),
    "node": gettext_lazy("the worker died, or cannot run the model"),
    "ours": gettext_lazy("a mistake of this program"),
}


@register.filter
def state_name(state: str) -> str:
    return str(STATES.get(state, state))


@register.filter
def shown_state(goal: Any) -> str:
    """The state of a goal, "paused" where an open one is held."""
    return "paused" if goal.is_paused else goal.state


@register.filter
def task_state(task: Any) -> str:
    """The state of a task, "paused" where an open one is held."""
    return "paused" if task.is_paused and task.state in OPEN_TASKS else task.state


@register.filter
def attempt_name(state: str) -> str:
    return str(ATTEMPTS.get(state, state))


@register.filter
def kind_name(kind: str) -> str:
    """Whose failure it was, in a few words."""
    return str(KINDS.get(kind, kind))


@register.filter
def failure_kind(task: Any) -> str:
    """How the last attempt failed, "" if it did not."""
    return task.tries[-1].failure_kind if task.tries else ""


@register.filter
def is_held_back(task: Any) -> bool:
    """Whether a ready task waits for the time of its next try."""
    is_due = task.not_before is None or task.not_before <= timezone.now()
    return task.state == TaskState.READY and not task.is_paused and not is_due


@register.filter
def size(count: int) -> str:
    """Bytes as people read them: 512 B, 34 kB, 1.2 MB."""
    if count < 1000:
        return f"{count} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}" if count < 10 else f"{count:.0f} {unit}"
    return f"{count:.0f} GB"


@register.filter
def short(count: int) -> str:
    """A count in few characters: 950, 12.4k, 3.1M."""
    for limit, unit in ((1_000_000, "M"), (10_000, "k")):
        if count >= limit:
            value = count / (1_000_000 if unit == "M" else 1000)
            return f"{value:.1f}{unit}"
    return f"{count:,}"


@register.filter
def lasting(seconds: float | None) -> str:
    """Seconds as people read them: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = int(seconds or 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def elapsed(goal: Any) -> str:
    """From the moment a goal was given to its end, or to now."""
    return lasting(((goal.ended_at or timezone.now()) - goal.created_at).total_seconds())


@register.filter
def took(attempt: Any) -> str:
    return lasting((attempt.ended_at - attempt.started_at).total_seconds())


@register.filter
def until(moment: datetime) -> str:
    """The time left, up to the second in which it ends."""
    return lasting(math.ceil((moment - timezone.now()).total_seconds()))


@register.filter
def ago(moment: datetime | None) -> str:
    if moment is None:
        return _("never")
    seconds = (timezone.now() - moment).total_seconds()
    if seconds < 60:
        return _("just now")
    for length, one, many in (
        (86400, "%(n)s day ago", "%(n)s days ago"),
        (3600, "%(n)s hour ago", "%(n)s hours ago"),
        (60, "%(n)s minute ago", "%(n)s minutes ago"),
    ):
        if seconds >= length:
            count = int(seconds // length)
            return ngettext(one, many, count) % {"n": count}
    return ""


@register.filter
def markdown(text: str) -> SafeString:
    return markdown_html(text)


@register.inclusion_tag("parts/field.html")
def field(bound: BoundField, kind: str = "") -> dict[str, Any]:
    """A form field with its label, help and error, tied together for screen readers."""
    described = [f"{bound.auto_id}-help"] if bound.help_text else []
    described += [f"{bound.auto_id}-error"] if bound.errors else []
    attributes = {"aria-describedby": " ".join(described)} if described else {}
    if bound.errors:
        attributes["aria-invalid"] = "true"
    return {"field": bound, "widget": bound.as_widget(attrs=attributes), "kind": kind}
