"""The samples are what expected.json says, as far as code alone can tell."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.tools.base import ToolContext
from orchestrator.tools.candidates import Evidence, candidates, value_of
from orchestrator.tools.documents import compact, read_document
from orchestrator.tools.fields import parse_fields
from orchestrator.tools.folder import GoalFolder
from orchestrator.tools.tables import drop_duplicates, find_duplicates, read_table, sum_by
from web.samples import make_samples

SAMPLES = Path(make_samples.__file__).parent
EXPECTED = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))
FIELDS = parse_fields(
    {
        "vendor": "text",
        "invoice_number": "text",
        "date": "date",
        "currency": "currency",
        "total": "number",
    }
)
RECORDS = [row | {"total": Decimal(row["total"])} for row in EXPECTED["records"]]
KEY = ["vendor", "invoice_number", "total"]


def text_of(path: Path) -> str:
    document = read_document(path.name, path.read_bytes())
    assert document.notes == ()
    return compact(document)


def in_folder(name: str) -> ToolContext:
    def no_model(purpose: str, request: object) -> Any:
        raise AssertionError("no model is asked here")

    return ToolContext(GoalFolder(SAMPLES / name), no_model, "", date(2026, 5, 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["source"])
def test_every_field_of_an_invoice_can_be_chosen_and_read(record: dict[str, Any]) -> None:
    evidence = Evidence(text_of(SAMPLES / "invoices" / record["source"]))
    for field in FIELDS:
        found = [value_of(field, text, evidence) for text in candidates(field, evidence)]
        if field.name == "vendor":
            assert record["vendor"].casefold() in [str(each).casefold() for each in found]
        else:
            assert record[field.name] in found


def test_all_invoices_are_expected_and_nothing_is_large() -> None:
    names = {path.name for path in (SAMPLES / "invoices").iterdir()}
    assert names == {record["source"] for record in RECORDS}
    assert len(names) >= 14
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*.*")) < 500_000


def test_totals_and_duplicates_follow_from_the_records() -> None:
    context = in_folder("invoices")
    pairs = [[row["source"], row["duplicate_of"]] for row in find_duplicates(context, RECORDS, KEY)]
    assert pairs == EXPECTED["duplicates"]
    kept = drop_duplicates(context, RECORDS, KEY)
    totals = sum_by(context, kept, ["vendor", "currency"], "total")
    assert {f"{row['vendor']}|{row['currency']}": str(row["total"]) for row in totals} == (
        EXPECTED["totals"]
    )


def test_they_can_be_made_anew(tmp_path: Path) -> None:
    make_samples.make(tmp_path)
    for made in (path for path in tmp_path.rglob("*.*") if path.is_file()):
        assert text_of(made) == text_of(SAMPLES / made.relative_to(tmp_path))


def test_the_suggested_goals_have_their_files() -> None:
    goals = tomllib.loads((SAMPLES / "goals.toml").read_text(encoding="utf-8"))["goals"]
    assert [goal["folder"] for goal in goals] == ["invoices", "meetings", "sales"]
    assert goals[0]["text"] == (
        "Total these invoices per vendor, flag duplicates, and write me a one-page summary"
    )
    assert all(list((SAMPLES / goal["folder"]).iterdir()) and goal["title"] for goal in goals)


def test_the_sales_table_is_one() -> None:
    rows = read_table(in_folder("sales"), "sales-2026.csv")
    assert len(rows) >= 60
    assert all(isinstance(row["revenue"], int | Decimal) for row in rows)
