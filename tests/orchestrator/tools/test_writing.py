"""Writing: intended with all its content, committed as files that others can open."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.tools import registry
from orchestrator.tools.base import ToolContext, ToolError
from orchestrator.tools.folder import GoalFolder, Overlay
from orchestrator.tools.sheets import from_csv
from orchestrator.tools.writing import _cells, _commit_csv

ROWS = [
    {"vendor": "Acme", "total": Decimal("1234.5"), "n": 3, "on": "2026-01-02", "ok": True},
    {"vendor": "=1+1|x", "total": None, "n": 12345, "on": None, "tags": ["a", "b"]},
]


@pytest.fixture
def commit(context: ToolContext, folder: GoalFolder) -> Callable[[], list[dict[str, Any]]]:
    """Commits all effects, from arguments that went through JSON and lost the order of keys."""

    def run() -> list[dict[str, Any]]:
        stored = [
            replace(effect, arguments=json.loads(json.dumps(effect.arguments, sort_keys=True)))
            for effect in context.effects
        ]
        return [registry.commit(effect, folder) for effect in stored]

    return run


def test_csv_keeps_columns_in_order_numbers_whole_and_formulas_harmless(call, commit, folder):
    assert call["write_csv"]("t", ROWS) == "t.csv"
    (result,) = commit()
    content = folder.read("t.csv")
    assert list(csv.reader(io.StringIO(content.decode()))) == [
        ["vendor", "total", "n", "on", "ok", "tags"],
        ["Acme", "1234.5", "3", "2026-01-02", "True", ""],
        ["'=1+1|x", "", "12345", "", "", "a; b"],
    ]
    assert result == {
        "file": "t.csv",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_chosen_columns_and_empty_tables(call, commit, folder, context):
    call["write_csv"]("some.csv", ROWS, ["n", "vendor"])
    call["write_csv"]("header.csv", [], ["a", "b"])
    call["write_csv"]("nothing.csv", [])
    commit()
    assert folder.read("some.csv").splitlines()[0] == b"n,vendor"
    assert folder.read("header.csv") == b"a,b\r\n"
    assert folder.read("nothing.csv") == b"(no rows)\r\n"
    assert context.effects[0].summary == "write some.csv: 2 rows, 2 columns"
    assert call["read_table"]("nothing.csv") == []
    with pytest.raises(ToolError, match='unknown column "vendr"; the table has: vendor, total'):
        call["write_csv"]("t.csv", ROWS, ["vendr"])


CELLS = st.none() | st.integers(-(10**9), 10**9) | st.decimals(-(10**6), 10**6, places=2)


@given(st.lists(st.fixed_dictionaries({"a": CELLS, "b": st.just("text")}), min_size=1))
def test_numbers_come_back_from_csv_as_they_were(rows):
    files = Overlay(None)  # type: ignore[arg-type]
    _commit_csv(files, {"name": "t.csv", **_cells(rows, None)})
    assert from_csv("t.csv", files.read("t.csv"), []) == rows


@given(st.text())
def test_no_cell_of_a_csv_file_begins_a_formula(text):
    files = Overlay(None)  # type: ignore[arg-type]
    _commit_csv(files, {"name": "t.csv", **_cells([{"a": text}], None)})
    lines = list(csv.reader(io.StringIO(files.read("t.csv").decode(), newline="")))
    assert all(not cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)


def test_workbooks_hold_numbers_as_numbers_and_formulas_as_text(call, commit, folder):
    call["write_xlsx"]("t.xlsx", {"All": ROWS, "None": []})
    commit()
    book = openpyxl.load_workbook(io.BytesIO(folder.read("t.xlsx")))
    assert book.sheetnames == ["All", "None"]
    page = book["All"]
    assert [cell.value for cell in page[1]] == ["vendor", "total", "n", "on", "ok", "tags"]
    assert (page["A3"].value, page["A3"].data_type) == ("=1+1|x", "s")
    assert (page["B2"].value, page["B2"].data_type) == (1234.5, "n")
    assert call["read_table"]("t.xlsx")[0]["total"] == Decimal("1234.5")
    with pytest.raises(ToolError, match="no sheet name"):
        call["write_xlsx"]("t.xlsx", {"a/b": ROWS})
    with pytest.raises(ToolError, match="at least one"):
        call["write_xlsx"]("t.xlsx", {})


def test_texts_and_json(call, commit, folder, context):
    call["write_markdown"]("summary.md", "# Größe\n")
    call["write_text"]("note.txt", "one two")
    call["write_json"]("all.json", {"rows": ROWS[:1], "share": Decimal("0.5")})
    commit()
    assert folder.read("summary.md").decode() == "# Größe\n"
    assert json.loads(folder.read("all.json")) == {
        "rows": [{**ROWS[0], "total": 1234.5}],
        "share": 0.5,
    }
    assert [effect.summary for effect in context.effects][:2] == [
        "write summary.md: 2 words",
        "write note.txt: 2 words",
    ]
    with pytest.raises(ToolError, match="is empty"):
        call["write_text"]("a.txt", " \n")


def test_a_write_over_a_file_says_that_it_replaces(call, context, folder):
    folder.write("a.md", b"old")
    call["write_markdown"]("a.md", "new")
    assert context.effects[0].summary == "replace a.md: 1 word"
    assert folder.read("a.md") == b"old"


def test_names_are_safe_and_end_as_their_content(call):
    assert call["write_markdown"]("summary", "x") == "summary.md"
    for name, said in [("../a.csv", "dot"), ("a/b.csv", "one folder"), ("a.pdf", '".csv"')]:
        with pytest.raises(ToolError, match=said):
            call["write_csv"](name, ROWS)


def test_tables_as_markdown(call):
    rows = [{key: row[key] for key in ("vendor", "total", "n", "on")} for row in ROWS]
    assert call["table_markdown"](rows).splitlines() == [
        "| vendor | total | n | on |",
        "| --- | ---: | ---: | --- |",
        "| Acme | 1,234.50 | 3 | 2026-01-02 |",
        "| =1+1\\|x | could not be read | 12345 | could not be read |",
    ]
    assert call["table_markdown"](rows, ["n"]).splitlines()[0] == "| n |"
    assert call["table_markdown"]([]) == "(no rows)\n"


def test_bullets(call):
    assert call["bullets"](["a\nb", 1, None, {"who": "Ann", "due": None}]) == (
        "- a b\n- 1\n- could not be read\n- who: Ann; due: could not be read\n"
    )


def test_finish_tells_the_boss(call, context, commit):
    call["finish"]("Two vendors.\nMore below.")
    assert context.effects[0].summary == "answer: Two vendors."
    assert commit() == [{"answer": "Two vendors.\nMore below."}]
    with pytest.raises(ToolError, match="empty"):
        call["finish"]("  ")


def test_the_same_writes_have_the_same_digest(call, context):
    call["write_csv"]("t.csv", ROWS)
    call["write_csv"]("t.csv", [dict(row) for row in ROWS])
    call["write_csv"]("t.csv", ROWS[:1])
    first, second, third = (effect.digest for effect in context.effects)
    assert first == second != third
