"""Office files with their structure: headings, tables, sheets and slides."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from orchestrator.tools import formats
from orchestrator.tools.formats import check_zip, damaged
from orchestrator.tools.outline import Path, names_columns, rows_of
from staff.domain.passages import Block

MAX_ROWS = 20_000  # of a sheet


def docx_blocks(content: bytes) -> tuple[list[Block], int]:
    """Paragraphs, tables and text boxes below their headings; page headers first. Pages as Word
    last laid them out, if it noted them."""
    import docx

    check_zip(content)
    try:
        document = docx.Document(io.BytesIO(content))
        blocks = list(_docx_blocks(document))
    except Exception as wrong:  # a damaged part may break lxml, zipfile or python-docx
        raise damaged(wrong) from None
    return blocks, max((block.page for block in blocks), default=0)


def xlsx_blocks(content: bytes, notes: list[str]) -> tuple[list[Block], int]:
    """The rows of each sheet, below its name and its first row."""
    import openpyxl

    check_zip(content)
    blocks: list[Block] = []
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = book.worksheets
        for page, sheet in enumerate(sheets, 1):
            sheet.reset_dimensions()  # what the sheet claims about its size is not believed
            rows = (
                [formats.cell_text(value) for value in row]
                for row in sheet.iter_rows(values_only=True, max_row=MAX_ROWS + 1)
            )
            found = list(rows_of(rows, (sheet.title,), page))
            if found and found[-1].row > MAX_ROWS:
                found.pop()
                notes.append(f"Only the first {MAX_ROWS:,} rows of {sheet.title} were read.")
            blocks += found
        book.close()
    except Exception as wrong:  # a damaged part may break zipfile, the XML parser or openpyxl
        raise damaged(wrong) from None
    return blocks, len(sheets)


def pptx_blocks(content: bytes) -> tuple[list[Block], int]:
    """The slides: title as heading, then texts, tables and the speaker's notes."""
    import pptx

    check_zip(content)
    try:
        slides = list(pptx.Presentation(io.BytesIO(content)).slides)
        blocks = [
            block for number, slide in enumerate(slides, 1) for block in _slide(slide, number)
        ]
    except Exception as wrong:  # a damaged part may break lxml, zipfile or python-pptx
        raise damaged(wrong) from None
    return blocks, len(slides)


def _docx_blocks(document: Any) -> Iterator[Block]:
    from docx.table import Table

    heads = [line for section in document.sections for line in formats.blocks(section.header)]
    yield from (Block(line) for line in dict.fromkeys(heads))
    breaks = document.element.body.iter("{*}lastRenderedPageBreak")
    page = 1 if next(breaks, None) is not None else 0
    path = Path()
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            lines = list(formats.table_lines(block))
            columns = lines[0] if lines and names_columns(lines[0].split(" | ")) else ""
            for row, line in enumerate(lines, 1):
                yield from path.block(line, page, columns, row)
        else:
            level = re.fullmatch(r"(?i)heading (\d)|title", block.style.name or "")
            if level and block.text.strip():
                yield from path.enter(int(level[1] or 0), block.text, page)
            else:
                yield from path.block(block.text, page)
            for text in formats.boxes(block):
                yield from path.block(text, page)
        page += sum(1 for _ in block._element.iter("{*}lastRenderedPageBreak")) if page else 0
    yield from path.leave(page=page)
    feet = [line for section in document.sections for line in formats.blocks(section.footer)]
    yield from (Block(line) for line in dict.fromkeys(feet))


def _slide(slide: Any, number: int) -> Iterator[Block]:
    title = slide.shapes.title
    path = Path()
    if title is not None and title.text_frame.text.strip():
        yield from path.enter(1, title.text_frame.text, number)
    for shape in _shapes(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if shape.has_text_frame:
            yield from path.block(shape.text_frame.text, number)
        elif getattr(shape, "has_table", False):
            lines = [" | ".join(cell.text.strip() for cell in r.cells) for r in shape.table.rows]
            columns = lines[0] if lines and names_columns(lines[0].split(" | ")) else ""
            for row, line in enumerate(lines, 1):
                yield from path.block(line, number, columns, row)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from path.block(slide.notes_slide.notes_text_frame.text, number)
    yield from path.leave(page=number)


def _shapes(shapes: Any, depth: int = 0) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes") and depth < 10:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape
