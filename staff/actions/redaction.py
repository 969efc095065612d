"""Forgetting reaches what was made of a memory: prompts' answers, events, effects, goals, files.

Every text of the workspace is looked at. What stands as an order stays: the text of an open goal, a
routine, the instructions of an agent; and so do the files that the boss attached.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import Cast

from staff.domain.redaction import Forgotten
from staff.models import Artifact, Effect, Event, EventArchive, Goal, Memory, ModelCall, Workspace

# How each kind of row belongs to a workspace; a test looks that none is missing.
WORKSPACE = {
    "goal": "workspace",
    "plan": "goal__workspace",
    "artifact": "goal__workspace",
    "task": "goal__workspace",
    "attempt": "task__goal__workspace",
    "effect": "task__goal__workspace",
    "approval": "goal__workspace",
    "question": "goal__workspace",
    "event": "goal__workspace",
    "modelcall": "goal__workspace",
    "firing": "routine__workspace",
    "memoryuse": "memory__scope__workspace",
    "memoryevent": "memory__scope__workspace",
    "memorysource": "memory__scope__workspace",
}
KEPT = {"artifact": {"name"}, "task": {"inputs", "outputs", "after"}}  # what others go by
TEXT_FILES = {".md", ".txt", ".csv", ".json"}
SLOW_S = 600  # every event of a large workspace is looked at


def redact(workspace: Workspace, forgotten: Forgotten) -> Counter[str]:
    """Take what is forgotten out of a workspace's rows and files. Returns how many of each kind.

    Goals that hold something of it are locked, in order; so a caller takes its other locks after.
    """
    if not forgotten:
        return Counter()
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{SLOW_S}s'")
    done: Counter[str] = Counter()
    found = {name: _holding(name, workspace, forgotten) for name in WORKSPACE}
    goals = {goal for rows in found.values() for row in rows if (goal := _goal_of(row))}
    archives = _archives_holding(workspace, forgotten)
    goals |= {archive.goal_id for archive in archives}
    list(Goal.objects.filter(pk__in=goals).order_by("pk").select_for_update(of=("self",)))
    for row in found["modelcall"]:
        done["event"] += _join_pieces(row, forgotten)
    done["file"] += sum(_redact_file(row, forgotten) for row in _files_of(found["effect"]))
    for name, rows in found.items():
        for row in rows:
            row.refresh_from_db()
            done[name] += _redact_row(row, forgotten)
    for archive in archives:
        done["archive"] += _redact_archive(archive, forgotten)
    return +done


def scrub() -> None:
    """Have the database drop dead rows, which still hold the words until then. It locks nobody out;
    the bytes themselves are gone when their pages are written again. Not for a transaction."""
    tables = [*WORKSPACE, "memory", "posting", "memoryvector", "goalsearch", "eventarchive"]
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        try:
            cursor.execute(f"VACUUM {', '.join(f'staff_{name}' for name in tables)}")
        finally:
            cursor.execute("RESET statement_timeout")


def copies_of(memories: Sequence[Memory], forgotten: Forgotten) -> list[Memory]:
    """Other memories of the workspace that hold all that one of these says."""
    if not forgotten:
        return []
    near = Memory.objects.filter(
        Q(text__iregex=forgotten.pattern) | Q(value__iregex=forgotten.pattern),
        scope__workspace=memories[0].scope.workspace_id,
    )
    near = near.exclude(pk__in=[memory.pk for memory in memories])
    return [
        memory
        for memory in near.exclude(state=Memory.State.FORGOTTEN).select_related("scope")
        if forgotten.is_within(memory.text) or forgotten.is_within(memory.value)
    ]


def texts_of(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    """The columns of a model in which words may stand."""
    kept = KEPT.get(model._meta.model_name or "", set())
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField | models.JSONField)
        and not field.choices
        and field.name not in kept
    ]


def _holding(name: str, workspace: Workspace, forgotten: Forgotten) -> list[models.Model]:
    model = apps.get_model("staff", name)
    any_column, casts = Q(), {}
    for field in texts_of(model):
        casts[f"{field.name}_as_text"] = Cast(field.name, models.TextField())
        any_column |= Q(**{f"{field.name}_as_text__iregex": forgotten.pattern})
    rows = model._default_manager.alias(**casts).filter(any_column)
    return list(rows.filter(**{WORKSPACE[name]: workspace}).order_by("pk"))


def _goal_of(row: models.Model) -> int | None:
    if isinstance(row, Goal):
        return row.pk
    if isinstance(row, Effect):
        return row.task.goal_id
    goal_id = getattr(row, "goal_id", None)
    return goal_id if goal_id or not hasattr(row, "task") else getattr(row.task, "goal_id", None)


def _redact_row(row: models.Model, forgotten: Forgotten) -> int:
    changed = {}
    is_order = isinstance(row, Goal) and row.ended_at is None
    for field in [] if is_order else texts_of(type(row)):
        before = getattr(row, field.attname)
        after = forgotten.out_of_json(before)
        if after != before:
            changed[field.name] = after
    if changed:
        type(row)._default_manager.filter(pk=row.pk).update(**changed)
    return bool(changed)


def _join_pieces(call: models.Model, forgotten: Forgotten) -> int:
    """A streamed answer stands in the stream in pieces that hold too few words each: the first
    gets all that may be said, the others nothing."""
    assert isinstance(call, ModelCall)
    pieces = Event.objects.filter(
        goal=call.goal_id, kind="model.text", data__call=call.digest[:12]
    ).order_by("seq")
    events = list(pieces)
    if not _rejoin([event.data for event in events], forgotten):
        return 0
    Event.objects.bulk_update(events, ["data"])
    return len(events)


def _rejoin(pieces: Sequence[dict[str, Any]], forgotten: Forgotten) -> bool:
    whole = "".join(piece["text"] for piece in pieces)
    left = forgotten.out_of(whole)
    if left == whole:
        return False
    for piece, text in zip(pieces, [left, *[""] * (len(pieces) - 1)], strict=True):
        piece["text"] = text
    return True


def _archives_holding(workspace: Workspace, forgotten: Forgotten) -> list[EventArchive]:
    every = EventArchive.objects.filter(goal__workspace=workspace).order_by("pk")
    return [each for each in every.iterator(chunk_size=20) if _redacted(each, forgotten)]


def _redacted(archive: EventArchive, forgotten: Forgotten) -> bytes | None:
    """The archive's new body; None if it holds nothing of it."""
    events = json.loads(zlib.decompress(archive.body))
    calls: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if event["kind"] == "model.text":
            calls.setdefault(event["data"]["call"], []).append(event["data"])
    joined = [_rejoin(pieces, forgotten) for pieces in calls.values()]
    after = [event | {"data": forgotten.out_of_json(event["data"])} for event in events]
    if not any(joined) and after == events:
        return None
    return zlib.compress(json.dumps(after).encode())


def _redact_archive(archive: EventArchive, forgotten: Forgotten) -> int:
    body = _redacted(archive, forgotten)
    return EventArchive.objects.filter(pk=archive.pk).update(body=body) if body else 0


def _files_of(effects: Iterable[models.Model]) -> list[Artifact]:
    """The files that these effects have written; their arguments hold all that stands in them."""
    written = [
        Q(task__goal__tasks=effect.task_id, name=effect.arguments.get("name"))
        for effect in effects
        if isinstance(effect, Effect) and effect.arguments.get("name")
    ]
    if not written:
        return []
    made = Artifact.objects.filter(origin=Artifact.Origin.MADE).select_related("goal")
    named = Q()
    for each in written:
        named |= each
    return list(made.filter(named).distinct())


def _redact_file(artifact: Artifact, forgotten: Forgotten) -> int:
    path = Path(settings.GOALS_DIR) / artifact.goal.folder / artifact.name
    if not path.is_file() or path.is_symlink():
        return 0
    before = path.read_bytes()
    after = _redacted_file(path, before, forgotten)
    if after == before:
        return 0
    staged = path.with_name(f".staged-forgetting-{artifact.pk}")
    staged.write_bytes(after)
    os.replace(staged, path)
    Artifact.objects.filter(pk=artifact.pk).update(
        size_bytes=len(after), sha256=hashlib.sha256(after).hexdigest()
    )
    return 1


def _redacted_file(path: Path, content: bytes, forgotten: Forgotten) -> bytes:
    if path.suffix.lower() in TEXT_FILES:
        return forgotten.out_of(content.decode("utf-8", "replace")).encode()
    if path.suffix.lower() == ".xlsx":
        return _redacted_workbook(content, forgotten)
    return content


def _redacted_workbook(content: bytes, forgotten: Forgotten) -> bytes:
    import io

    import openpyxl

    book, changed = openpyxl.load_workbook(io.BytesIO(content)), False
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                after = forgotten.out_of_json(cell.value)
                if isinstance(cell.value, str) and after != cell.value:
                    cell.value, cell.data_type, changed = after, "s", True
    out = io.BytesIO()
    book.save(out)
    return out.getvalue() if changed else content
