"""Records out of a table: where a file's header names the fields, each row is one, without a model.

A table whose header does not name them (the lines of one invoice, say) is read as a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from orchestrator.tools.amounts import parse_amount
from orchestrator.tools.base import FileProblem, Row, Table, ToolContext, ToolError
from orchestrator.tools.candidates import Evidence, value_of
from orchestrator.tools.documents import Document
from orchestrator.tools.fields import Field, column_for
from orchestrator.tools.tables import read_table

ENOUGH = 0.6  # of the fields must have a column


def records_of(context: ToolContext, document: Document, fields: Sequence[Field]) -> Table:
    """The table's rows as records with the fields and `source`; [] if it is no such table."""
    if document.kind not in ("csv", "xlsx"):
        return []
    try:
        rows = read_table(context, document.name)
    except (ToolError, FileProblem):
        return []
    columns = {each.name: column_for(each, rows[0] if rows else ()) for each in fields}
    named = [column for column in columns.values() if column]
    if len(named) < max(2, ENOUGH * len(fields)):
        return []
    evidence = Evidence(document.text)
    return [
        _record(row, fields, columns, evidence) | {"source": document.name}
        for row in rows
        if any(row.get(column) not in (None, "") for column in named)
    ]


def _record(
    row: Row, fields: Sequence[Field], columns: Mapping[str, str | None], evidence: Evidence
) -> Row:
    record = {
        each.name: _value(each, row.get(columns[each.name] or ""), evidence) for each in fields
    }
    for each in fields:  # a table that is all in one currency may say so beside its amounts only
        if each.type == "currency" and record[each.name] is None and len(evidence.currencies) == 1:
            record[each.name] = next(iter(evidence.currencies))
    return record


def _value(of: Field, cell: Any, evidence: Evidence) -> Any:
    if cell in (None, ""):
        return None
    if of.type == "number":
        return cell if isinstance(cell, int | Decimal) else parse_amount(str(cell))
    if of.type in ("date", "currency"):
        return value_of(of, str(cell).strip(), evidence)
    return str(cell)
