"""Dates as people write them in documents, read by code into ISO form.

English, German, French, Spanish, Italian, Portuguese and Dutch month names; `03/04/2024` is read
day first or month first as the other dates of the same text tell.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date

_MONTHS = (
    "january jan januar jänner janvier janv enero ene gennaio gen janeiro januari",
    "february feb februar février févr fév febrero febbraio fevereiro fev februari",
    "march mar märz mrz maerz mars marzo março maart mrt",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag maio mei",
    "june jun juni juin junio giugno giu junho",
    "july jul juli juillet juil julio luglio lug julho",
    "august aug août aout agosto ago augustus",
    "september sep sept septembre septiembre settembre set setembro",
    "october oct oktober okt octobre octubre ottobre ott outubro out",
    "november nov novembre noviembre novembro",
    "december dec dez dezember décembre déc diciembre dic dicembre dezembro",
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_NAME = rf"(?:{'|'.join(sorted(MONTHS, key=len, reverse=True))})\b\.?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th|er|º|\.)?"
_OF = r"(?:\s+(?:of|de|del|di|d['’])\s+|\s*[-/,]?\s*)"
_YEAR = r"(?:(?:19|20)\d\d|['’]?\d\d(?!\d))"
_PATTERNS = (
    r"(?P<y>(?:19|20)\d\d)(?P<s>[-/.])(?P<m>0?[1-9]|1[0-2])(?P=s)(?P<d>0?[1-9]|[12]\d|3[01])",
    r"(?P<a>\d{1,2})(?P<s>\s?[-/.]\s?)(?P<b>\d{1,2})(?P=s)(?P<y>(?:19|20)\d\d|\d\d)",
    rf"(?P<d>{_DAY}){_OF}(?P<name>{_NAME}){_OF}(?P<y>{_YEAR})",
    rf"(?P<name>{_NAME})\s*(?P<d>{_DAY})(?:\s*,\s*|\s+)(?P<y>(?:19|20)\d\d)",
)
_WRITTEN = tuple(
    re.compile(rf"(?<![\w/.])(?<![a-z]-){pattern}(?!(?!T\d)\w|[/.]\d|-\d+(?![\d.]))", re.IGNORECASE)
    for pattern in _PATTERNS
)

_NO_YEAR = re.compile(
    rf"\b(?P<d>{_DAY})\s+(?:of\s+)?(?P<name>{_NAME})|\b(?P<name2>{_NAME})\s+(?P<d2>{_DAY})(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class WrittenDate:
    """A date found in a text.

    text: as written
    day_first, month_first: its readings; one of them None where only the other is a date, equal
    where the order leaves no doubt
    """

    text: str
    start: int
    end: int
    day_first: date | None
    month_first: date | None

    @property
    def is_ambiguous(self) -> bool:
        readings = (self.day_first, self.month_first)
        return None not in readings and self.day_first != self.month_first

    def read(self, day_first: bool) -> date:
        first, second = self.day_first, self.month_first
        found = (first or second) if day_first else (second or first)
        assert found is not None  # find_dates gives no others
        return found


def find_dates(text: str) -> list[WrittenDate]:
    """Every full date (day, month and year) of a text, in order."""
    found: list[WrittenDate] = []
    for pattern in _WRITTEN:
        for match in pattern.finditer(text):
            written = _written(match)
            if written and not any(w.start < written.end and written.start < w.end for w in found):
                found.append(written)
    return sorted(found, key=lambda written: written.start)


def day_comes_first(dates: list[WrittenDate]) -> bool | None:
    """Whether numeric dates are written day first, by those that leave no doubt; None if none."""
    votes = Counter(
        written.day_first is not None
        for written in dates
        if (written.day_first is None) != (written.month_first is None)
    )
    return None if votes[True] == votes[False] else votes[True] > votes[False]


def find_days(text: str) -> list[tuple[str, int, int]]:
    """Days without a year ("14 March", "March 14th"): as written, month, day of the month."""
    return [
        (match[0], _month(match["name"] or match["name2"]), _number(match["d"] or match["d2"]))
        for match in _NO_YEAR.finditer(text)
    ]


def _written(match: re.Match[str]) -> WrittenDate | None:
    parts = match.groupdict()
    year = _year(parts["y"])
    if "a" in parts:
        first, second = int(parts["a"]), int(parts["b"])
        readings = (_day(year, second, first), _day(year, first, second))
        if "." in parts["s"] and readings[0]:
            readings = (readings[0], readings[0])  # points stand in day-first dates only
    else:
        month = int(parts["m"]) if parts.get("m") else _month(parts["name"])
        day = _day(year, month, _number(parts["d"]))
        readings = (day, day)
    if readings == (None, None):
        return None
    return WrittenDate(match[0], match.start(), match.end(), *readings)


def _month(name: str) -> int:
    return MONTHS[name.lower().rstrip(".")]


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def _year(text: str) -> int:
    digits = _number(text)
    return digits if digits >= 100 else 2000 + digits if digits < 70 else 1900 + digits


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
