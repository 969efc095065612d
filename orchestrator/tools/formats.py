"""Text out of each kind of file, laid out as a person would see it: columns apart, cells by " | ".

Every reader takes the bytes of a file that is what its kind says, and returns its text and the
number of its pages. What cannot be read raises Unreadable with a plain reason. The libraries are
loaded by the first file of their kind: a worker is back sooner without them.
"""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import logging
import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pypdf
    from docx.table import Table as DocxTable
    from docx.table import _Cell
    from docx.text.paragraph import Paragraph

MAX_PAGES = 200
MAX_SHEET_ROWS = 5_000
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
MAX_RATIO = 200  # unpacked to packed; text packs 5 to 20 times
SUSPECT_BYTES = 20 * 1024 * 1024  # below this a high ratio does no harm

_HIDDEN = frozenset({"script", "style", "head", "template", "noscript"})
BLOCK = re.compile(
    r"address|article|aside|blockquote|br|d[dlt]|div|fieldset|footer|form|h[1-6r]|header|li|main"
    r"|nav|[ou]l|p|pre|section|table|tbody|tfoot|thead|tr"
)
_GAP = re.compile(r"[ \t\u00a0]{3,}")
_EMPTY_LINES = re.compile(r"\n\s*\n(?:\s*\n)+")

logging.getLogger("pypdf").setLevel(logging.ERROR)  # a damaged file is told to the boss instead


class Unreadable(Exception):
    """Why a file cannot be used, and what the boss can do about it."""


def pdf_text(content: bytes) -> tuple[str, int]:
    """Text of a PDF in the layout of its pages; the first MAX_PAGES pages."""
    import pypdf

    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        locked = reader.is_encrypted and not reader.decrypt("")
        pages = [] if locked else [_page_text(page) for page in reader.pages[:MAX_PAGES]]
        count = 0 if locked else len(reader.pages)
    except Exception as wrong:  # pypdf raises nearly anything on a damaged file
        raise damaged(wrong) from None
    if locked:
        raise Unreadable("it is protected by a password; save a copy without one and attach that.")
    text = tidy("\n\n".join(pages))
    if not text:
        raise Unreadable(
            "there is no text in it: it looks like a scan; run text recognition (OCR) over it "
            "and attach the result."
        )
    return text, count


def docx_text(content: bytes) -> tuple[str, int]:
    """Text of a Word file: page headers, then paragraphs and tables in order, then footers."""
    import docx

    check_zip(content)
    try:
        document = docx.Document(io.BytesIO(content))
        heads = [part for s in document.sections for part in blocks(s.header)]
        body = list(blocks(document))
        feet = [part for s in document.sections for part in blocks(s.footer)]
    except Exception as wrong:  # a damaged part may break lxml, zipfile or python-docx
        raise damaged(wrong) from None
    return tidy("\n".join([*dict.fromkeys(heads), *body, *dict.fromkeys(feet)])), 1


def xlsx_text(content: bytes) -> tuple[str, int]:
    """Text of a workbook: each sheet's rows, cells by " | ". Pages are sheets."""
    import openpyxl

    check_zip(content)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = [(sheet.title, list(_sheet_lines(sheet))) for sheet in book.worksheets]
        book.close()
    except Exception as wrong:  # a damaged part may break zipfile, the XML parser or openpyxl
        raise damaged(wrong) from None
    filled = [(title, lines) for title, lines in sheets if lines]
    named = len(filled) > 1
    texts = ["\n".join([f"[{title}]", *lines] if named else lines) for title, lines in filled]
    return tidy("\n\n".join(texts)), len(sheets)


def html_text(text: str) -> str:
    """The text that a browser would show; table cells by " | "."""
    page = ShownText()
    page.feed(text)
    page.close()
    return tidy("".join(page.parts))


def json_text(text: str) -> str:
    """The same JSON with one value a line, if it is written on very long lines."""
    if max(map(len, text.splitlines()), default=0) <= 500:
        return text
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def csv_text(text: str) -> str:
    """The table with its cells by " | ", as other tables are shown."""
    try:
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t|")
        rows = list(csv.reader(io.StringIO(text, newline=""), dialect))
    except csv.Error:
        return text
    return "\n".join(" | ".join(cell.strip() for cell in row) for row in rows)


def mail_text(content: bytes) -> str:
    """From, To, Date and Subject of a mail, its text, and the names of what is attached."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    heads = [f"{key}: {mail[key]}" for key in ("From", "To", "Cc", "Date", "Subject") if mail[key]]
    attached = [part.get_filename() for part in mail.iter_attachments()]
    names = [f"Attached: {name}" for name in attached if name]
    return tidy("\n".join([*heads, "", _mail_body(mail), "", *names]))


def tidy(text: str) -> str:
    """Without trailing blanks, wide gaps (two blanks are left) and runs of empty lines."""
    lines = [_GAP.sub("  ", line.rstrip()) for line in text.replace("\r\n", "\n").split("\n")]
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()


def check_zip(content: bytes) -> None:
    """Refuse a container that would unpack to far more than it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            infos = parts.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as wrong:
        raise damaged(wrong) from None
    unpacked = sum(part.file_size for part in infos)
    packed = sum(part.compress_size for part in infos)
    if unpacked > MAX_UNPACKED_BYTES or (
        unpacked > SUSPECT_BYTES and unpacked > MAX_RATIO * max(packed, 1)
    ):
        raise Unreadable(
            f"it would unpack to {unpacked // 2**20} MB, which is not safe to open; "
            "save its content as a new file and attach that."
        )


def damaged(wrong: Exception) -> Unreadable:
    cause = " ".join(str(wrong).split())[:100] or type(wrong).__name__
    return Unreadable(
        f"it is damaged ({cause}); open it where it was made, save it again and attach that."
    )


def _page_text(page: pypdf.PageObject) -> str:
    text = page.extract_text(extraction_mode="layout", layout_mode_space_vertically=False)
    return text if text.strip() else page.extract_text()  # rotated text has no layout


def blocks(container: Any) -> Iterator[str]:
    """Paragraphs and table rows of a document, header, footer or cell, in order."""
    from docx.table import Table as DocxTable
    from docx.text.paragraph import Paragraph

    for block in container.iter_inner_content():
        if isinstance(block, DocxTable):
            yield from table_lines(block)
        elif isinstance(block, Paragraph) and block.text.strip():
            yield block.text
        if isinstance(block, Paragraph):
            yield from boxes(block)


def boxes(paragraph: Paragraph) -> Iterator[str]:
    """Text boxes anchored in a paragraph; Word stores each one twice."""
    texts = (
        "".join(node.itertext()).strip()
        for box in paragraph._p.iter("{*}txbxContent")
        for node in box.iter("{*}p")
    )
    yield from dict.fromkeys(text for text in texts if text)


def table_lines(table: DocxTable) -> Iterator[str]:
    for row in table.rows:
        cells: list[_Cell] = []
        for cell in row.cells:  # a merged cell is given once for each column it covers
            if not cells or cell._tc is not cells[-1]._tc:
                cells.append(cell)
        texts = [" ".join("\n".join(blocks(cell)).split()) for cell in cells]
        if any(texts):
            yield " | ".join(texts)


def _sheet_lines(sheet: Any) -> Iterator[str]:
    sheet.reset_dimensions()  # what the sheet claims about its size is not believed
    for number, row in enumerate(sheet.iter_rows(values_only=True)):
        if number >= MAX_SHEET_ROWS:
            yield f"[only the first {MAX_SHEET_ROWS} rows of this sheet were read]"
            return
        texts = [cell_text(value) for value in row]
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            yield " | ".join(texts)


def cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time(0):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(round(value, 6))
    return " ".join(str(value).split())


def _mail_body(mail: EmailMessage) -> str:
    body = mail.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    try:
        text = str(body.get_content())
    except (LookupError, UnicodeError):
        raise Unreadable("its characters cannot be read; save the mail's text as UTF-8.") from None
    return html_text(text) if body.get_content_subtype() == "html" else text


class ShownText(HTMLParser):
    """Gathers what is shown: no scripts, a line per block, cells apart."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self.hidden += 1
        elif BLOCK.fullmatch(tag):
            self.parts.append("\n")
        elif tag in ("td", "th") and self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self.hidden = max(0, self.hidden - 1)
        elif BLOCK.fullmatch(tag):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        text = re.sub(r"\s+", " ", data)
        starts = not self.parts or self.parts[-1].endswith(("\n", " | "))
        text = text.lstrip() if starts else text
        if not self.hidden and text:
            self.parts.append(text)
