"""Documents of each kind, made on the spot. All of it is made up."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

import docx
import openpyxl
import pptx
from PIL import Image
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

PAGES = [
    ["Leave", "Each of the staff has 25 days of leave a year.", "Unused days end in March."],
    ["Moving house", "Whoever moves house has two free days.", "Tell your lead a week before."],
]


def pdf(pages=PAGES, password: str = "", bookmarks: bool = True) -> bytes:
    """A PDF with a bookmark for each page, its first line."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    for lines in pages:
        if bookmarks and lines:
            canvas.bookmarkPage(lines[0])
            canvas.addOutlineEntry(lines[0], lines[0], 0)
        for number, line in enumerate(lines):
            canvas.drawString(72, 760 - 16 * number, line)
        canvas.showPage()
    canvas.save()
    if not password:
        return out.getvalue()
    writer = PdfWriter(PdfReader(out))
    writer.encrypt(password)
    locked = io.BytesIO()
    writer.write(locked)
    return locked.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Northwind Office"
    document.add_heading("Handbook", 0)
    document.add_heading("Leave", 1)
    document.add_paragraph("Each has 25 days.")
    table = document.add_table(0, 2)
    for cells in (("Name", "Days"), ("Ann", "25"), ("Bob", "20")):
        row = table.add_row()
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    document.add_heading("Nothing below this", 2)
    return saved(document)


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Pay"
    for row in (["Name", "Salary"], ["Ann", 1200], [], ["Bob", 1300.5]):
        book.active.append(row)
    book.create_sheet("Rooms").append(["Room 4", 12])
    return saved(book)


def slides() -> bytes:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Where we stand"
    slide.placeholders[1].text = "Sales rose by a tenth"
    slide.notes_slide.notes_text_frame.text = "Say that twice"
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Only a title"
    return saved(deck)


def mail() -> bytes:
    made = EmailMessage()
    made["From"], made["To"] = "Tom <tom@example.org>", "ann@example.org"
    made["Subject"] = "The offsite"
    made.set_content("We meet in Porto.\n\nBring shoes.")
    made.add_attachment(pdf(), maintype="application", subtype="pdf", filename="handbook.pdf")
    made.add_attachment(b"\0\1\2" * 9, maintype="application", subtype="x", filename="odd.bin")
    return made.as_bytes()


def picture() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "Leica", "2026:03:14 09:30:00"
    out = io.BytesIO()
    Image.new("RGB", (40, 30)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def bomb() -> bytes:
    """A .docx of 100 kB that would unpack to 300 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("word/document.xml", b"\0" * (300 * 2**20))
    return out.getvalue()


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
