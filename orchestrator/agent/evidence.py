"""Evidence: a task is done only if what it was to make is there and is what its name says."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from orchestrator.tools.base import FileProblem, Files


def check(outputs: Sequence[str], files: Files) -> list[str]:
    """What is missing or wrong, in plain words; empty if every output stands."""
    return [problem for name in outputs if (problem := _check_one(name, files))]


def _check_one(name: str, files: Files) -> str:
    try:
        content = files.read(name)
    except FileProblem:
        return f"{name} was not written"
    if not content.strip():
        return f"{name} is empty"
    look = CHECKS.get(name.rpartition(".")[2].lower(), _anything)
    try:
        wrong = look(content)
    except (ValueError, KeyError, OSError, csv.Error) as reason:
        wrong = f"cannot be read back ({reason})"
    return f"{name} {wrong}" if wrong else ""


def _anything(content: bytes) -> str:
    return ""


def _csv(content: bytes) -> str:
    header = next(csv.reader(io.StringIO(content.decode("utf-8-sig"))), [])
    return "" if any(cell.strip() for cell in header) else "has no header"


def _json(content: bytes) -> str:
    json.loads(content)
    return ""


def _xlsx(content: bytes) -> str:
    import zipfile

    import openpyxl

    try:
        openpyxl.load_workbook(io.BytesIO(content), read_only=True).close()
    except zipfile.BadZipFile as bad:
        raise ValueError(str(bad)) from bad
    return ""


def _markdown(content: bytes) -> str:
    text = content.decode("utf-8")
    return "" if any(c.isalnum() for c in text) else "has no text"


CHECKS: Mapping[str, Callable[[bytes], str]] = {
    "csv": _csv,
    "json": _json,
    "xlsx": _xlsx,
    "md": _markdown,
}
