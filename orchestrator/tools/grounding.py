"""Prose held to its facts: every number, amount, date and code in it must be in the facts."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from decimal import Decimal

from orchestrator.tools.amounts import find_amounts, parse_amount
from staff.domain.dates import WrittenDate, find_dates, find_days

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_a-zß-öø-ÿ])")
_TOKEN = re.compile(r"[^\s|()\"“”„*`]*\d[^\s|()\"“”„*`]*")
_LOOSE = re.compile(r"\d+(?:[.,]\d+)*")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_MARKER = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)  # of a numbered list
_EDGES = ".,;:!?%€$£¥+~'’"


class Facts:
    """What a text may say in figures.

    counts: numbers that are true beside those in the text, such as how many rows a table has
    there:  names of things of which there are some ("Duplicates"), so that nobody says "no ..."
    """

    def __init__(
        self, text: str, counts: Collection[Decimal | int] = (), there: Collection[str] = ()
    ):
        dates = find_dates(text)
        plain = _without(text, [written.text for written in dates])
        self.text = text.casefold()
        self.there = [name.casefold().rstrip("s") for name in there if name.strip()]
        self.days = {day for written in dates for day in _readings(written)}
        self.months_days = {(day.month, day.day) for day in self.days}
        self.months_days |= {(month, day) for _, month, day in find_days(text)}
        self.values = {abs(amount.value) for amount in find_amounts(plain)}
        self.values |= {abs(Decimal(count)) for count in counts}
        self.values |= {Decimal(year) for year in _YEAR.findall(text)}

    def missing_in(self, prose: str) -> list[str]:
        """What the prose says in figures and the facts do not, as written there."""
        prose = _MARKER.sub(" ", prose)
        denied = [found[0] for name in self.there if (found := _denial(name, prose))]
        dates = find_dates(prose)
        missing = [each.text for each in dates if not self.days & _readings(each)]
        rest = _without(prose, [each.text for each in dates])
        days = find_days(rest)
        missing += [text for text, *day in days if tuple(day) not in self.months_days]
        rest = _without(rest, [text for text, *_ in days])
        amounts = find_amounts(rest)
        missing += [each.text for each in amounts if abs(each.value) not in self.values]
        rest = _without(rest, [each.text for each in amounts])
        return denied + missing + [token for token in _tokens(rest) if not self._holds(token)]

    def _holds(self, token: str) -> bool:
        """Whether a code ("AP-2291") is written so, or a range ("10-12") is of values there."""
        if re.search(rf"(?<!\w){re.escape(token.casefold())}(?!\w)", self.text):
            return True
        loose = [parse_amount(number) for number in _LOOSE.findall(token)]
        return token[-1].isdigit() and all(value in self.values for value in loose)


def _denial(name: str, prose: str) -> re.Match[str] | None:
    return re.search(
        rf"\b(?:no|not any|without|zero) (?:\w+ )?{re.escape(name)}\w*", prose, re.IGNORECASE
    )


def split_sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]


def supported(prose: str, facts: Facts) -> tuple[str, list[str]]:
    """The prose without the sentences that say other figures than the facts, and a note on each."""
    lines, notes = [], []
    for line in prose.splitlines():
        kept = []
        for sentence in split_sentences(line):
            if missing := facts.missing_in(sentence):
                notes.append(
                    f'left out, as the facts do not say {missing[0]}: "{sentence.strip()}"'
                )
            else:
                kept.append(sentence)
        if kept or not line.strip():
            lines.append(" ".join(kept))
    return "\n".join(lines).strip(), notes


def _readings(written: WrittenDate) -> set[date]:
    return {day for day in (written.day_first, written.month_first) if day}


def _without(text: str, pieces: list[str]) -> str:
    for piece in sorted(pieces, key=len, reverse=True):
        text = text.replace(piece, " ; ")
    return text


def _tokens(text: str) -> list[str]:
    return [
        token
        for each in _TOKEN.findall(text)
        if (token := each.strip(_EDGES)) and re.search(r"\d", token)
    ]
