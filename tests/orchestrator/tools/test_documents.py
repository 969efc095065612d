from __future__ import annotations

import io
import zipfile
from datetime import date

import docx
import openpyxl
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from orchestrator.tools import formats
from orchestrator.tools.base import FileProblem, ToolContext, ToolError
from orchestrator.tools.documents import (
    MAX_LINE_CHARS,
    compact,
    list_files,
    read_document,
    read_documents,
    read_text,
)
from orchestrator.tools.folder import MAX_FILE_BYTES, GoalFolder

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(64)


def pdf(*lines: str, password: str = "") -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    canvas.setFont("Courier", 10)
    for number, line in enumerate(lines):
        canvas.drawString(50, 780 - 14 * number, line)
    canvas.save()
    if not password:
        return out.getvalue()
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(out.getvalue()))
    writer.encrypt(password)
    locked = io.BytesIO()
    writer.write(locked)
    return locked.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Ritter GmbH"
    document.add_paragraph("Before")
    table = document.add_table(rows=2, cols=2)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "Wide"
    table.cell(1, 0).text, table.cell(1, 1).text = "Total", "5,00"
    document.add_paragraph("After")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["day", "amount", "note"])
    sheet.append([date(2026, 3, 1), 12.5, None])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def archive(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr(name, content)
    return out.getvalue()


def reason(name: str, content: bytes) -> str:
    with pytest.raises(FileProblem) as bad:
        read_document(name, content)
    assert bad.value.name == name
    return bad.value.reason


def test_a_pdf_keeps_its_columns_apart() -> None:
    document = read_document("a.pdf", pdf("Ritter GmbH              Invoice", "Total 5.00"))
    assert (document.kind, document.pages, document.notes) == ("pdf", 1, ())
    assert document.text.splitlines() == ["Ritter GmbH  Invoice", "Total 5.00"]


def test_a_word_file_reads_from_its_head_on_in_order() -> None:
    document = read_document("a.docx", word())
    assert document.text == "Ritter GmbH\nBefore\nWide\nTotal | 5,00\nAfter"


def test_a_workbook_reads_by_rows() -> None:
    assert read_document("a.xlsx", workbook()).text == "day | amount | note\n2026-03-01 | 12.5"


def test_a_web_page_shows_what_a_browser_would() -> None:
    page = (
        b"<html><head><title>x</title><style>p{}</style></head><body><p>Fish &amp; <b>chips</b></p>"
    )
    page += b"<script>alert(1)</script><table><tr><td>Total<td>5</table></html>"
    assert read_document("a.html", page).text.split("\n") == ["Fish & chips", "", "Total | 5"]


def test_a_mail_has_its_heads_its_text_and_what_is_attached() -> None:
    mail = b"From: Ann <ann@example.org>\nSubject: Bill\nContent-Type: text/html; charset=utf-8\n\n"
    assert read_document("a.eml", mail + b"<p>Pay 5 \xe2\x82\xac</p>").text == (
        "From: Ann <ann@example.org>\nSubject: Bill\n\nPay 5 €"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_text_in_any_usual_encoding(encoding: str) -> None:
    content = "Größe für Jürgen, über 5 Äpfel".encode(encoding)
    assert read_document("a.txt", content).text == "Größe für Jürgen, über 5 Äpfel"


def test_json_on_one_line_is_laid_out() -> None:
    text = read_document("a.json", b'{"rows": [' + b'{"total": 5},' * 60 + b"{}]}").text
    assert '"total": 5' in text.splitlines()[3]


def test_what_is_called_otherwise_is_read_as_what_it_is_and_noted() -> None:
    document = read_document("a.pdf", b"just text")
    assert (document.kind, document.text) == ("text", "just text")
    assert document.notes == ("a.pdf: read as plain text, which it is",)
    assert read_document("a.txt", word()).kind == "docx"
    assert read_document("a.md", b"a,b\n1,2").notes == ()


def test_why_a_file_cannot_be_used_and_what_to_do() -> None:
    assert reason("a.txt", b"").startswith("it is empty")
    assert "no text" in reason("a.txt", b" \n ")
    assert reason("a.pdf", pdf("secret", password="x")).startswith("it is protected by a password")
    assert "looks like a scan" in reason("a.pdf", pdf())
    assert reason("a.pdf", b"%PDF-1.7\ngarbage").startswith("it is damaged")
    assert reason("a.pdf", PNG).startswith("it is called .pdf, but it is a picture (png)")
    assert reason("a.png", PNG).startswith("it is a picture")
    assert "damaged" in reason("a.docx", word()[:2000])
    assert reason("a.zip", archive("x.txt", b"hi")).startswith("it is a zip archive")
    assert reason("a.bin", bytes(range(256))).startswith("it is no document")
    assert "old Office format" in reason("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert "larger than 50 MB" in reason("a.txt", b"a" * (MAX_FILE_BYTES + 1))


def test_a_protected_office_file_is_told_from_an_old_one() -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    assert "it is protected by a password" in reason("a.docx", content)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = archive("word/document.xml", bytes(formats.SUSPECT_BYTES + 1))
    assert "not safe to open" in reason("a.docx", bomb)


def test_endless_lines_are_cut_with_a_note() -> None:
    document = read_document("a.txt", b"a" * 10_000_000)
    assert len(document.text) == MAX_LINE_CHARS
    assert document.notes == (f"a.txt: lines were cut after {MAX_LINE_CHARS:,} characters",)


@given(st.binary(max_size=300), st.sampled_from(["", "%PDF-1.7\n", "PK\x03\x04", "<html>", "{"]))
def test_any_bytes_are_read_or_refused_in_plain_words(content: bytes, start: str) -> None:
    for name in ("a.pdf", "a.docx", "a.xlsx", "a.eml", "a.txt"):
        try:
            assert read_document(name, start.encode("latin-1") + content).text.strip()
        except FileProblem as bad:
            assert bad.reason


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_damage_anywhere_is_read_or_refused(place: int, damage: bytes) -> None:
    for name, whole in (("a.pdf", PDF), ("a.docx", WORD), ("a.xlsx", BOOK)):
        broken = whole[:place] + damage + whole[place + len(damage) :]
        try:
            read_document(name, broken)
        except FileProblem as bad:
            assert bad.reason


PDF, WORD, BOOK = pdf("Total 5.00"), word(), workbook()


def test_a_bad_file_is_told_and_does_not_stop_the_others(
    context: ToolContext, folder: GoalFolder
) -> None:
    folder.write("good.txt", b"hello")
    folder.write("empty.txt", b"")
    found = read_documents(context, ["empty.txt", "good.txt", "good.txt"])
    assert [document.name for document in found] == ["good.txt"]
    assert [bad.name for bad in context.problems] == ["empty.txt"]
    with pytest.raises(
        ToolError, match=r'no file "other\.txt"; the files are: empty\.txt, good\.txt'
    ):
        read_documents(context, "other.txt")
    with pytest.raises(ToolError, match=r"none of the files can be read: empty\.txt"):
        read_text(context, "empty.txt")
    assert len(context.problems) == 1


def test_the_list_of_files_tells_kinds_by_content(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", WORD)
    assert list_files(context) == [{"name": "a.txt", "kind": "docx", "size_bytes": len(WORD)}]


def test_compact_text_has_cells_and_no_rulers() -> None:
    assert compact(read_document("a.csv", b"a;b\n1;2\n")) == "a | b\n1 | 2"
    assert compact(read_document("a.txt", b"one      two\n-----\n\nthree")) == "one  two\nthree"
