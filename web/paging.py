"""Pages of a long list, found by where the last one ended: as quick far back as in front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class Page:
    """Ids of some rows, newest first. newer, older: where to go on from (?after=, ?before=), if
    there are more on that side. The rows themselves are fetched by these ids: what is passed over
    on the way costs next to nothing then."""

    ids: list[int]
    newer: int | None = None
    older: int | None = None


def page_of(rows: QuerySet[Any], asked: Mapping[str, str], size: int) -> Page:
    """The page that ?before=ID or ?after=ID asks for; the newest without, or with nonsense."""
    ids = rows.values_list("pk", flat=True)
    if (after := _id(asked.get("after", ""))) is not None:
        found = list(ids.filter(pk__gt=after).order_by("pk")[: size + 1])
        if len(found) > size:
            shown = found[:size][::-1]
            return Page(shown, newer=shown[0], older=shown[-1])
        return page_of(rows, {}, size)  # near the front: the front itself, a full page
    before = _id(asked.get("before", ""))
    if before is not None:
        ids = ids.filter(pk__lt=before)
    found = list(ids.order_by("-pk")[: size + 1])
    shown = found[:size]
    newer = None if before is None else max(shown, default=before - 1)
    return Page(shown, newer, shown[-1] if len(found) > size else None)


def _id(text: str) -> int | None:
    if not text.isascii() or not text.isdecimal() or len(text) > 19:
        return None
    return number if (number := int(text)) <= MAX_ID else None
