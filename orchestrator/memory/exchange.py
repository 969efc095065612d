"""Memories as lines of JSON, in and out. A bad line is named and left out; the rest goes in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from orchestrator import memory as memories
from staff.actions.memory import Draft, MemoryRefused, Source, scope_named
from staff.models import Memory, Scope, User, Workspace

MAX_LINE_BYTES = 64 * 2**20
TEXTS = ("text", "kind", "actor", "thread", "subject", "attribute", "value")
MOMENTS = ("said_at", "valid_from")
TRUST = {trust.name.lower(): trust.value for trust in Memory.Trust}
_GROUP = 500


@dataclass
class Report:
    """What became of an import. bad: (line, reason); notes: lines kept, but not as they were."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[int, str]] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)


class BadRow(Exception):
    """A line that cannot be imported; the message says why."""


def import_lines(
    workspace: Workspace, user: User, lines: Iterable[bytes], scope: str = "workspace"
) -> Report:
    """Remember each line in its own scope, or in `scope` where it names none.

    What others said is tainted: it is kept, and never obeyed.
    """
    report = Report()
    waiting: list[tuple[int, str, Draft]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            text, is_whole = _decoded(line)
            if not is_whole:
                report.notes.append((number, "bytes that are no UTF-8 were replaced"))
            row = _row(text)
            wanted = row.pop("scope", "") or scope
            waiting += [(number, wanted, each) for each in memories.cut(draft_of(row, user))]
        except BadRow as reason:
            report.bad.append((number, str(reason)))
        if len(waiting) >= _GROUP:
            _keep(workspace, user, waiting, report)
            waiting = []
    _keep(workspace, user, waiting, report)
    report.bad.sort()
    return report


def draft_of(row: dict[str, Any], user: User) -> Draft:
    """A row as a draft. Words of the user are trusted as the boss's; those of others are a
    document's, and tainted. Raises BadRow."""
    unknown = set(row) - {*TEXTS, *MOMENTS, "source", "trust", "is_tainted", "is_pinned"}
    unknown -= {"id", "state", "valid_to", "recorded_at"}  # of an export; made anew here
    if unknown:
        raise BadRow(f"there is no field {sorted(unknown)[0]!r}")
    texts = {name: row[name] for name in (*TEXTS, "source") if row.get(name) is not None}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise BadRow(f"{name} must be a text")
    source = texts.pop("source", "")
    is_own = texts.get("actor", "") in ("", user.get_username()) and not source
    own_trust = Memory.Trust.BOSS if is_own else Memory.Trust.DOCUMENT
    trust = min(_trust(row.get("trust")), own_trust)
    return Draft(
        **texts,
        **{name: _moment(name, row[name]) for name in MOMENTS if row.get(name) is not None},
        trust=trust,
        is_tainted=not is_own or bool(row.get("is_tainted")),
        is_pinned=bool(row.get("is_pinned")) and is_own,
        sources=(Source(name=source),) if source else (),
    )


def export_lines(found: Iterable[Memory]) -> Iterator[str]:
    """A line for each memory, in a form that can be imported again."""
    for memory in found:
        yield json.dumps(as_row(memory), ensure_ascii=False)


def as_row(memory: Memory) -> dict[str, Any]:
    row = {name: getattr(memory, name) for name in TEXTS if getattr(memory, name)}
    for name in ("said_at", "valid_from", "valid_to", "recorded_at"):
        moment: datetime | None = getattr(memory, name)
        row[name] = moment.isoformat() if moment else None
    row |= {
        "id": memory.pk,
        "scope": scope_name(memory.scope),
        "state": memory.state,
        "trust": Memory.Trust(memory.trust).name.lower(),
        "is_tainted": memory.is_tainted,
        "is_pinned": memory.is_pinned,
    }
    return row


def scope_name(scope: Scope) -> str:
    """ "workspace", "boss", "team:Ada" """
    return f"{scope.kind}:{scope.agent.name}" if scope.agent else scope.kind


def _keep(
    workspace: Workspace, user: User, waiting: Sequence[tuple[int, str, Draft]], report: Report
) -> None:
    """Together where nothing is wrong; else one by one, to find the bad ones."""
    by_scope: dict[str, list[tuple[int, Draft]]] = {}
    for number, wanted, draft in waiting:
        by_scope.setdefault(wanted, []).append((number, draft))
    for wanted, numbered in by_scope.items():
        try:
            scope = scope_named(workspace, user, wanted)
        except MemoryRefused as reason:
            report.bad += [(number, str(reason)) for number, _ in numbered]
            continue
        try:
            kept = memories.remember(scope, [d for _, d in numbered], by=user.get_username())
            report.outcomes.update(each.outcome for each in kept)
        except MemoryRefused:
            for number, draft in numbered:
                try:
                    (one,) = memories.remember(scope, [draft], by=user.get_username())
                    report.outcomes[one.outcome] += 1
                except MemoryRefused as reason:
                    report.bad.append((number, str(reason).removeprefix("Memory 1: ")))


def _decoded(line: bytes) -> tuple[str, bool]:
    if len(line) > MAX_LINE_BYTES:
        raise BadRow(f"the line is longer than {MAX_LINE_BYTES // 2**20} MB; cut it")
    try:
        return line.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return line.decode("utf-8-sig", "replace"), False


def _row(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise BadRow(f"it is no JSON ({reason})") from reason
    if not isinstance(row, dict):
        raise BadRow('it is no object such as {"text": "..."}')
    if not isinstance(row.get("scope", ""), str):
        raise BadRow("scope must be a text")
    return row


def _trust(value: Any) -> int:
    if value is None:
        return Memory.Trust.BOSS
    if value not in TRUST:
        raise BadRow(f"trust must be one of {', '.join(TRUST)}")
    return TRUST[value]


def _moment(name: str, value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else timezone.make_aware(moment)
        moment.timestamp()
        if not 1800 <= moment.year <= 2300:
            raise ValueError
        return moment
    except (TypeError, ValueError, OverflowError):
        raise BadRow(f"{name} must be a date such as 2026-03-14T09:30:00+00:00") from None
