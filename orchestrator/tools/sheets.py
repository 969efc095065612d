"""Tables out of files: CSV, XLSX and JSON into rows of plain values.

A column is read as a whole: it holds numbers if nearly all of its cells do, under one reading of
points and commas. What then cannot be read is None and is noted; nothing is guessed cell by cell.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any

from charset_normalizer import from_bytes

from orchestrator.tools.amounts import CODES
from orchestrator.tools.base import FileProblem, Table

MAX_ROWS = 100_000
MAX_COLUMNS = 500
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
MOSTLY = 0.8  # of a column's cells: then the others could not be read

_EMPTY = {"", "-", "–", "—", "n/a", "na", "none", "null", "nan", "?"}
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError)
_DAMAGED_XML = (SyntaxError, LookupError, ValueError, TypeError, AttributeError, OSError)
_GROUPING = str.maketrans("", "", " \u00a0\u202f'’")
_SIGN = rf"[€$£¥]|(?<![A-Za-z-])(?:{'|'.join(sorted(CODES))})(?![A-Za-z-])"  # INV-7 has none
_CURRENCY = re.compile(rf"^\s*({_SIGN})\s*|\s*({_SIGN})\s*$")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*")


class UnknownSheet(Exception):
    """The workbook has no such sheet; `names` are those that it has."""

    def __init__(self, names: Sequence[str]):
        super().__init__(f"the sheets are: {', '.join(names)}")
        self.names = names


def from_csv(name: str, content: bytes, notes: list[str]) -> Table:
    """Rows of a CSV file; encoding, delimiter and decimal comma are told from the content."""
    text = decoded(name, content)
    try:
        delimiter = _delimiter(text)
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as wrong:
        raise FileProblem(name, f"it is not a readable table ({wrong}).") from None
    cells = [[_unguarded(cell.strip()) for cell in line] for line in lines if any(line)]
    return _rows(name, cells, notes, comma_likely=delimiter == ";")


def from_xlsx(name: str, content: bytes, sheet: str | None, notes: list[str]) -> Table:
    """Rows of one sheet of a workbook, the first one unless named.

    Raises FileProblem for a workbook that cannot be read, UnknownSheet.
    """
    import openpyxl  # loaded by the first workbook: a worker is back sooner without it

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            if sum(part.file_size for part in parts.infolist()) > MAX_UNPACKED_BYTES:
                raise FileProblem(name, "its content is far larger than the file; it is not read.")
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = book.sheetnames
        lines = _lines(book, sheet or sheets[0]) if sheet is None or sheet in sheets else None
        book.close()
    except (*_DAMAGED, *_DAMAGED_XML) as wrong:
        raise FileProblem(name, f"it is not a readable workbook ({wrong}).") from None
    if lines is None:
        raise UnknownSheet(sheets)
    return _rows(name, [line for line in lines if any(c not in (None, "") for c in line)], notes)


def from_json(name: str, content: bytes) -> Table:
    """Rows of a JSON list of objects, or of the one list in an object."""
    try:
        value = json.loads(decoded(name, content), parse_float=Decimal)
    except (ValueError, RecursionError) as wrong:
        raise FileProblem(name, f"it is not readable JSON ({wrong}).") from None
    if isinstance(value, dict):
        lists = [part for part in value.values() if isinstance(part, list)]
        value = lists[0] if len(lists) == 1 else [value]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise FileProblem(name, "it is not a list of objects, so it is no table.")
    columns = dict.fromkeys(key for row in value for key in row)
    return [{column: row.get(column) for column in columns} for row in value]


def decoded(name: str, content: bytes) -> str:
    """The text, by its byte order mark, as UTF-8, or in the likeliest encoding."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(content[: 1 << 20], cp_isolation=["cp1252", "cp1250", "cp1251"]).best()
        if best is None:
            raise FileProblem(name, "its characters cannot be read; save it as UTF-8.") from None
        return content.decode(best.encoding, "replace")


def as_number(text: str, decimal_comma: bool) -> int | Decimal | None:
    """The number that a text is, under one reading of points and commas; else None.

    "00123" is no number but a code. One currency sign or code beside it is left out.
    """
    bare = _CURRENCY.sub("", text.strip(), count=1).translate(_GROUPING)
    if bare.startswith("(") and bare.endswith(")"):
        bare = "-" + bare[1:-1]
    if not _NUMBER.fullmatch(bare) or len(bare) > 40:
        return None
    point, group = (",", ".") if decimal_comma else (".", ",")
    whole, found, cents = bare.partition(point)
    groups = whole.lstrip("+-").split(group)
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(g) != 3 for g in groups[1:])):
        return None
    digits = "".join(groups)
    if (found and not cents.isdigit()) or (len(digits) > 1 and digits.startswith("0")):
        return None
    sign = "-" if bare.startswith("-") else ""
    return Decimal(f"{sign}{digits}.{cents}") if found else int(sign + digits)


def _delimiter(text: str) -> str:
    """The sign that cuts the first lines into equally many parts, and most of them."""
    sample = [line for line in text.splitlines()[:20] if line.strip()]

    def fit(sign: str) -> tuple[float, int]:
        widths = [len(line) for line in csv.reader(sample, delimiter=sign)]
        width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
        return (times / len(widths) if width > 1 else 0, width)

    return max((",", ";", "\t", "|"), key=fit)


def _unguarded(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from running the cell."""
    return cell[1:] if len(cell) > 1 and cell[0] == "'" and cell[1] in "=+-@" else cell


def _lines(book: Any, sheet: str) -> list[list[Any]]:
    page = book[sheet]
    page.reset_dimensions()  # what the sheet claims about its size is not believed
    rows = islice(page.iter_rows(values_only=True), MAX_ROWS + 2)
    return [[_from_cell(cell) for cell in line] for line in rows]


def _from_cell(value: Any) -> Any:
    if isinstance(value, datetime):
        midnight = value.time() == time(0)
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return int(value) if value.is_integer() else Decimal(repr(value))
    if isinstance(value, str):
        return _unguarded(value.strip())
    return value if value is None or isinstance(value, bool | int) else str(value)


def _rows(
    name: str, lines: Sequence[Sequence[Any]], notes: list[str], comma_likely: bool = False
) -> Table:
    if not lines:
        raise FileProblem(name, "there is no table in it.")
    if len(lines) > MAX_ROWS or max(map(len, lines)) > MAX_COLUMNS:
        raise FileProblem(name, f"it has more than {MAX_ROWS} rows or {MAX_COLUMNS} columns.")
    header, body = _headers(lines[0], max(map(len, lines))), lines[1:]
    columns = [[line[i] if i < len(line) else None for line in body] for i in range(len(header))]
    comma = _decimal_comma((cell for column in columns for cell in column), comma_likely)
    read = [
        _column(name, title, cells, comma, notes)
        for title, cells in zip(header, columns, strict=True)
    ]
    return [dict(zip(header, row, strict=True)) for row in zip(*read, strict=True)]


def _headers(line: Sequence[Any], width: int) -> list[str]:
    """Names of the columns: trimmed, empty ones numbered, repeated ones told apart."""
    names: list[str] = []
    for number in range(width):
        given = line[number] if number < len(line) else None
        base = " ".join(str(given).split()) if given not in (None, "") else f"column {number + 1}"
        name, copy = base, 2
        while name in names:
            name, copy = f"{base} {copy}", copy + 1
        names.append(name)
    return names


def _decimal_comma(cells: Iterable[Any], likely: bool) -> bool:
    """Whether a comma marks decimals in this file, by its unambiguous numbers."""
    votes = Counter(
        comma
        for cell in cells
        if isinstance(cell, str)
        for comma in (True, False)
        if as_number(cell, comma) is not None and as_number(cell, not comma) is None
    )
    return likely if votes[True] == votes[False] else votes[True] > votes[False]


def _column(
    name: str, title: str, cells: Sequence[Any], comma: bool, notes: list[str]
) -> list[Any]:
    """The column's values: all numbers (None where unreadable), or all as they were given."""
    given = [None if cell == "" else cell for cell in cells]
    texts = {
        row: cell
        for row, cell in enumerate(given)
        if isinstance(cell, str) and cell.casefold() not in _EMPTY
    }
    numbers = {row: as_number(cell, comma) for row, cell in texts.items()}
    readable = {row: number for row, number in numbers.items() if number is not None}
    native = sum(isinstance(c, int | Decimal) and not isinstance(c, bool) for c in given)
    filled = len(texts) + sum(c is not None and not isinstance(c, str) for c in given)
    signs = {_sign(texts[row]) for row in readable}
    if not (readable or native) or len(signs) > 1:
        return given
    if len(readable) + native < MOSTLY * filled or _is_code(texts.values()):
        return given
    unread = [row for row, number in numbers.items() if number is None]
    if unread:
        first = texts[unread[0]][:40]
        note = (
            f"{name}: {len(unread)} value{'s' * (len(unread) > 1)} of {title} could not be read "
            f'as a number, first "{first}" in row {unread[0] + 1}'
        )
        if note not in notes:
            notes.append(note)
    return [readable.get(row) if isinstance(cell, str) else cell for row, cell in enumerate(given)]


def _sign(text: str) -> str:
    found = _CURRENCY.search(text)
    return (found[1] or found[2]) if found else ""


def _is_code(texts: Iterable[str]) -> bool:
    """Whether some cell has a leading zero: then the digits are a code, not a quantity."""
    return any(re.match(r"0\d", text) for text in texts)
