"""Memories and their places as people read them."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from staff.models import DocumentVersion, Memory, MemoryEvent, Passage, Scope
from web.memory.links import passage_url

register = template.Library()

EVENTS = {
    "remembered": gettext_lazy("Remembered"),
    "said again": gettext_lazy("Said again"),
    "superseded": gettext_lazy("Replaced by something newer"),
    "edited": gettext_lazy("Corrected"),
    "pinned": gettext_lazy("Pinned"),
    "unpinned": gettext_lazy("No longer pinned"),
    "settled": gettext_lazy("Settled: it stands"),
    "kept both": gettext_lazy("Kept beside another one like it"),
}
REASONS = {
    "words": gettext_lazy("its words"),
    "meaning": gettext_lazy("its meaning"),
    "actor": gettext_lazy("whom it is about"),
    "when": gettext_lazy("its time"),
    "trust": gettext_lazy("who said it"),
    "pinned": gettext_lazy("that it is pinned"),
    "fact": gettext_lazy("that it is a fact"),
    "recent": gettext_lazy("how new it is"),
}


@register.filter
def whose(scope: Scope) -> str:
    """Who may use what is in a scope."""
    if scope.kind == Scope.Kind.WORKSPACE:
        return _("Everybody here")
    if scope.kind == Scope.Kind.BOSS:
        return _("Only you")
    return _("Team of %s") % scope.agent if scope.kind == Scope.Kind.TEAM else str(scope.agent)


@register.filter
def title_of(text: str) -> str:
    """The first line: of a passage, where it stands."""
    return text.partition("\n")[0]


@register.filter
def rest_of(text: str) -> str:
    """What is below the first line, without empty lines."""
    return "\n".join(line for line in text.split("\n")[1:] if line.strip())


@register.filter
def event_name(event: MemoryEvent) -> str:
    return str(EVENTS.get(event.kind, event.kind))


@register.filter
def reasons(weighed: dict[str, float]) -> str:
    """What spoke for a memory, the weightiest first: "its words, its meaning"."""
    spoke = [name for name in weighed if name in REASONS and weighed[name] > 0]
    best = sorted(spoke, key=lambda name: -weighed[name])
    return ", ".join(str(REASONS[name]) for name in best[:3])


@register.filter
def memory_state(memory: Memory) -> str:
    """The colour of its state, as `parts/state.html` names them."""
    return {"active": "done", "quarantined": "proposed"}.get(memory.state, "cancelled")


@register.filter
def version_state(version: DocumentVersion) -> str:
    return {"ready": "done", "reading": "running"}.get(version.state, version.state)


@register.filter
def address(passage: Passage) -> str:
    return passage_url(passage)


@register.filter
def place_in(passage: Passage, kind: str) -> str:
    """Where a passage stands: "page 3", "slide 2", "sheet 1, rows 2 to 40"."""
    told: list[str] = []
    if passage.page:
        words: dict[str, Any] = {"xlsx": _("sheet %s"), "pptx": _("slide %s")}
        told.append(words.get(kind, _("page %s")) % passage.page)
    if passage.first_row:
        first, last = passage.first_row, passage.last_row
        rows = _("rows %(first)s to %(last)s") if first != last else _("row %(first)s")
        told.append(rows % {"first": first, "last": last})
    return ", ".join(told)
