"""Documents as text: read by what they are, not by what they are called.

A file that cannot be used is told to the boss with a plain reason, and never stops the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.tools import formats
from orchestrator.tools.base import FileProblem, ToolContext, ToolError
from orchestrator.tools.folder import MAX_FILE_BYTES, kind_of
from orchestrator.tools.formats import Unreadable
from orchestrator.tools.registry import tool
from orchestrator.tools.sheets import decoded
from orchestrator.tools.values import clean_text, listed

MAX_LINE_CHARS = 50_000
MAX_TEXT_CHARS = 2_000_000

_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_MARK = "EncryptedPackage".encode("utf-16-le")
PICTURES = {"png", "jpg", "gif", "webp", "bmp", "tif", "heic", "avif", "ico", "psd"}
_TEXTS = {"text", "md", "csv"}
_ENDINGS = {
    "txt": "text",
    "text": "text",
    "log": "text",
    "markdown": "md",
    "tsv": "csv",
    "htm": "html",
    "jpeg": "jpg",
    "tiff": "tif",
}
SPOKEN = {
    "pdf": "a PDF",
    "docx": "a Word file",
    "xlsx": "an Excel workbook",
    "html": "a web page",
    "eml": "a mail",
    "json": "JSON",
    "text": "plain text",
    "md": "Markdown text",
    "csv": "a text table",
}


@dataclass(frozen=True)
class Document:
    """What a file says.

    kind:  "pdf", "docx", "xlsx", "html", "eml", "json", "csv", "md" or "text", by content
    text:  its lines, with columns and cells apart
    pages: pages of a PDF, sheets of a workbook, else 1
    notes: what the boss should know ("it is called .pdf but is plain text")
    """

    name: str
    kind: str
    text: str
    pages: int
    notes: tuple[str, ...] = field(default=())


def read_document(name: str, content: bytes) -> Document:
    """The text of a file. Raises FileProblem, whose reason says what the boss can do."""
    if len(content) > MAX_FILE_BYTES:
        raise FileProblem(name, f"it is larger than {MAX_FILE_BYTES // 2**20} MB; split it.")
    kind = kind_of(name, content)
    try:
        refuse(kind, content)
        text, pages = _read(name, kind, content)
    except Unreadable as why:
        raise FileProblem(name, mislabelled(name, kind) + str(why)) from None
    if not text.strip():
        raise FileProblem(name, "there is no text in it; attach a file with content.")
    notes = [f"{name}: read as {SPOKEN[kind]}, which it is"] if is_mislabelled(name, kind) else []
    if pages > formats.MAX_PAGES:
        notes.append(f"{name}: only the first {formats.MAX_PAGES} of {pages} pages were read")
    return Document(name, kind, _bounded(name, clean_text(text), notes), pages, tuple(notes))


def compact(document: Document) -> str:
    """The text as a prompt wants it: cells by " | ", no rulers, no empty lines, narrow gaps."""
    shown = formats.csv_text(document.text) if document.kind == "csv" else document.text
    lines = formats.tidy(shown).splitlines()
    return "\n".join(line for line in lines if any(map(str.isalnum, line)))


def parts_of(text: str, chars: int) -> Iterator[str]:
    """The text in pieces of at most `chars` characters that a prompt can hold, cut between lines;
    of a longer line its beginning. At least one piece."""
    part = ""
    for line in text.splitlines(keepends=True):
        if part and len(part) + len(line) > chars:
            yield part
            part = ""
        part += line[:chars]
    yield part


def read_documents(context: ToolContext, files: Sequence[str] | str) -> list[Document]:
    """The files that can be read; the others become problems for the boss.

    Raises ToolError for a name that is not in the folder, or if no file at all can be read.
    """
    names = [files] if isinstance(files, str) else list(dict.fromkeys(files))
    there = context.files.names()
    for name in names:
        if name not in there:
            raise ToolError(
                f'there is no file "{name[:80]}"; the files are: {listed(there) or "none"}'
            )
    if not names:
        raise ToolError(f"no files were given; the files are: {listed(there) or 'none'}")
    found: list[Document] = []
    problems: list[FileProblem] = []
    for name in names:
        try:
            found.append(read_document(name, context.files.read(name)))
        except FileProblem as bad:
            problems.append(bad)
    _tell(context, problems, found)
    if not found:
        raise ToolError("none of the files can be read: " + "; ".join(map(str, problems[:3])))
    return found


@tool(effect="reads")
def list_files(context: ToolContext) -> list[dict[str, Any]]:
    """The goal's files: name, kind, size_bytes."""
    return [
        {"name": entry.name, "kind": entry.kind, "size_bytes": entry.size_bytes}
        for entry in context.files.list()
    ]


@tool(effect="reads")
def read_text(context: ToolContext, name: str) -> str:
    """The whole text of a file (txt, md, pdf, docx, xlsx, html, eml, csv, json)."""
    return read_documents(context, name)[0].text


def _tell(
    context: ToolContext, problems: Iterable[FileProblem], documents: Iterable[Document]
) -> None:
    known = {(problem.name, problem.reason) for problem in context.problems}
    context.problems += [bad for bad in problems if (bad.name, bad.reason) not in known]
    for document in documents:
        context.notes += [note for note in document.notes if note not in context.notes]


def refuse(kind: str, content: bytes) -> None:
    """Say plainly why a kind of file is not read."""
    if kind == "empty":
        raise Unreadable("it is empty; attach a file with content.")
    if content.startswith(_OLD_OFFICE):
        if _ENCRYPTED_MARK in content:
            raise Unreadable(
                "it is protected by a password; save a copy without one and attach that."
            )
        raise Unreadable("it is in an old Office format; save it as .docx or .xlsx.")
    if kind in PICTURES:
        raise Unreadable(f"it is a picture ({kind}); attach the text or a PDF with text in it.")
    if kind == "zip":
        formats.check_zip(content)
        raise Unreadable("it is a zip archive; unpack it and attach the files in it.")
    if kind not in SPOKEN:
        told = "" if kind == "binary" else f" ({kind})"
        raise Unreadable(
            f"it is no document that can be read{told}; attach a PDF, Word, Excel or text file."
        )


def _read(name: str, kind: str, content: bytes) -> tuple[str, int]:
    match kind:
        case "pdf":
            return formats.pdf_text(content)
        case "docx":
            return formats.docx_text(content)
        case "xlsx":
            return formats.xlsx_text(content)
        case "eml":
            return formats.mail_text(content), 1
    text = decoded(name, content).replace("\r\n", "\n")
    if kind == "html":
        text = formats.html_text(text)
    if kind == "json":
        text = formats.json_text(text)
    return text, 1


def is_mislabelled(name: str, kind: str) -> bool:
    """Whether the ending names another kind; one kind of text for another does no harm."""
    ending = name.rpartition(".")[2].casefold() if "." in name else ""
    claimed = _ENDINGS.get(ending, ending)
    if claimed == kind or claimed not in SPOKEN.keys() | PICTURES:
        return False
    return not (claimed in _TEXTS and kind in _TEXTS | {"json", "html"})


def mislabelled(name: str, kind: str) -> str:
    if kind == "empty" or not is_mislabelled(name, kind):
        return ""
    return f"it is called .{name.rpartition('.')[2]}, but "


def _bounded(name: str, text: str, notes: list[str]) -> str:
    """The text without lines and lengths that no reader could use; a cut is noted."""
    lines = text.split("\n")
    if any(len(line) > MAX_LINE_CHARS for line in lines):
        text = "\n".join(line[:MAX_LINE_CHARS] for line in lines)
        notes.append(f"{name}: lines were cut after {MAX_LINE_CHARS:,} characters")
    if len(text) > MAX_TEXT_CHARS:
        text = text[:MAX_TEXT_CHARS]
        notes.append(f"{name}: only the first {MAX_TEXT_CHARS:,} characters were read")
    return text
