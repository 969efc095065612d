"""Sums that a document shows: net and tax make the total, lines make the net."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from orchestrator.tools.amounts import Amount
from orchestrator.tools.candidates import Evidence, is_money

MOST = 60  # amounts looked at; runs grow with their square


@dataclass(frozen=True)
class Sum:
    """Amounts that follow one another, and another one in the document that they add up to."""

    parts: tuple[Decimal, ...]
    total: Amount


def sums(evidence: Evidence) -> list[Sum]:
    """Every run of two or more amounts whose sum is written elsewhere in the document.

    Runs are looked for in all amounts of money, and in the last ones of the lines: a column.
    "2 450.00" is taken as one number throughout, and then as two.
    """
    money = [amount for amount in evidence.amounts if is_money(amount)][:MOST]
    ends = [amount.end for amount in money]
    wholes = [a for i, a in enumerate(money) if a.end not in ends[:i]]
    tails = [a for i, a in enumerate(money) if a.end not in ends[i + 1 :]]
    found: dict[Sum, None] = {}
    for reading in (wholes, tails):
        lines = {evidence.text.count("\n", 0, amount.start): amount for amount in reading}
        found |= dict.fromkeys([*_runs(reading, reading), *_runs(list(lines.values()), reading)])
    return list(found)


def _runs(column: Sequence[Amount], money: Sequence[Amount]) -> Iterator[Sum]:
    for start in range(len(column)):
        summed = column[start].value
        for end in range(start + 1, len(column)):
            summed += column[end].value
            run = column[start : end + 1]
            for total in money:
                if total.value == summed and summed and not any(total is part for part in run):
                    yield Sum(tuple(part.value for part in run), total)
