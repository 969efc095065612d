"""Reading documents of any usual kind as text, by what they are and not by what they are called.

Every way a file can be unusable raises FileProblem with a reason that says what to do.
"""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.tools.base import FileEntry, FileProblem, Files, ToolContext
from orchestrator.tools.folder import MAX_FILE_BYTES, kind_of
from orchestrator.tools.registry import tool

MAX_PAGES = 500
MAX_CHARS = 2_000_000
MAX_LINE_CHARS = 20_000
MAX_UNPACKED_BYTES = 300 * 1024 * 1024
MAX_RATIO = 200  # unpacked over packed: beyond that an archive is hostile
KIND_OF_ENDING = {"txt": "text", "text": "text", "markdown": "md", "htm": "html", "jpeg": "jpg"}


@dataclass(frozen=True)
class Document:
    """A file as text. `remark` says what the boss should know about how it was read."""

    name: str
    kind: str
    text: str
    pages: int = 1
    remark: str = ""


def read_document(name: str, content: bytes) -> Document:
    """The text of a document. Raises FileProblem with a plain reason."""
    if not content.strip(b"\0 \t\r\n"):
        raise FileProblem(name, "it is empty; attach it again with its content")
    if len(content) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        raise FileProblem(name, f"it is larger than {limit} MB; attach a smaller part of it")
    kind = kind_of(name, content)
    reader = READERS.get(kind)
    if reader is None:
        raise FileProblem(name, _unreadable(name, kind))
    text, pages = reader(name, content)
    text = _tidy(text)
    if not text:
        raise FileProblem(name, "there is no text in it; if it is a scan, attach a text version")
    return Document(name, kind, text, pages, _remark(name, kind))


@tool(effect="reads")
def list_files(context: ToolContext) -> list[dict[str, Any]]:
    """The files of the goal: name, kind, size_bytes."""
    return [
        {"name": entry.name, "kind": entry.kind, "size_bytes": entry.size_bytes}
        for entry in context.files.list()
    ]


@tool(effect="reads")
def read_text(context: ToolContext, name: str) -> str:
    """The whole text of a document."""
    return open_document(context, name).text


def open_document(context: ToolContext, name: str) -> Document:
    """Read one file of the goal and keep its remark. Raises FileProblem."""
    document = read_document(name, context.files.read(name))
    if document.remark and document.remark not in context.notes:
        context.notes.append(document.remark)
    return document


def open_usable(context: ToolContext, names: list[str]) -> Iterator[Document]:
    """The documents that can be read; the others become problems and stop nothing."""
    for name in names:
        try:
            yield open_document(context, name)
        except FileProblem as bad:
            context.problems.append(bad)


def usable(files: Files) -> Iterator[FileEntry | FileProblem]:
    """Each file of a folder: itself, or why it cannot be used."""
    for entry in files.list():
        try:
            read_document(entry.name, files.read(entry.name))
        except FileProblem as bad:
            yield bad
        else:
            yield entry


def _text(name: str, content: bytes) -> tuple[str, int]:
    try:
        return content.decode("utf-8-sig"), 1
    except UnicodeDecodeError:
        import charset_normalizer

        best = charset_normalizer.from_bytes(content[:1_000_000]).best()
        return content.decode(best.encoding if best else "latin-1", errors="replace"), 1


def _json(name: str, content: bytes) -> tuple[str, int]:
    text, pages = _text(name, content)
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False), pages
    except (ValueError, RecursionError):
        return text, pages


def _pdf(name: str, content: bytes) -> tuple[str, int]:
    import pypdf
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileProblem(name, _protected())
        pages = list(reader.pages[:MAX_PAGES])
        text = "\n\n".join(page.extract_text(extraction_mode="layout") for page in pages)
    except (FileNotDecryptedError, DependencyError) as locked:
        raise FileProblem(name, _protected()) from locked
    except (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError) as wrong:
        raise FileProblem(name, _damaged("PDF")) from wrong
    except RecursionError as wrong:
        raise FileProblem(name, _damaged("PDF")) from wrong
    if not text.strip():
        raise FileProblem(
            name, "there is no text in it: it looks like a scan; attach a text version"
        )
    return text, len(pages)


def _docx(name: str, content: bytes) -> tuple[str, int]:
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from docx.table import Table as DocxTable

    _check_archive(name, content)
    try:
        document = docx.Document(io.BytesIO(content))
        parts = []
        for section in document.sections[:1]:
            parts += [p.text for p in section.header.paragraphs if p.text.strip()]
        for block in document.iter_inner_content():
            if isinstance(block, DocxTable):
                parts += [" | ".join(_distinct(row)) for row in block.rows]
            else:
                parts.append(block.text)
        return "\n".join(parts), 1
    except (PackageNotFoundError, KeyError, ValueError, zipfile.BadZipFile) as wrong:
        raise FileProblem(name, _damaged("Word document")) from wrong


def _distinct(row: Any) -> list[str]:
    """The cells of a row; a merged cell is given once, as it is seen."""
    texts: list[str] = []
    seen: set[int] = set()
    for cell in row.cells:
        if id(cell._tc) not in seen:
            seen.add(id(cell._tc))
            texts.append(" ".join(cell.text.split()))
    return texts


def _xlsx(name: str, content: bytes) -> tuple[str, int]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    _check_archive(name, content)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        parts = []
        for sheet in book.worksheets:
            parts.append(f"# {sheet.title}")
            for row in sheet.iter_rows(values_only=True):
                if any(cell is not None for cell in row):
                    parts.append(" | ".join("" if cell is None else str(cell) for cell in row))
        return "\n".join(parts), len(book.worksheets)
    except (InvalidFileException, KeyError, ValueError, zipfile.BadZipFile, TypeError) as wrong:
        raise FileProblem(name, _damaged("spreadsheet")) from wrong


def _html(name: str, content: bytes) -> tuple[str, int]:
    from html.parser import HTMLParser

    class Visible(HTMLParser):
        """Collects what a reader sees; block elements end a line."""

        def __init__(self) -> None:
            super().__init__()
            self.parts: list[str] = []
            self.hidden = 0

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.hidden += tag in ("script", "style", "template")
            if tag in ("br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "table"):
                self.parts.append("\n")
            elif tag in ("td", "th"):
                self.parts.append(" | ")

        def handle_endtag(self, tag: str) -> None:
            self.hidden -= tag in ("script", "style", "template") and self.hidden > 0

        def handle_data(self, data: str) -> None:
            if not self.hidden:
                self.parts.append(" ".join(data.split()) + " " if data.strip() else "")

    parser = Visible()
    parser.feed(_text(name, content)[0])
    return "".join(parser.parts), 1


def _eml(name: str, content: bytes) -> tuple[str, int]:
    message = email.message_from_bytes(content, policy=email.policy.default)
    head = [f"{key}: {message[key]}" for key in ("From", "To", "Date", "Subject") if message[key]]
    body = message.get_body(("plain", "html"))
    text = ""
    if body is not None:
        text = str(body.get_content())
        if body.get_content_subtype() == "html":
            text = _html(name, text.encode())[0]
    return "\n".join([*head, "", text]), 1


READERS: Mapping[str, Callable[[str, bytes], tuple[str, int]]] = {
    "text": _text,
    "md": _text,
    "csv": _text,
    "json": _json,
    "pdf": _pdf,
    "docx": _docx,
    "xlsx": _xlsx,
    "html": _html,
    "eml": _eml,
}


def _check_archive(name: str, content: bytes) -> None:
    """Refuse what unpacks to far more than it is, before anything unpacks it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as wrong:
        raise FileProblem(name, _damaged("document")) from wrong
    if unpacked > MAX_UNPACKED_BYTES or unpacked > MAX_RATIO * len(content) + 10_000_000:
        raise FileProblem(name, "it unpacks to far more than it is; save it anew and attach that")


def _tidy(text: str) -> str:
    """Text without control characters, runs of blank lines, and lines that never end."""
    text = re.sub(r"[\0-\x08\x0b-\x1f\x7f]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [line.rstrip()[:MAX_LINE_CHARS] for line in text[:MAX_CHARS].split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n").rstrip()


def _protected() -> str:
    return "it is protected by a password; save a copy without one and attach that"


def _damaged(what: str) -> str:
    return f"it is damaged and cannot be opened as a {what}; attach a fresh copy"


def _unreadable(name: str, kind: str) -> str:
    claimed = _claimed(name)
    if claimed in READERS:
        return f"it is called {claimed} but holds something else ({kind}); attach the right file"
    known = "txt, md, csv, json, pdf, docx, xlsx, html, eml"
    return f"files of this kind ({kind}) cannot be read; these can: {known}"


def _claimed(name: str) -> str:
    ending = name.rpartition(".")[2].lower()
    return KIND_OF_ENDING.get(ending, ending)


def _remark(name: str, kind: str) -> str:
    claimed = _claimed(name)
    plain = ("text", "md", "csv", "html", "eml", "json")
    if claimed == kind or claimed not in READERS or (claimed in plain and kind in plain):
        return ""
    return f"{name} is called {claimed} but is {kind}; it was read as {kind}"
