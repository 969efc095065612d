"""A file as a page shows it: a table, rendered Markdown, or text; never as active content."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import nh3
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from orchestrator.tools.base import FileProblem

MAX_ROWS = 200
MAX_COLUMNS = 40
MAX_TEXT = 200_000
TABLES = {".csv", ".tsv", ".xlsx"}
DOCUMENTS = {".pdf", ".docx", ".html", ".htm", ".eml"}
TEXTS = {".txt", ".md", ".json", ".log", ".py", ".yaml", ".yml", ".toml", ".xml"}
TAGS = {"h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "ul", "ol", "li", "blockquote", "pre"}
TAGS |= {"code", "em", "strong", "s", "a", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"a": {"href"}, "td": {"class"}, "th": {"class"}}
SCHEMES = {"http", "https", "mailto"}

CITED = re.compile(r"\[m(\d{1,18})\](?!\()")

_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Preview:
    """One of rows, html or text; `cut` says that the file holds more, `problem` why nothing shows.

    numeric: indexes of columns that hold numbers only
    """

    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    numeric: frozenset[int] = frozenset()
    html: str = ""  # safe to show as it is
    text: str = ""
    cut: bool = False
    problem: str = ""


def preview(name: str, content: bytes) -> Preview:
    """What to show of a file. A file that cannot be shown gives a plain problem."""
    ending = PurePath(name).suffix.lower()
    try:
        if ending in TABLES:
            return _table(_xlsx(content) if ending == ".xlsx" else _csv(content, ending))
        if ending == ".md":
            return Preview(html=markdown_html(_text(content)[:MAX_TEXT]))
        if ending in DOCUMENTS:
            from orchestrator.tools.documents import read_document  # loads the readers

            return _cut(read_document(name, content).text)
        if ending == ".json":
            return _cut(_indented(_text(content)))
        if ending in TEXTS or b"\0" not in content[:4096]:
            return _cut(_text(content))
    except FileProblem as bad:
        return Preview(problem=bad.reason)
    except Exception as wrong:  # damaged files break their readers in any way
        return Preview(problem=f"It cannot be shown here ({type(wrong).__name__}). Download it.")
    return Preview(problem="There is no preview for this kind of file. Download it.")


def markdown_html(text: str) -> SafeString:
    """Markdown as HTML that is safe to show: no raw HTML, no images, no scripts.

    Where a memory is cited, "[m12]", is a link to it; who may not see it is told so there.
    """
    linked = CITED.sub(lambda found: f"[m{found[1]}]({_memory_url(found[1])})", text)
    html = _markdown.render(linked).replace('style="text-align:right"', 'class="number"')
    return mark_safe(nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES))


def _memory_url(number: str) -> str:
    return reverse("memory", args=[int(number)])


def _csv(content: bytes, ending: str) -> Iterable[list[Any]]:
    text = _text(content)
    first = text.split("\n", 1)[0]
    delimiter = "\t" if ending == ".tsv" else max(",;\t", key=first.count)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _xlsx(content: bytes) -> Iterable[list[Any]]:
    import openpyxl

    from orchestrator.tools.formats import check_zip

    check_zip(content)
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    return (list(row) for row in book.worksheets[0].iter_rows(values_only=True))


def _table(lines: Iterable[list[Any]]) -> Preview:
    read = list(itertools.islice(lines, MAX_ROWS + 2))
    rows = [["" if cell is None else str(cell) for cell in row[:MAX_COLUMNS]] for row in read]
    columns, body = (rows[0], rows[1 : MAX_ROWS + 1]) if rows else ([], [])
    numeric = frozenset(
        index
        for index in range(len(columns))
        if any(cells := [row[index] for row in body if index < len(row) and row[index]])
        and all(_is_number(cell) for cell in cells)
    )
    return Preview(columns=columns, rows=body, numeric=numeric, cut=len(read) > MAX_ROWS + 1)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True


def _cut(text: str) -> Preview:
    return Preview(text=text[:MAX_TEXT], cut=len(text) > MAX_TEXT)


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig", errors="replace")
