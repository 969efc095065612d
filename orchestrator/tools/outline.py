"""What readers of documents share: the headings that they are below, and rows of tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from orchestrator.tools.sheets import as_number
from staff.domain.passages import Block

MAX_HEADING = 120  # characters that are kept of one


class Path:
    """The headings that a reader is below. A heading with nothing below it is kept as text."""

    def __init__(self) -> None:
        self.open: list[tuple[int, str]] = []
        self.is_bare = False

    @property
    def heading(self) -> tuple[str, ...]:
        return tuple(title[:MAX_HEADING] for _, title in self.open)

    def enter(self, level: int, title: str, page: int = 0) -> Iterator[Block]:
        """Go below a heading. Yields what its name, cut, or the ones that are left would lose."""
        yield from self.leave(level, page)
        title = " ".join(title.split())
        if len(title) > MAX_HEADING:
            yield Block(title, self.heading, page)
        self.open.append((level, title))
        self.is_bare = len(title) <= MAX_HEADING

    def leave(self, level: int = 0, page: int = 0) -> Iterator[Block]:
        """Leave the headings of this level and deeper; at the end of a document, all."""
        if self.is_bare and self.open[-1][0] >= level:
            title = self.open.pop()[1]
            yield Block(title, self.heading, page)
            self.is_bare = False
        while self.open and self.open[-1][0] >= level:
            self.open.pop()

    def block(self, text: str, page: int = 0, columns: str = "", row: int = 0) -> Iterator[Block]:
        if text.strip():
            self.is_bare = False
            yield Block(text, self.heading, page, columns, row)


def rows_of(rows: Iterable[Sequence[str]], heading: tuple[str, ...], page: int) -> Iterator[Block]:
    """Rows of cells as blocks; the first that is filled names the columns, unless it holds
    numbers."""
    columns: str | None = None
    for number, cells in enumerate(rows, 1):
        filled = list(cells)
        while filled and not filled[-1]:
            filled.pop()
        if not filled:
            continue
        line = " | ".join(filled)
        if columns is None:
            columns = line if names_columns(filled) else ""
        yield Block(line, heading, page, columns, number)


def names_columns(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and not any(as_number(cell, decimal_comma=False) for cell in cells)
