"""From a document to passages: pieces of 200 to 300 words that can be found and cited.

A reader hands over blocks in the order of the document. A passage never mixes two headings, two
pages or two tables, and is cut between sentences or rows where there are any.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

WORDS = 250  # of a passage, at most
CHARS = 6 * WORDS  # for text that puts no spaces between words, and for tables of numbers
HEAD_CHARS = 300
JOINT = " › "

# Where a sentence may end: after its sign and closing quotes, before a space; after CJK signs; or
# at the end of a line.
_ENDS = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|\n+")


@dataclass(frozen=True)
class Block:
    """A paragraph, or a row of a table, as a reader found it.

    heading: what it stands under, the outermost first
    page:    page, slide or sheet, from 1; 0 where the format has none
    columns: of a row: the first row of its table, which says what the cells are
    row:     of a row: its number in the file, from 1; 0 for a paragraph
    """

    text: str
    heading: tuple[str, ...] = ()
    page: int = 0
    columns: str = ""
    row: int = 0


@dataclass(frozen=True)
class Passage:
    """A piece of a document.

    text:               the words of the document, nothing added
    first_row, last_row: of a piece of a table; 0 else
    """

    text: str
    heading: tuple[str, ...] = ()
    page: int = 0
    columns: str = ""
    first_row: int = 0
    last_row: int = 0

    def indexed(self, document: str) -> str:
        """What is remembered: the text below the document's name, its headings and its columns."""
        return f"{head(document, self.heading)}\n{self.body}"

    @property
    def body(self) -> str:
        """The text below the names of its columns, which may stand on an earlier piece."""
        is_headless = self.columns and not self.text.startswith(self.columns)
        return f"{self.columns}\n{self.text}" if is_headless else self.text


def head(document: str, heading: tuple[str, ...]) -> str:
    """ "handbook.pdf › Leave › Parental", on one line of bounded length."""
    line = " ".join(JOINT.join((document, *heading)).split())
    return line if len(line) <= HEAD_CHARS else f"{line[: HEAD_CHARS - 1]}…"


def below_head(text: str, document: str, heading: Sequence[str]) -> str:
    """What is remembered without its first line, unless that was edited."""
    line, _, body = text.partition("\n")
    return body if line == head(document, tuple(heading)) else text


def passages(blocks: Iterable[Block]) -> Iterator[Passage]:
    """All of the blocks' words, in order, in passages. The parts of a long section are alike in
    length, so that none is a leftover of three words."""
    for (heading, page, columns, is_table), group in groupby(blocks, _place):
        units = [unit for block in group for unit in _units(block)]
        for part in _packed(units):
            rows = [row for _, row in part] if is_table else [0]
            text = ("\n" if is_table else "").join(text for text, _ in part).strip()
            yield Passage(text, heading, page, columns, rows[0], rows[-1])


def size(text: str) -> float:
    """How much of a passage a text takes, in words; six characters weigh at least a word."""
    return max(len(text.split()), len(text) * WORDS / CHARS)


def _place(block: Block) -> tuple[tuple[str, ...], int, str, bool]:
    return block.heading, block.page, block.columns, block.row > 0


def _units(block: Block) -> Iterator[tuple[str, int]]:
    """(text, row): a row, or a sentence with the space behind it; what is longer than a passage
    may be, in pieces."""
    if block.row:
        pieces = [block.text]
    else:
        ends = [match.end() for match in _ENDS.finditer(block.text)]
        starts = [0, *ends]
        pieces = [block.text[a:b] for a, b in zip(starts, [*ends, None], strict=True)]
        pieces[-1] += "\n\n"
    for piece in pieces:
        if piece.strip():
            yield from ((part, block.row) for part in _bounded(piece))


def _bounded(text: str) -> Iterator[str]:
    """The text in pieces of at most one passage, cut between words where there are any."""
    while size(text) > WORDS:
        end = min(CHARS, _end_of_word(text, WORDS))
        gap = text.rfind(" ", CHARS // 2, end)
        cut = gap + 1 if gap > 0 else end
        yield text[:cut]
        text = text[cut:]
    yield text


def _end_of_word(text: str, nth: int) -> int:
    """Where the nth word of a text ends; the whole length if it has fewer."""
    for number, match in enumerate(re.finditer(r"\S+", text), 1):
        if number == nth:
            return match.end()
    return len(text)


def _packed(units: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Neighbours together, in as few parts as their size needs."""
    total = sum(size(text) for text, _ in units)
    target = total / max(1, math.ceil(total / WORDS))
    part: list[tuple[str, int]] = []
    filled = 0.0
    for unit in units:
        weight = size(unit[0])
        if part and (filled + weight > WORDS or filled + weight / 2 > target):
            yield part
            part, filled = [], 0.0
        part.append(unit)
        filled += weight
    if part:
        yield part
