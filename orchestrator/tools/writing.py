"""Tools that write: tables, texts, and the answer to the boss. The code renders, never the model.

Each tool intends an effect whose arguments hold everything that is written, with columns in
order (a JSON object would lose it), so that an approval binds the very content.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from orchestrator.tools.base import Files, Row, Table, ToolContext, ToolError
from orchestrator.tools.folder import safe_name
from orchestrator.tools.registry import intend, tool
from orchestrator.tools.values import clean_text, listed, plain

__all__ = ["safe_name"]

NO_ROWS = "(no rows)"
UNREAD = "could not be read"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MAX_XLSX_ROWS = 1_048_575  # besides the header


def _commit_csv(files: Files, arguments: dict[str, Any]) -> dict[str, Any]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_guarded(column) for column in arguments["columns"]])
    writer.writerows([_csv_cell(cell) for cell in row] for row in arguments["rows"])
    return _written(files, arguments["name"], out.getvalue().encode("utf-8"))


@tool(effect="writes", commit=_commit_csv, acts=("name",))
def write_csv(
    context: ToolContext, name: str, rows: Table, columns: list[str] | None = None
) -> str:
    """Write a table to a .csv file."""
    arguments = {"name": _named(name, ".csv"), **_cells(rows, columns)}
    return _intend_file(context, "write_csv", arguments, _size_of_table(arguments))


def _commit_xlsx(files: Files, arguments: dict[str, Any]) -> dict[str, Any]:
    from openpyxl import Workbook  # loaded by the first workbook, as in `formats`
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    book.remove(book.worksheets[0])
    for sheet in arguments["sheets"]:
        page = book.create_sheet(sheet["title"])
        for number, row in enumerate([sheet["columns"], *sheet["rows"]], 1):
            for column, value in enumerate(row, 1):
                cell = page.cell(number, column, _xlsx_cell(value))
                if isinstance(value, str):
                    cell.data_type = "s"  # never a formula
                if isinstance(value, Decimal):
                    cell.number_format = "#,##0.00"
        for column, title in enumerate(sheet["columns"], 1):
            page.cell(1, column).font = Font(bold=True)
            page.column_dimensions[get_column_letter(column)].width = max(12, len(title) + 4)
        page.freeze_panes = "A2"
    out = io.BytesIO()
    book.save(out)
    return _written(files, arguments["name"], out.getvalue())


@tool(effect="writes", commit=_commit_xlsx, acts=("name",))
def write_xlsx(context: ToolContext, name: str, rows: Table | dict[str, Table]) -> str:
    """Write a table, or {sheet: table}, to an .xlsx workbook."""
    sheets = rows if isinstance(rows, dict) else {"Sheet1": rows}
    if not sheets:
        raise ToolError('rows has no sheet; give at least one: {"Totals": rows}')
    pages = [
        {"title": _sheet_title(title), **_cells(table, None)} for title, table in sheets.items()
    ]
    arguments = {"name": _named(name, ".xlsx"), "sheets": pages}
    size = "; ".join(_size_of_table(page) for page in pages)
    return _intend_file(context, "write_xlsx", arguments, size)


def _commit_text(files: Files, arguments: dict[str, Any]) -> dict[str, Any]:
    return _written(files, arguments["name"], arguments["text"].encode("utf-8"))


@tool(effect="writes", commit=_commit_text, acts=("name",))
def write_markdown(context: ToolContext, name: str, text: str) -> str:
    """Write Markdown text to a .md file."""
    return _intend_text(context, "write_markdown", _named(name, ".md"), text)


@tool(effect="writes", commit=_commit_text, acts=("name",))
def write_text(context: ToolContext, name: str, text: str) -> str:
    """Write plain text to a file."""
    return _intend_text(context, "write_text", safe_name(name), text)


@tool(effect="writes", commit=_commit_text, acts=("name",))
def write_json(context: ToolContext, name: str, value: Any) -> str:
    """Write a value to a .json file."""
    text = json.dumps(_jsonable(value), ensure_ascii=False, indent=2)
    return _intend_text(context, "write_json", _named(name, ".json"), text)


@tool(effect="reads")
def table_markdown(context: ToolContext, rows: Table, columns: list[str] | None = None) -> str:
    """The table as Markdown text."""
    cells = _cells(rows, columns)
    titles, lines = cells["columns"], cells["rows"]
    if not lines:
        return f"{NO_ROWS}\n"
    numeric = [_is_numeric([line[i] for line in lines]) for i in range(len(titles))]
    money = [any(_has_cents(line[i]) for line in lines) for i in range(len(titles))]
    ruler = ["---:" if right else "---" for right in numeric]
    body = [[_md_cell(cell, money[i]) for i, cell in enumerate(line)] for line in lines]
    return "".join(
        f"| {' | '.join(line)} |\n" for line in [[_md_text(t) for t in titles], ruler, *body]
    )


@tool(effect="reads")
def bullets(context: ToolContext, items: list[Any]) -> str:
    """The items as a Markdown list."""
    return "".join(f"- {_md_line(item)}\n" for item in items)


def _commit_finish(files: Files, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"answer": arguments["answer"]}


@tool(effect="says", commit=_commit_finish)
def finish(context: ToolContext, answer: str) -> str:
    """Tell the boss the result; call it last."""
    if not answer.strip():
        raise ToolError("the answer is empty; say the result in a sentence")
    first = answer.strip().splitlines()[0]
    intend(context, "finish", {"answer": answer}, f"answer: {first[:200]}")
    return answer


def _intend_text(context: ToolContext, tool: str, name: str, text: str) -> str:
    if not text.strip():
        raise ToolError(f"the text for {name} is empty")
    return _intend_file(context, tool, {"name": name, "text": text}, _size_of_text(text))


def _intend_file(context: ToolContext, tool: str, arguments: dict[str, Any], size: str) -> str:
    name: str = arguments["name"]
    there = context.files.names()
    intend(context, tool, arguments, f"{'replace' if name in there else 'write'} {name}: {size}")
    return name


def _size_of_table(cells: Mapping[str, Any]) -> str:
    rows, columns = len(cells["rows"]), len(cells["columns"])
    return f"{rows} row{'s' * (rows != 1)}, {columns} column{'s' * (columns != 1)}"


def _size_of_text(text: str) -> str:
    words = len(text.split())
    return f"{words} word{'s' * (words != 1)}"


def _named(name: str, ending: str) -> str:
    """The safe name with the ending that its content has."""
    safe_name(name)
    if name.casefold().endswith(ending):
        return name
    if "." in name:
        raise ToolError(f'{plain(name)} must end in "{ending}"')
    return safe_name(name + ending)


def _sheet_title(title: str) -> str:
    if not title.strip() or len(title) > 31 or set(title) & set("[]:*?/\\") or title[0] == "'":
        raise ToolError(f"{plain(title)} is no sheet name: 1 to 31 characters, none of []:*?/\\")
    return title


def _cells(rows: Table, columns: Sequence[str] | None) -> dict[str, Any]:
    """{"columns": [...], "rows": [[...], ...]}; every cell a scalar, absent ones None.

    An empty table whose columns nobody named gets one column that says so.
    """
    present = list(dict.fromkeys(key for row in rows for key in row))
    if columns is None:
        columns = present
    elif rows and (unknown := [name for name in columns if name not in present]):
        raise ToolError(f'unknown column "{unknown[0]}"; the table has: {listed(present)}')
    if len(rows) > MAX_XLSX_ROWS:
        raise ToolError(f"{len(rows)} rows are too many for one table")
    return {
        "columns": list(columns) or [NO_ROWS],
        "rows": [[_scalar(row, column) for column in columns] for row in rows],
    }


def _scalar(row: Row, column: str) -> Any:
    value = row.get(column)
    if isinstance(value, list | tuple | set):
        return "; ".join("" if item is None else str(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(_jsonable(value), ensure_ascii=False)
    return value


def _jsonable(value: Any) -> Any:
    """Plain JSON, as another program would expect it: a Decimal is a number there."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_jsonable(item) for item in value]
    return clean_text(value) if isinstance(value, str) else value


def _csv_cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return _guarded(value) if isinstance(value, str) else value


def _guarded(text: str) -> str:
    """Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def _xlsx_cell(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(char for char in value if char in "\t\n" or ord(char) >= 32)
    return value


def _is_numeric(cells: Sequence[Any]) -> bool:
    present = [cell for cell in cells if cell is not None]
    return bool(present) and all(
        isinstance(cell, int | Decimal) and not isinstance(cell, bool) for cell in present
    )


def _has_cents(cell: Any) -> bool:
    return isinstance(cell, Decimal) and int(cell.as_tuple().exponent) < 0


def _md_cell(cell: Any, money: bool) -> str:
    if cell is None:
        return UNREAD
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | Decimal):
        return f"{cell:,.2f}" if money else f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
    return _md_text(str(cell))


def _md_text(text: str) -> str:
    return _md_line(text).replace("|", "\\|")


def _md_line(item: Any) -> str:
    if item is None:
        return UNREAD
    if isinstance(item, dict):
        return "; ".join(f"{key}: {_md_line(value)}" for key, value in item.items())
    return " ".join(str(item).split())


def _written(files: Files, name: str, content: bytes) -> dict[str, Any]:
    files.write(name, content)
    return {
        "file": name,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
