"""Documents with their structure: headings, pages, slides, sheets and rows, in reading order.

`formats` lays a file out as one text for a program to search; here each piece keeps its place, so
that it can be remembered and cited. Whatever is in a file is data: nothing of it is run or obeyed.
"""

from __future__ import annotations

import csv
import email
import email.policy
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markdown_it import MarkdownIt

from orchestrator.tools import formats
from orchestrator.tools.base import FileProblem
from orchestrator.tools.documents import SPOKEN, is_mislabelled, mislabelled, refuse
from orchestrator.tools.folder import kind_of
from orchestrator.tools.formats import Unreadable, damaged
from orchestrator.tools.office import docx_blocks, pptx_blocks, xlsx_blocks
from orchestrator.tools.outline import MAX_HEADING, Path, names_columns, rows_of
from orchestrator.tools.sheets import decoded
from orchestrator.tools.values import clean_text
from staff.domain.passages import Block

MAX_PAGES = 1_000
MAX_CHARS = 5_000_000
MAX_ATTACHED = 20
MAX_DEPTH = 3  # mails in mails
PICTURES = {"png", "jpg", "gif", "webp", "bmp", "tif"}
MORE_SPOKEN = {"pptx": "a presentation"} | dict.fromkeys(PICTURES, "a picture")

_HEADING = "\x02"  # marks of our own in the text of a web page; its own are cleaned away
_ROW = "\x03"
_TABLE = "\x04"


@dataclass
class Reading:
    """What a file says, piece by piece.

    pages: pages, slides or sheets; 0 where the format has none
    notes: what the boss should know ("only the first 1000 of 1200 pages were read")
    """

    kind: str
    blocks: list[Block]
    pages: int = 0
    notes: list[str] = field(default_factory=list)


def read(name: str, content: bytes, depth: int = 0) -> Reading:
    """The pieces of a file, by what it is and not by what it is called.

    Raises Unreadable with a plain reason.
    """
    kind = kind_of(name, content)
    try:
        if kind not in MORE_SPOKEN:
            refuse(kind, content)
        notes: list[str] = []
        blocks, pages = _read(name, kind, content, notes, depth)
        blocks = list(_bounded(blocks, notes))
    except FileProblem as wrong:
        raise Unreadable(wrong.reason) from None
    except Unreadable as why:
        raise Unreadable(mislabelled(name, kind) + str(why)) from None
    if not blocks:
        raise Unreadable(
            "there is no text in it: it looks like a scan; run text recognition (OCR) over it and "
            "add the result."
            if kind in ("pdf", "pptx")
            else "there is no text in it; add a file with content."
        )
    if is_mislabelled(name, kind):
        notes.insert(0, f"It was read as {(SPOKEN | MORE_SPOKEN)[kind]}, which it is.")
    return Reading(kind, blocks, pages, notes)


def _read(
    name: str, kind: str, content: bytes, notes: list[str], depth: int
) -> tuple[Iterable[Block], int]:
    """The blocks of a file of that kind, and its pages."""
    match kind:
        case "pdf":
            return pdf_blocks(content, notes)
        case "docx":
            return docx_blocks(content)
        case "xlsx":
            return xlsx_blocks(content, notes)
        case "pptx":
            return pptx_blocks(content)
        case "eml":
            return mail_blocks(content, notes, depth), 0
        case picture if picture in PICTURES:
            return picture_blocks(content), 0
    text = decoded(name, content).replace("\r\n", "\n").replace("\r", "\n")
    match kind:
        case "html":
            return html_blocks(text), 0
        case "md":
            return markdown_blocks(text), 0
        case "csv":
            return csv_blocks(text), 0
    return text_blocks(formats.json_text(text) if kind == "json" else text), 0


def pdf_blocks(content: bytes, notes: list[str]) -> tuple[list[Block], int]:
    """The pages' text, each below the bookmark that leads to it or to a page before it."""
    import pypdf

    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("it is protected by a password; save a copy without one and add that.")
        count = len(reader.pages)
        headings = _bookmarks(reader)
        texts = [page.extract_text() for page in reader.pages[:MAX_PAGES]]
    except Unreadable:
        raise
    except Exception as wrong:  # pypdf raises nearly anything on a damaged file
        raise damaged(wrong) from None
    if count > MAX_PAGES:
        notes.append(f"Only the first {MAX_PAGES:,} of {count:,} pages were read.")
    blocks: list[Block] = []
    heading: tuple[str, ...] = ()
    for number, text in enumerate(texts, 1):
        heading = headings.get(number, heading)
        blocks += [Block(part, heading, number) for part in _paragraphs(text)]
    return blocks, count


def html_blocks(text: str) -> Iterator[Block]:
    """What a browser would show, below its headings; rows of tables below their first row."""
    page = _Outlined()
    page.feed(text.translate(dict.fromkeys(map(ord, _HEADING + _ROW + _TABLE), " ")))
    page.close()
    path, columns, row = Path(), "", 0
    for line in "".join(page.parts).split("\n"):
        mark, words = line[:1], " ".join(line.strip(_ROW).split())
        if mark == _TABLE:
            columns, row = "", 0
        elif mark == _HEADING:
            if words[2:].strip():
                yield from path.enter(int(words[1]), words[2:])
        elif mark == _ROW and words:
            row += 1
            if row == 1 and names_columns(words.split(" | ")):
                columns = words
            yield from path.block(words, columns=columns, row=row)
        else:
            yield from path.block(words)
    yield from path.leave()


def markdown_blocks(text: str) -> Iterator[Block]:
    """The source of each block below its headings; rows of tables below their first row."""
    lines, path = text.split("\n"), Path()
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    at = 0
    for place, token in enumerate(tokens):
        if token.level or token.map is None or token.map[1] <= at:
            continue
        start, end = token.map
        yield from path.block("\n".join(lines[at:start]))  # link references, which have no token
        at = end
        if token.type == "heading_open":
            yield from path.enter(int(token.tag[1]), tokens[place + 1].content)
        elif token.type == "table_open":
            columns = lines[start].strip()
            yield from path.block(f"{columns}\n{lines[start + 1].strip()}", 0, columns, start + 1)
            for number in range(start + 2, end):
                yield from path.block(lines[number].strip(), 0, columns, number + 1)
        else:
            yield from path.block("\n".join(lines[start:end]))
    yield from path.block("\n".join(lines[at:]))
    yield from path.leave()


def csv_blocks(text: str) -> Iterator[Block]:
    """The rows below the first one. Text that is no table after all is read as text."""
    try:
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t|")
        csv.field_size_limit(MAX_CHARS)
        rows = list(csv.reader(io.StringIO(text, newline=""), dialect))
    except csv.Error:
        return text_blocks(text)
    return rows_of(([" ".join(cell.split()) for cell in row] for row in rows), (), 0)


def mail_blocks(content: bytes, notes: list[str], depth: int = 0) -> Iterator[Block]:
    """From, To, Date and Subject of a mail, its text, and what is attached and can be read."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    heads = [f"{key}: {mail[key]}" for key in ("From", "To", "Cc", "Date", "Subject") if mail[key]]
    subject = str(mail["Subject"] or "")[:MAX_HEADING].strip()
    above = (subject,) if subject else ()
    yield from _below(above, [Block("\n".join(heads))] if heads else [])
    body = mail.get_body(preferencelist=("plain", "html"))
    if body is not None:
        try:
            text = str(body.get_content()).replace("\r\n", "\n")
        except (LookupError, UnicodeError):
            raise Unreadable("its characters cannot be read; save its text as UTF-8.") from None
        is_html = body.get_content_subtype() == "html"
        yield from _below(above, html_blocks(text) if is_html else text_blocks(text))
    attached = list(mail.iter_attachments())
    if len(attached) > MAX_ATTACHED:
        notes.append(f"Only the first {MAX_ATTACHED} of {len(attached)} attached files were read.")
    for number, part in enumerate(attached[:MAX_ATTACHED], 1):
        name = part.get_filename() or f"attached {number}"
        try:
            yield from _below((*above, name[:MAX_HEADING]), _attached(part, name, depth))
        except Unreadable as why:
            notes.append(f"Attached {name[:MAX_HEADING]}: {why}")


def picture_blocks(content: bytes) -> Iterator[Block]:
    """What a picture says about itself: size, and its EXIF notes. No pixel is decoded."""
    from PIL import ExifTags, Image

    Image.MAX_IMAGE_PIXELS = None  # nothing is unpacked
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content)) as picture:
            warnings.simplefilter("ignore")
            lines = [f"A picture, {picture.width} × {picture.height} pixels, {picture.format}"]
            exif = picture.getexif()
            inner = exif.get_ifd(ExifTags.IFD.Exif)
            told = {**dict(exif), **inner}
    except Exception as wrong:  # a damaged file may break any decoder
        raise damaged(wrong) from None
    for tag, value in told.items():
        label = ExifTags.TAGS.get(tag, "")
        shown = _exif(value)
        if label and label not in ("ExifOffset", "MakerNote", "UserComment", "GPSInfo") and shown:
            lines.append(f"{re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', label)}: {shown}")
    yield Block("\n".join(lines))


def text_blocks(text: str) -> Iterator[Block]:
    """The paragraphs of plain text."""
    return (Block(part) for part in re.split(r"\n\s*\n", text) if part.strip())


def _attached(part: Any, name: str, depth: int) -> Sequence[Block]:
    if depth >= MAX_DEPTH:
        raise Unreadable("it is a mail in a mail in a mail; add it by itself.")
    content = part.get_content() if part.get_content_maintype() != "multipart" else ""
    if hasattr(content, "as_bytes"):  # a mail that was passed on
        return list(mail_blocks(content.as_bytes(), [], depth + 1))
    data = content.encode() if isinstance(content, str) else content
    return read(name, data, depth + 1).blocks


def _below(above: tuple[str, ...], blocks: Iterable[Block]) -> Iterator[Block]:
    return (replace(block, heading=(*above, *block.heading)) for block in blocks)


def _bookmarks(reader: Any) -> dict[int, tuple[str, ...]]:
    """{page: headings} of the bookmarks; the last one of a page counts. Damaged ones are left."""
    found: dict[int, tuple[str, ...]] = {}

    def walk(items: Any, above: tuple[str, ...]) -> None:
        here = above
        for item in items:
            if isinstance(item, list):
                walk(item, here[:8])
                continue
            title = clean_text(str(item.title or "")).strip()[:MAX_HEADING]
            number = reader.get_destination_page_number(item)
            here = (*above, title) if title else above
            if title and number is not None and number >= 0:
                found[number + 1] = here

    try:
        walk(reader.outline, ())
    except Exception:  # an outline that leads nowhere: the text is there all the same
        return {}
    return found


def _paragraphs(text: str) -> Iterator[str]:
    """A page's lines, those of one sentence joined."""
    for part in re.split(r"\n\s*\n", text):
        narrow = re.sub(r"[ \t]{3,}", "  ", part)
        joined = re.sub(r"(?<=[a-zà-ÿ,;])[ \t]*\n(?=[a-zà-ÿ(])", " ", narrow)
        if joined.strip():
            yield joined


def _exif(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "ignore")
    text = clean_text(str(value)).replace("\ufffd", "").strip()
    return text if len(text) <= 300 else f"{text[:300]}…"


def _bounded(blocks: Iterable[Block], notes: list[str]) -> Iterator[Block]:
    """Clean blocks, until there is too much text for one document."""
    chars = 0
    for block in blocks:
        text = clean_text(block.text).strip("\n")
        chars += len(text)
        if chars > MAX_CHARS:
            notes.append(f"Only the first {MAX_CHARS:,} characters were read; split the file.")
            text = text[: max(0, len(text) - (chars - MAX_CHARS))]
        if text.strip():
            heading = tuple(clean_text(title) for title in block.heading)
            yield replace(block, text=text, heading=heading, columns=clean_text(block.columns))
        if chars > MAX_CHARS:
            return


class _Outlined(formats.ShownText):
    """Marks headings and rows of tables at the beginning of their lines; a row is one line."""

    is_in_row = False

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        if re.fullmatch("h[1-6]", tag):
            self.is_in_row = False
            self.parts.append(f"\n{_HEADING}{tag[1]}")
        elif tag == "table":
            self.parts.append(f"\n{_TABLE}\n")
        elif tag == "tr":
            self.is_in_row = True
            self.parts.append(f"\n{_ROW}")
        elif self.is_in_row and tag in ("td", "th"):
            self.parts.append("" if self.parts[-1].endswith(_ROW) else " | ")
        elif self.is_in_row and formats.BLOCK.fullmatch(tag):
            self.parts.append(" ")
        else:
            super().handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.is_in_row = self.is_in_row and tag not in ("tr", "table")
        if self.is_in_row and formats.BLOCK.fullmatch(tag):
            self.parts.append(" ")
        else:
            super().handle_endtag(tag)
