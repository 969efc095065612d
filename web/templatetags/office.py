"""Numbers, times and states as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

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


@register.filter
def state_name(state: str) -> str:
    return str(STATES.get(state, state))


@register.filter
def shown_state(goal: Any) -> str:
    """The state of a goal, "paused" where an open one is held."""
    return "paused" if goal.is_paused else goal.state


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
