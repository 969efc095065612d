"""A plan as a drawing: steps in columns by how many others must come before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 134, 64  # of a node, in SVG units
GAP_X, GAP_Y = 24, 16
MARGIN = 6
LINE_CHARS = 15
WIDE = 600  # beyond this a drawing may shrink a little to fit


@dataclass(frozen=True)
class Node:
    """A step with its top left corner; lines: its title, wrapped."""

    step: Any
    x: int
    y: int
    lines: tuple[str, ...]

    @property
    def text_x(self) -> int:
        return self.x + 12

    @property
    def placed_lines(self) -> list[tuple[int, str]]:
        return [(self.y + 23 + 16 * number, line) for number, line in enumerate(self.lines)]

    @property
    def foot_y(self) -> int:
        return self.y + HEIGHT - 10


@dataclass(frozen=True)
class Graph:
    """edges: SVG path data, from a step to the one that waits for it"""

    nodes: list[Node]
    edges: list[str]
    width: int
    height: int
    node_width: int = WIDTH
    node_height: int = HEIGHT

    @property
    def is_wide(self) -> bool:
        return self.width > WIDE


def draw(steps: Sequence[Any]) -> Graph:
    """Lay out steps (anything with key, title and after), each in the column after the last of
    those it waits for. Steps that wait for something unknown stand first."""
    levels = _levels({step.key: step.after for step in steps})
    columns: dict[int, list[Any]] = {}
    for step in steps:
        columns.setdefault(levels[step.key], []).append(step)
    tallest = max(map(len, columns.values()), default=1)
    height = tallest * (HEIGHT + GAP_Y) - GAP_Y
    nodes = [
        Node(step, x=MARGIN + column * (WIDTH + GAP_X), y=MARGIN + y, lines=_wrapped(step.title))
        for column, members in columns.items()
        for step, y in zip(members, _spread(len(members), height), strict=True)
    ]
    at = {node.step.key: node for node in nodes}
    edges = [_edge(at[key], node) for node in nodes for key in node.step.after if key in at]
    width = max(columns, default=0) * (WIDTH + GAP_X) + WIDTH
    return Graph(nodes, edges, width + 2 * MARGIN, height + 2 * MARGIN)


def _levels(after: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """The length of the longest way to each key; a circle is cut where it closes."""
    found: dict[str, int] = {}

    def level(key: str, above: frozenset[str]) -> int:
        if key not in found:
            before = [each for each in after[key] if each in after and each not in above]
            found[key] = 1 + max((level(each, above | {key}) for each in before), default=-1)
        return found[key]

    for key in after:
        level(key, frozenset({key}))
    return found


def _spread(count: int, height: int) -> list[int]:
    """Top edges of `count` nodes, centred in a column."""
    top = (height - (count * (HEIGHT + GAP_Y) - GAP_Y)) // 2
    return [top + number * (HEIGHT + GAP_Y) for number in range(count)]


def _edge(start: Node, end: Node) -> str:
    x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2
    x2, y2 = end.x - 2, end.y + HEIGHT // 2
    bend = max(GAP_X // 2, (x2 - x1) // 2)
    return f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _wrapped(title: str) -> tuple[str, ...]:
    """At most two lines, cut with an ellipsis."""
    lines: list[str] = []
    for word in title.split():
        if lines and len(lines[-1]) + 1 + len(word) <= LINE_CHARS:
            lines[-1] += " " + word
        else:
            lines.append(word)
    shown = [line if len(line) <= LINE_CHARS else line[: LINE_CHARS - 1] + "…" for line in lines]
    if len(shown) > 2:
        shown = [shown[0], shown[1][: LINE_CHARS - 1].rstrip() + "…"]
    return tuple(shown)
