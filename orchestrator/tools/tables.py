"""Tools over tables: rows are dicts, amounts Decimals, None what could not be read.

Nothing is invented and nothing is lost without a word: rows that cannot be counted are counted
apart and noted, and amounts of different currencies are never added up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from orchestrator.tools import sheets
from orchestrator.tools.base import FileProblem, Row, Table, ToolContext, ToolError
from orchestrator.tools.folder import kind_of
from orchestrator.tools.registry import tool
from orchestrator.tools.values import listed, plain

LONG_ROWS = 25  # from here on a table is reckoned with rather than read

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: _normal(a) == _normal(b),
    "!=": lambda a, b: _normal(a) != _normal(b),
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "contains": lambda a, b: _folded(b) in _folded(a),
}
_MARKS = re.compile(r"((?<=\d)[^\w+#]+(?=\d))|[^\w+#]|_")


@tool(effect="reads")
def read_table(context: ToolContext, name: str, sheet: str | None = None) -> Table:
    """Rows of a csv, xlsx or json file."""
    content = _content(context, name)
    match kind_of(name, content):
        case "xlsx":
            try:
                return sheets.from_xlsx(name, content, sheet, context.notes)
            except sheets.UnknownSheet as unknown:
                raise ToolError(f'{name} has no sheet "{sheet}"; {unknown}') from None
        case "json":
            return sheets.from_json(name, content)
        case "csv" | "text" | "md":
            return sheets.from_csv(name, content, context.notes)
        case "empty":
            raise FileProblem(name, "it is empty.")
        case kind:
            raise ToolError(f"{name} is no table (it is {kind}); read_text or extract reads it")


@tool(effect="reads")
def filter_rows(context: ToolContext, rows: Table, where: dict[str, Any]) -> Table:
    """Rows where all hold, as {"city": ["Rome", "Bonn"], "total": {">": 5}}."""
    for column in where:
        _need(rows, [column])
    return [row for row in rows if all(_holds(row[c], asked) for c, asked in where.items())]


@tool(effect="reads")
def sum_by(context: ToolContext, rows: Table, by: list[str] | str, value: str) -> Table:
    """Sum and count per group; currencies stay apart."""
    return _per_group(context, rows, by, value, lambda numbers: sum(numbers, Decimal(0)))


@tool(effect="reads")
def average_by(context: ToolContext, rows: Table, by: list[str] | str, value: str) -> Table:
    """Average and count per group."""
    return _per_group(context, rows, by, value, _mean)


@tool(effect="reads")
def count_by(context: ToolContext, rows: Table, by: list[str] | str) -> Table:
    """Number of rows per group."""
    groups = _groups(rows, _columns(by))
    return [{**key, "count": len(members)} for key, members in groups]


@tool(effect="reads")
def total(context: ToolContext, rows: Table, value: str) -> Any:
    """Sum; with several currencies {currency: sum}."""
    groups = _per_group(context, rows, [], value, lambda numbers: sum(numbers, Decimal(0)))
    if not groups:
        return Decimal(0)
    if len(groups) == 1:
        return groups[0][value]
    return {str(group["currency"] or "?"): group[value] for group in groups}


@tool(effect="reads")
def join_rows(context: ToolContext, left: Table, right: Table, on: list[str] | str) -> Table:
    """Rows of left with the columns of matching rows of right."""
    columns = _columns(on)
    _need(left, columns)
    _need(right, columns)
    matches: dict[tuple[Any, ...], Table] = {}
    for row in right:
        matches.setdefault(_key(row, columns), []).append(row)
    empty = dict.fromkeys(_names(right))
    joined: Table = []
    for row in left:
        found = [] if _has_none(row, columns) else matches.get(_key(row, columns), [])
        joined += [{**empty, **other, **row} for other in found or [empty]]
    if unmatched := sum(_key(row, columns) not in matches for row in left):
        _note(context, f"{unmatched} of {_counted(len(left))} had no match in the other table")
    return joined


@tool(effect="reads")
def sort_rows(
    context: ToolContext, rows: Table, by: list[str] | str, descending: bool = False
) -> Table:
    """Rows in order."""
    columns = _columns(by)
    _need(rows, columns)
    done = list(rows)
    for column in reversed(columns):
        known = [row for row in done if row[column] is not None]
        unread = [row for row in done if row[column] is None]
        done = sorted(known, key=lambda r: _rank(r[column]), reverse=descending) + unread
    return done


@tool(effect="reads")
def top_rows(context: ToolContext, rows: Table, by: str, n: int = 5) -> Table:
    """The n rows with the largest values."""
    return sort_rows(context, rows, by, descending=True)[: max(0, n)]


@tool(effect="reads")
def select_columns(context: ToolContext, rows: Table, columns: list[str]) -> Table:
    """Rows with these columns only."""
    _need(rows, columns)
    return [{column: row[column] for column in columns} for row in rows]


@tool(effect="reads")
def find_duplicates(context: ToolContext, rows: Table, by: list[str]) -> Table:
    """Rows that repeat an earlier one, with duplicate_of."""
    _need(rows, by)
    first: dict[tuple[Any, ...], str] = {}
    repeats: Table = []
    for number, row in enumerate(rows, 1):
        if _has_none(row, by):
            continue
        key = _key(row, by)
        if key in first:
            repeats.append({**row, "duplicate_of": first[key]})
        else:
            first[key] = str(row.get("source") or f"row {number}")
    if skipped := sum(_has_none(row, by) for row in rows):
        _note(context, f"{_counted(skipped)} could not be compared: {listed(by)} not all read")
    return repeats


@tool(effect="reads")
def drop_duplicates(context: ToolContext, rows: Table, by: list[str]) -> Table:
    """Rows without those that repeat an earlier one."""
    _need(rows, by)
    seen: set[tuple[Any, ...]] = set()
    kept: Table = []
    for row in rows:
        key = _key(row, by)
        if _has_none(row, by) or key not in seen:
            kept.append(row)
            seen.add(key)
    return kept


@tool(effect="reads")
def describe_table(context: ToolContext, rows: Table) -> dict[str, Any]:
    """Its size, columns, and min, max, sum of numbers."""
    numbers: dict[str, dict[str, Any]] = {}
    for column in _names(rows):
        values = [row.get(column) for row in rows]
        known: list[Any] = [value for value in values if _is_number(value)]
        if known and len(known) == sum(value is not None for value in values):
            summed = total(context, rows, column)
            numbers[column] = {"min": min(known), "max": max(known), "sum": summed}
    return {"rows": len(rows), "columns": _names(rows), "numbers": numbers}


@tool(effect="reads")
def long_tables(context: ToolContext, files: list[str]) -> list[str]:
    """Those files that are tables to reckon with: many rows, and numbers in them."""
    quiet = replace(context, notes=[], problems=[])
    found = []
    for name in files:
        try:
            rows = read_table(quiet, name)
        except (ToolError, FileProblem):
            continue  # whoever reads it says what is wrong with it
        if len(rows) > LONG_ROWS and describe_table(quiet, rows)["numbers"]:
            found.append(name)
    return found


def _content(context: ToolContext, name: str) -> bytes:
    names = context.files.names()
    if name not in names:
        raise ToolError(f'there is no file "{name[:80]}"; the files are: {listed(names) or "none"}')
    return context.files.read(name)


def _columns(by: list[str] | str) -> list[str]:
    return [by] if isinstance(by, str) else list(by)


def _names(rows: Table) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _need(rows: Table, columns: Sequence[str]) -> None:
    """Every row has these columns, or the model is told which there are."""
    if not rows:
        return
    missing = next((c for row in rows for c in columns if c not in row), None)
    if missing is not None:
        raise ToolError(f'unknown column "{missing}"; the rows have: {listed(_names(rows))}')


def _per_group(
    context: ToolContext,
    rows: Table,
    by: list[str] | str,
    value: str,
    reckon: Callable[[list[Any]], Any],
) -> Table:
    """One row per group: its columns, what was reckoned, `count`, and `unread` if there are any."""
    columns = _columns(by)
    _need(rows, [*columns, value])
    if "currency" in _names(rows) and "currency" not in columns:
        _need(rows, ["currency"])
        columns = [*columns, "currency"]
    groups = _groups(rows, columns)
    unread = {id(row) for row in rows if row[value] is None}
    made = []
    for key, members in groups:
        numbers = [_number(row, value) for row in members if row[value] is not None]
        result = reckon(numbers) if numbers else None
        made.append({**key, value: result})
        made[-1].setdefault("count", len(members))
        if unread:
            made[-1]["unread"] = len(members) - len(numbers)
    if unread:
        named = [
            str(r.get("source") or f"row {n}") for n, r in enumerate(rows, 1) if id(r) in unread
        ]
        _note(context, f"{value} could not be read, so it is not counted in: {listed(named)}")
    return made


def _groups(rows: Table, columns: Sequence[str]) -> list[tuple[Row, Table]]:
    """Groups in the order of their first rows; spelled as there, compared without case."""
    _need(rows, columns)
    groups: dict[tuple[Any, ...], Table] = {}
    for row in rows:
        groups.setdefault(_key(row, columns), []).append(row)
    return [({c: members[0][c] for c in columns}, members) for members in groups.values()]


def _note(context: ToolContext, text: str) -> None:
    if text not in context.notes:
        context.notes.append(text)


def _counted(rows: int) -> str:
    return f"{rows} row{'s' * (rows != 1)}"


def _number(row: Row, value: str) -> Any:
    found = row[value]
    if not _is_number(found):
        raise ToolError(f"{value} must be numbers; got {plain(found)}")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _mean(numbers: list[Any]) -> Decimal:
    return (sum(numbers, Decimal(0)) / len(numbers)).quantize(Decimal("0.01"))


def _key(row: Row, columns: Sequence[str]) -> tuple[Any, ...]:
    return tuple(_normal(row[column]) for column in columns)


def _has_none(row: Row, columns: Sequence[str]) -> bool:
    return any(row[column] is None for column in columns)


def _normal(value: Any) -> Any:
    """What two values share if people take them for the same: case, spaces and marks aside.

    A mark between digits stays, so that 1.5 is not 15.
    """
    if isinstance(value, str):
        return _MARKS.sub(lambda mark: "-" if mark[1] else "", value.casefold()) or value
    if isinstance(value, list | tuple):
        return tuple(map(_normal, value))
    return str(value) if isinstance(value, dict) else value


def _folded(value: Any) -> str:
    return " ".join(str(value).casefold().split())


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before texts, so that a mixed column has an order."""
    return (0, value) if _is_number(value) else (1, str(value).casefold())


def _holds(value: Any, asked: Any) -> bool:
    if isinstance(asked, list | tuple | set):
        return any(_holds(value, one) for one in asked)
    if not isinstance(asked, dict):
        return bool(_normal(value) == _normal(asked))
    if unknown := [sign for sign in asked if sign not in _COMPARISONS]:
        raise ToolError(f'unknown comparison "{unknown[0]}"; there are: {listed(_COMPARISONS)}')
    return all(_compared(value, sign, other) for sign, other in asked.items())


def _compared(value: Any, sign: str, other: Any) -> bool:
    if value is None or other is None:
        return {"==": value is other, "!=": value is not other}.get(sign, False)
    try:
        return _COMPARISONS[sign](value, other)
    except TypeError:
        raise ToolError(f"cannot compare {plain(value)} {sign} {plain(other)}") from None
