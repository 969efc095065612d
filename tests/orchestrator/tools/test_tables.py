"""Tables: read as a whole, reckoned without mixing, inventing or losing anything."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from orchestrator.tools.base import ToolContext, ToolError
from orchestrator.tools.sheets import as_number, from_csv
from orchestrator.tools.tables import drop_duplicates, find_duplicates, sum_by

D = Decimal
RECORDS = [
    {"vendor": "ACME Ltd.", "total": D("100.50"), "currency": "EUR", "source": "a.pdf"},
    {"vendor": "Beta", "total": D("20"), "currency": "EUR", "source": "b.txt"},
    {"vendor": "Acme  Ltd", "total": D("100.5"), "currency": "EUR", "source": "c.docx"},
    {"vendor": "Beta", "total": D("7"), "currency": "USD", "source": "d.pdf"},
    {"vendor": "Beta", "total": None, "currency": "EUR", "source": "e.pdf"},
]


def workbook(*sheets: tuple[str, list[list[object]]]) -> bytes:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, lines in sheets:
        page = book.create_sheet(title)
        for line in lines:
            page.append(line)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b\n1,x\n2,\n", [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        ("a;b\n1.234,50;x\n", [{"a": D("1234.50"), "b": "x"}]),
        ("a\tb\n1,234.50\t7\n", [{"a": D("1234.50"), "b": 7}]),
        ("a|b\n1'234.50|1 000\n", [{"a": D("1234.50"), "b": 1000}]),
        (" a ,a,\n1,2,3\n", [{"a": 1, "a 2": 2, "column 3": 3}]),
        ("id,zip\n7,01234\n8,99999\n", [{"id": 7, "zip": "01234"}, {"id": 8, "zip": "99999"}]),
        ("a,b\n€5.00,x\n€7.50,y\n", [{"a": D("5.00"), "b": "x"}, {"a": D("7.50"), "b": "y"}]),
        ("a\n€5.00\n$7.50\n", [{"a": "€5.00"}, {"a": "$7.50"}]),
        ("a\nCHF 5.00\n7.50 CHF\n", [{"a": D("5.00")}, {"a": D("7.50")}]),
        ("a\nINV-1\nINV2\nEUR-3\n", [{"a": "INV-1"}, {"a": "INV2"}, {"a": "EUR-3"}]),
        ("a\n(5.00)\n-7.50\n", [{"a": D("-5.00")}, {"a": D("-7.50")}]),
        ('a,b\n"x, ""y""\nz",1\n', [{"a": 'x, "y"\nz', "b": 1}]),
        (
            "a,b\n1\n1,2,3\n",
            [{"a": 1, "b": None, "column 3": None}, {"a": 1, "b": 2, "column 3": 3}],
        ),
        ("a\n2026-01-02\n2026-01-03\n", [{"a": "2026-01-02"}, {"a": "2026-01-03"}]),
        ("a\n", []),
    ],
)
def test_reads_csv(folder, call, content, rows):
    folder.write("t.csv", content.encode())
    assert call["read_table"]("t.csv") == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_reads_csv_in_any_usual_encoding(folder, call, encoding):
    text = "Käufer;Straße\nMüller & Söhne;Größe überall für Bäcker\n"
    folder.write("t.csv", text.encode(encoding))
    assert call["read_table"]("t.csv") == [
        {"Käufer": "Müller & Söhne", "Straße": "Größe überall für Bäcker"}
    ]


def test_the_decimal_comma_is_told_by_the_whole_file():
    comma = b'a,b\n"1,234","5,5"\n"2,000","6,25"\n'
    point = b'a,b\n"1,234",5.5\n"2,000",6.25\n'
    assert [row["a"] for row in from_csv("t", comma, [])] == [D("1.234"), D("2.000")]
    assert [row["a"] for row in from_csv("t", point, [])] == [1234, 2000]


def test_a_value_that_cannot_be_read_is_none_and_noted(folder, call, context):
    folder.write("t.csv", b"a\n" + b"1.5\n" * 9 + b"12O.5\n")
    assert [row["a"] for row in call["read_table"]("t.csv")] == [D("1.5")] * 9 + [None]
    assert context.notes == [
        't.csv: 1 value of a could not be read as a number, first "12O.5" in row 10'
    ]


def test_reads_a_sheet_of_a_workbook(folder, call):
    content = workbook(
        ("Jan", [["day", "sum", "ok"], [date(2026, 1, 2), 2.5, True], [None, None, None]]),
        ("Feb", [["day"], [datetime(2026, 2, 3, 4, 5)]]),
    )
    folder.write("t.xlsx", content)
    assert call["read_table"]("t.xlsx") == [{"day": "2026-01-02", "sum": D("2.5"), "ok": True}]
    assert call["read_table"]("t.xlsx", sheet="Feb") == [{"day": "2026-02-03 04:05:00"}]
    with pytest.raises(ToolError, match="the sheets are: Jan, Feb"):
        call["read_table"]("t.xlsx", "Mar")


def test_reads_json_lists_of_objects(folder, call):
    folder.write("t.json", b'{"rows": [{"a": 1.10}, {"b": null}]}')
    assert call["read_table"]("t.json") == [{"a": D("1.10"), "b": None}, {"a": None, "b": None}]


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"")
        with archive.open("xl/worksheets/sheet1.xml", "w") as part:
            for _ in range(201):
                part.write(b"\0" * 2**20)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "it is empty"),
        ("a.csv", b"\n\n", "no table"),
        ("a.json", b"[1, 2]", "not a list of objects"),
        ("a.xlsx", workbook(("A", [["a"], [1]]))[:-200], "no table (it is zip)"),
        ("a.pdf", b"%PDF-1.7", "no table (it is pdf)"),
        ("a.csv", b"a\n" * 100_002, "more than 100000 rows"),
    ],
)
def test_files_that_are_no_tables(folder, call, name, content, said):
    folder.write(name, content)
    with pytest.raises(ToolError) as caught:
        call["read_table"](name)
    assert said in str(caught.value)


def test_a_workbook_that_unpacks_to_far_more_is_not_read(folder, call, context):
    folder.write("a.xlsx", bomb())
    with pytest.raises(ToolError, match="far larger than the file"):
        call["read_table"]("a.xlsx")
    assert [problem.name for problem in context.problems] == ["a.xlsx"]


def test_a_missing_file_names_those_that_are_there(folder, call):
    folder.write("a.csv", b"a\n1\n")
    with pytest.raises(ToolError, match=r'no file "b.csv"; the files are: a.csv'):
        call["read_table"]("b.csv")


@given(st.decimals(-(10**9), 10**9, places=2), st.booleans(), st.sampled_from(["", ",", " ", "'"]))
def test_numbers_are_read_as_they_were_written(number, comma, group):
    written = f"{number:,.2f}".replace(",", "_").replace(".", "," if comma else ".")
    grouped = written.replace("_", "." if comma and group == "," else group)
    assert as_number(grouped, decimal_comma=comma) == number


@given(st.text())
def test_reading_a_number_never_fails(text):
    for comma in (True, False):
        number = as_number(text, comma)
        assert number is None or abs(number) < 10**40


def test_sums_keep_currencies_apart_and_count_what_was_not_read(call, context):
    assert call["sum_by"](RECORDS, by="vendor", value="total") == [
        {"vendor": "ACME Ltd.", "currency": "EUR", "total": D("201.00"), "count": 2, "unread": 0},
        {"vendor": "Beta", "currency": "EUR", "total": D("20"), "count": 2, "unread": 1},
        {"vendor": "Beta", "currency": "USD", "total": D("7"), "count": 1, "unread": 0},
    ]
    assert context.notes == ["total could not be read, so it is not counted in: e.pdf"]
    assert call["total"](RECORDS, "total") == {"EUR": D("221.00"), "USD": D("7")}
    assert call["total"](RECORDS[:2], "total") == D("120.50")
    assert call["total"]([], "total") == 0
    assert call["describe_table"](RECORDS)["numbers"]["total"] == {
        "min": D("7"),
        "max": D("100.50"),
        "sum": {"EUR": D("221.00"), "USD": D("7")},
    }


def test_no_group_without_a_number_gets_a_sum(call):
    (group,) = call["sum_by"](RECORDS[4:], "vendor", "total")
    assert group["total"] is None
    assert group["unread"] == 1


def test_counts_and_averages(call):
    assert call["count_by"](RECORDS, "vendor") == [
        {"vendor": "ACME Ltd.", "count": 2},
        {"vendor": "Beta", "count": 3},
    ]
    rows = [{"k": "a", "n": 1}, {"k": "a", "n": 2}]
    assert call["average_by"](rows, ["k"], "n") == [{"k": "a", "n": D("1.50"), "count": 2}]


GROUPS = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.sampled_from(["a", "A ", "b", None]),
            "currency": st.sampled_from(["EUR", "USD"]),
            "n": st.none() | st.decimals(-1000, 1000, places=2),
        }
    )
)


@given(GROUPS)
def test_sums_of_groups_add_up_and_lose_no_row(rows):
    context = ToolContext(None, None, "", date(2026, 1, 1))  # type: ignore[arg-type]
    groups = sum_by(context, rows, "k", "n")
    for currency in ("EUR", "USD"):
        mine = [group for group in groups if group["currency"] == currency]
        theirs = [row for row in rows if row["currency"] == currency]
        assert sum(g["n"] or 0 for g in mine) == sum(row["n"] or 0 for row in theirs)
        assert sum(g["count"] for g in mine) == len(theirs)
    assert sum(g.get("unread", 0) for g in groups) == sum(row["n"] is None for row in rows)
    assert bool(context.notes) == any(row["n"] is None for row in rows)


@given(GROUPS)
def test_duplicates_and_the_rest_are_all_rows(rows):
    context = ToolContext(None, None, "", date(2026, 1, 1))  # type: ignore[arg-type]
    repeats = find_duplicates(context, rows, ["k", "n"])
    kept = drop_duplicates(context, rows, ["k", "n"])
    assert len(repeats) + len(kept) == len(rows)
    assert find_duplicates(context, kept, ["k", "n"]) == []
    assert all(repeat["k"] is not None and repeat["n"] is not None for repeat in repeats)


def test_duplicates_are_found_across_spellings_and_name_the_first(call, context):
    (repeat,) = call["find_duplicates"](RECORDS, by=["vendor", "total"])
    assert repeat == {**RECORDS[2], "duplicate_of": "a.pdf"}
    assert context.notes == ["1 row could not be compared: vendor, total not all read"]
    rows = [{"v": "1.5"}, {"v": "15"}, {"v": "1,5"}, {"v": "C"}, {"v": "C++"}]
    assert call["find_duplicates"](rows, by="v") == [{"v": "1,5", "duplicate_of": "row 1"}]


def test_filters(call):
    def kept(where: dict[str, object]) -> list[str]:
        return [row["source"] for row in call["filter_rows"](RECORDS, where)]

    assert kept({"vendor": "acme ltd"}) == ["a.pdf", "c.docx"]
    assert kept({"total": {">": 7, "<=": 20}}) == ["b.txt"]
    assert kept({"vendor": ["beta"], "currency": "USD"}) == ["d.pdf"]
    assert kept({"source": {"contains": ".PDF"}}) == ["a.pdf", "d.pdf", "e.pdf"]
    assert kept({"total": None}) == ["e.pdf"]
    assert kept({"total": {"!=": None}}) == ["a.pdf", "b.txt", "c.docx", "d.pdf"]
    with pytest.raises(ToolError, match='unknown comparison "gt"'):
        kept({"total": {"gt": 5}})
    with pytest.raises(ToolError, match="cannot compare"):
        kept({"total": {">": "five"}})


def test_sorts_with_unread_values_last(call):
    def sources(rows: list[dict[str, object]]) -> str:
        return "".join(str(row["source"])[0] for row in rows)

    assert sources(call["sort_rows"](RECORDS, "total")) == "dbace"
    assert sources(call["sort_rows"](RECORDS, "total", descending=True)) == "acbde"
    assert sources(call["sort_rows"](RECORDS, ["currency", "total"])) == "baced"
    assert sources(call["top_rows"](RECORDS, "total", 2)) == "ac"


def test_joins_keep_every_row_of_the_left(call, context):
    left = [{"k": "A", "n": 1}, {"k": "b", "n": 2}, {"k": None, "n": 3}]
    right = [{"k": "a", "city": "Rome"}, {"k": "a", "city": "Bonn"}]
    assert call["join_rows"](left, right, "k") == [
        {"k": "A", "city": "Rome", "n": 1},
        {"k": "A", "city": "Bonn", "n": 1},
        {"k": "b", "city": None, "n": 2},
        {"k": None, "city": None, "n": 3},
    ]
    assert context.notes == ["2 of 3 rows had no match in the other table"]


def test_unknown_columns_name_those_that_there_are(call):
    for attempt in (
        lambda: call["sum_by"](RECORDS, "vendr", "total"),
        lambda: call["select_columns"](RECORDS, ["vendr"]),
        lambda: call["find_duplicates"](RECORDS, ["vendr"]),
        lambda: call["filter_rows"](RECORDS, {"vendr": 1}),
    ):
        with pytest.raises(ToolError, match="vendor, total, currency, source"):
            attempt()
    with pytest.raises(ToolError, match='vendor must be numbers; got the text "ACME'):
        call["sum_by"](RECORDS, "source", "vendor")
