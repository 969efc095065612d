"""Documents keep their structure; bad ones are refused in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.tools import structure
from orchestrator.tools.apart import read_apart
from orchestrator.tools.formats import Unreadable
from orchestrator.tools.structure import read
from tests.orchestrator.tools import papers

HTML = """<html><script>alert(1)</script><h1>Offices <b>we</b> have</h1><p>Three of them.
<table><tr><th>City<th><p>Rent</p><tr><td>Porto<td><p>900</p><p>EUR</p></table>
<h2>Bare</h2><h1>End</h1>Done.</html>"""
MARKDOWN = """# Rules

Be kind.
Be brief.

## Rates

| who | rate |
|-----|------|
| Ann | 12   |

```
# no heading
```

[a]: http://example.org
## Bare
"""


def seen(name: str, content: bytes) -> list[tuple[tuple[str, ...], int, str]]:
    return [(b.heading, b.page, b.text) for b in read(name, content).blocks]


def refusal(name: str, content: bytes) -> str:
    with pytest.raises(Unreadable) as refused:
        read(name, content)
    return str(refused.value)


def test_a_pdf_has_pages_and_the_headings_of_its_bookmarks() -> None:
    first, second = seen("handbook.pdf", papers.pdf())
    assert first[:2] == (("Leave",), 1) and "25 days of leave" in first[2]
    assert second[:2] == (("Moving house",), 2) and "two free days" in second[2]


def test_a_word_file_has_headings_and_tables_with_columns() -> None:
    reading = read("handbook.docx", papers.word())
    assert seen("handbook.docx", papers.word())[0] == ((), 0, "Northwind Office")
    rows = [block for block in reading.blocks if block.row]
    assert [row.text for row in rows] == ["Name | Days", "Ann | 25", "Bob | 20"]
    assert {row.columns for row in rows} == {"Name | Days"}
    assert rows[0].heading == ("Handbook", "Leave")
    assert reading.blocks[-1].text == "Nothing below this"


def test_a_workbook_has_sheets_and_the_row_numbers_of_the_file() -> None:
    blocks = read("pay.xlsx", papers.workbook()).blocks
    assert [(b.heading, b.page, b.row, b.text) for b in blocks] == [
        (("Pay",), 1, 1, "Name | Salary"),
        (("Pay",), 1, 2, "Ann | 1200"),
        (("Pay",), 1, 4, "Bob | 1300.5"),
        (("Rooms",), 2, 1, "Room 4 | 12"),
    ]
    assert [b.columns for b in blocks] == ["Name | Salary"] * 3 + [""]


def test_slides_have_titles_texts_and_notes() -> None:
    assert seen("deck.pptx", papers.slides()) == [
        (("Where we stand",), 1, "Sales rose by a tenth"),
        (("Where we stand",), 1, "Say that twice"),
        ((), 2, "Only a title"),
    ]


def test_a_web_page_has_headings_and_rows_and_no_scripts() -> None:
    blocks = read("offices.html", HTML.encode()).blocks
    assert [(b.heading, b.text, b.columns) for b in blocks] == [
        (("Offices we have",), "Three of them.", ""),
        (("Offices we have",), "City | Rent", "City | Rent"),
        (("Offices we have",), "Porto | 900 EUR", "City | Rent"),
        (("Offices we have",), "Bare", ""),
        (("End",), "Done.", ""),
    ]


def test_markdown_keeps_all_of_its_source() -> None:
    blocks = read("rules.md", MARKDOWN.encode()).blocks
    assert (blocks[0].heading, blocks[0].text) == (("Rules",), "Be kind.\nBe brief.")
    assert [b.row for b in blocks if b.columns] == [8, 10]
    assert "# no heading" in blocks[3].text and blocks[3].heading == ("Rules", "Rates")
    assert "http://example.org" in blocks[4].text and blocks[-1].text == "Bare"


def test_a_mail_has_its_heads_its_text_and_what_is_attached() -> None:
    reading = read("offsite.eml", papers.mail())
    told = [(b.heading, b.page, b.text) for b in reading.blocks]
    assert "From: Tom" in told[0][2] and told[1] == (("The offsite",), 0, "We meet in Porto.")
    assert told[-1][:2] == (("The offsite", "handbook.pdf", "Moving house"), 2)
    assert len(reading.notes) == 1 and reading.notes[0].startswith("Attached odd.bin: ")


def test_a_picture_says_what_it_knows_of_itself() -> None:
    ((_, _, text),) = seen("desk.jpg", papers.picture())
    head, *notes = text.splitlines()
    assert head == "A picture, 40 × 30 pixels, JPEG"
    assert sorted(notes) == ["Date Time: 2026:03:14 09:30:00", "Make: Leica"]


def test_a_table_by_semicolons_in_an_old_encoding() -> None:
    blocks = read("pay.csv", "Name;Büro\nJörg;Köln\n".encode("cp1252")).blocks
    assert [(b.text, b.row) for b in blocks] == [("Name | Büro", 1), ("Jörg | Köln", 2)]


def test_a_wrong_ending_is_noted() -> None:
    reading = read("handbook.docx", papers.pdf())
    assert reading.kind == "pdf" and reading.notes == ["It was read as a PDF, which it is."]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"", "it is empty"),
        ("a.txt", b" \n\t ", "no text"),
        ("a.pdf", papers.pdf(password="x"), "password"),
        ("a.pdf", papers.pdf([[]]), "scan"),
        ("a.pdf", papers.pdf()[:700], "damaged"),
        ("a.docx", papers.bomb(), "unpack to 300 MB"),
        ("a.docx", papers.word()[:900], "damaged"),
        ("a.zip", b"PK\x03\x04", "damaged"),
        ("a.jpg", papers.picture()[:12], "damaged"),
        ("a.bin", b"\0\1\2" * 50, "no document that can be read"),
    ],
)
def test_what_cannot_be_read_and_why(name: str, content: bytes, words: str) -> None:
    assert words in refusal(name, content)


def test_hostile_shapes_are_read_or_refused() -> None:
    nested = "<div>" * 50_000 + "deep" + "<table><tr><td>" * 5_000
    assert "deep" in read("a.html", nested.encode()).blocks[0].text
    assert read("a.md", (">" * 3_000 + " deep\n" + "[" * 3_000).encode()).blocks
    assert read("a.json", ("[" * 100_000).encode()).blocks
    assert read("a.csv", b'"' + b"x," * 100_000).blocks
    endless = read("a.txt", b"x" * 10_000_000)
    assert sum(len(b.text) for b in endless.blocks) == structure.MAX_CHARS and endless.notes


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(
        ["", "%PDF-1.7\n", "PK\x03\x04", "<html>", "{", "\x89PNG\r\n\x1a\n", "| a |\n"]
    ),
    st.sampled_from(["a.txt", "a.md", "a.csv", "a.eml", "a.html"]),
)
def test_any_bytes_are_read_or_refused(content: bytes, start: str, name: str) -> None:
    try:
        assert read(name, start.encode("latin-1") + content).blocks
    except Unreadable as why:
        assert str(why).endswith(".")


def test_a_reader_of_its_own_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "original"
    file.write_bytes(papers.pdf())
    assert read_apart(file, "handbook.pdf") == read("handbook.pdf", papers.pdf())
    file.write_bytes(b"")
    with pytest.raises(Unreadable, match="it is empty"):
        read_apart(file, "handbook.pdf")


def test_a_reader_that_hangs_or_dies_is_told(tmp_path: Path) -> None:
    file = tmp_path / "original"
    file.write_bytes(papers.pdf())
    with pytest.raises(Unreadable, match="longer than 0 seconds"):
        read_apart(file, "handbook.pdf", timeout_s=0.01)
    with pytest.raises(Unreadable, match="broke the reader"):
        read_apart(tmp_path / "not there", "handbook.pdf")
