"""What the memory page shows: found by a question, or leafed through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from orchestrator import memory as memories
from staff import queries
from staff.models import Memory
from staff.recall import Recalled, Sight, narrowed
from web.paging import Page, page_of

PAGE = 30
LOOKED_THROUGH = 100  # of the best hits, for those that fit the filters
MAX_WORDS = 500
State = Memory.State


@dataclass(frozen=True)
class Filters:
    """What is asked for; "" for any. state: "" is what stands now, "all" whatever its state."""

    q: str = ""
    scope: str = ""
    kind: str = ""
    state: str = ""
    source: str = ""

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> Filters:
        def given(name: str) -> str:
            return asked.get(name, "").replace("\0", "").strip()[:MAX_WORDS]

        kind, state = given("kind"), given("state")
        return cls(
            q=given("q"),
            scope=given("scope"),
            kind=kind if kind in Memory.Kind.values else "",
            state=state if state in (State.SUPERSEDED, State.QUARANTINED, "all") else "",
            source=given("source"),
        )

    def __bool__(self) -> bool:
        return bool(self.q or self.scope or self.kind or self.state or self.source)

    @property
    def query(self) -> str:
        """For the address of another page of the same."""
        return urlencode({name: value for name, value in vars(self).items() if value})


@dataclass(frozen=True)
class Found:
    """The memories of a page; those of a search with what speaks for each, the best first."""

    memories: list[Memory]
    page: Page
    recalled: Mapping[int, Recalled]


def found(sight: Sight, filters: Filters, asked: Mapping[str, str]) -> Found:
    """asked: ?before= or ?after= of the pages"""
    sight = narrowed(sight, filters.scope) if filters.scope else sight
    state = {"": State.ACTIVE, "all": ""}.get(filters.state, filters.state)
    rows = queries.memories_of(sight, kind=filters.kind, state=state, source=filters.source)
    if filters.q and state != State.QUARANTINED:  # which are not recalled before they are settled
        return _recalled(sight, filters, rows)
    if filters.q:
        rows = queries.memories_of(
            sight, kind=filters.kind, state=state, source=filters.source, words=filters.q
        )
    page = page_of(rows, asked, PAGE)
    return Found(list(rows.filter(pk__in=page.ids).order_by("-pk")), page, {})


def _recalled(sight: Sight, filters: Filters, rows: queries.QuerySet[Memory]) -> Found:
    kinds = [filters.kind] if filters.kind else ()
    best = memories.recall(
        sight, filters.q, LOOKED_THROUGH, kinds=kinds, with_past=bool(filters.state)
    )
    by_id = {each.memory.pk: each for each in best}
    fits = rows.in_bulk(list(by_id))
    shown = [fits[pk] for pk in by_id if pk in fits][:PAGE]
    return Found(shown, Page([memory.pk for memory in shown]), by_id)
