"""When a question or a remark is about: "in May", "last week", "on 3 March 2025", by code.

Days and months are understood in the languages of `dates`; relative words in English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from staff.domain.dates import MONTHS, find_dates, find_days

_DAY = timedelta(days=1)
_FIRST, _LAST = date(1900, 1, 1), date(2200, 1, 1)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: number for number, word in enumerate(_COUNTED, 1)}
_NUMBERS |= {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 4}
_UNITS = {
    "day": relativedelta(days=1),
    "week": relativedelta(weeks=1),
    "month": relativedelta(months=1),
    "quarter": relativedelta(months=3),
    "year": relativedelta(years=1),
}

# Month names that are other words as well count only after a word that a date follows.
_SHORT = {"jan", "feb", "mar", "apr", "may", "mai", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
_MONTH = "|".join(sorted((m for m in MONTHS if len(m) > 3 or m in _SHORT), key=len, reverse=True))
_BEFORE_MONTH = r"in|of|during|since|until|till|by|early|late|mid|before|after|last|next|im|en"
_PARTS = {"early": 0, "beginning": 0, "start": 0, "mid": 1, "middle": 1, "late": 2, "end": 2}
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": 4}


@dataclass(frozen=True)
class Span:
    """Days from `start` up to but not including `end`, and where the text says so."""

    start: date
    end: date
    at: tuple[int, int] = (0, 0)

    @property
    def days(self) -> int:
        return (self.end - self.start).days


def find_spans(text: str, today: date, *, is_past: bool = True) -> list[Span]:
    """The spans that a text names, in order, seen from `today`.

    is_past: a month or day without a year is the latest one that has begun; else the nearest one
    """
    found: list[Span] = []
    for read in _READERS:
        for span in read(text, today, is_past):
            if not any(s.at[0] < span.at[1] and span.at[0] < s.at[1] for s in found):
                found.append(span)
    found.sort(key=lambda span: span.at)
    return [_opened(text, span) for span in _joined(text, found)]


def without_spans(text: str, spans: list[Span]) -> str:
    """The text without the words that name the spans."""
    kept, at = [], 0
    for span in spans:
        kept.append(
            re.sub(r"\b(?:on|in|during|since|before|after|of)\s*$", "", text[at : span.at[0]])
        )
        at = span.at[1]
    return " ".join("".join([*kept, text[at:]]).split())


def _whole_dates(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for written in find_dates(text):
        day = written.read(day_first=True)
        yield Span(day, day + _DAY, (written.start, written.end))


def _days_of_a_month(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for written, month, number in find_days(text):
        at = text.find(written)
        if day := _nearest(today, month, number, is_past):
            yield Span(day, day + _DAY, (at, at + len(written)))


_PART_OF_MONTH = re.compile(
    rf"\b(?:(?:the\s+)?(?:(?P<part>early|mid|late|beginning|start|middle|end)[\s-]+(?:of\s+)?"
    rf"|(?P<nth>first|second|third|fourth|last)\s+week\s+of\s+))"
    rf"(?P<month>{_MONTH})\b\.?(?:,?\s+(?:of\s+)?(?P<year>(?:19|20)\d\d))?",
    re.IGNORECASE,
)
_WHOLE_MONTH = re.compile(
    rf"(?P<lead>\b(?:{_BEFORE_MONTH})\s+)?\b(?P<month>{_MONTH})\b\.?"
    rf"(?:,?\s+(?:of\s+)?(?P<year>(?:19|20)\d\d))?",
    re.IGNORECASE,
)


def _parts_of_months(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for match in _PART_OF_MONTH.finditer(text):
        first = _month_start(match, today, is_past)
        end = first + relativedelta(months=1)
        if match["part"]:
            part = _PARTS[match["part"].lower()]
            start = first + timedelta(days=10 * part)
            yield Span(start, end if part == 2 else start + timedelta(days=10), match.span())
        else:
            start = first + timedelta(days=7 * _ORDINALS[match["nth"].lower()])
            start = min(start, end - timedelta(days=7))
            yield Span(start, start + timedelta(days=7), match.span())


def _months(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for match in _WHOLE_MONTH.finditer(text):
        name = match["month"]
        is_plain = name[0].isupper() and (len(name) > 3 or name == "May")
        is_first = re.search(r"(?:^|[.!?:]\s*)$", text[: match.start("month")])
        if match["year"] or match["lead"] or (is_plain and not is_first):
            first = _month_start(match, today, is_past)
            start = match.start("month")
            yield Span(first, first + relativedelta(months=1), (start, match.end()))


_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(_NUMBERS)})(?:\s+(?:of\s+)?)"
_AGO = re.compile(rf"\b(?:a\s+)?{_COUNT}(?P<unit>day|week|month|year)s?\s+ago\b", re.IGNORECASE)
_LATELY = re.compile(
    rf"\b(?:the\s+)?(?:last|past)\s+{_COUNT}(?P<unit>day|week|month|year)s?\b", re.IGNORECASE
)
_NAMED = re.compile(
    r"\b(?:the\s+day\s+before\s+yesterday|yesterday|last\s+night|today|tonight|this\s+(?:morning|"
    r"afternoon|evening)|the\s+day\s+after\s+tomorrow|tomorrow)\b",
    re.IGNORECASE,
)
_OFFSETS = {"the day before yesterday": -2, "the day after tomorrow": 2, "tomorrow": 1}
_BESIDE = re.compile(
    r"\b(?P<which>last|past|previous|this|current|next)\s+"
    r"(?P<unit>week(?:end)?|month|quarter|year|"
    rf"{'|'.join(_SEASONS)})(?!\s+of)\b",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(
    rf"\b(?:(?P<which>last|this|next|on)\s+)(?P<day>{'|'.join(_WEEKDAYS)})\b", re.IGNORECASE
)
_YEAR = re.compile(
    rf"\b(?:(?P<season>{'|'.join(_SEASONS)})\s+(?:of\s+)?|(?P<quarter>Q[1-4])\s+(?:of\s+)?|"
    r"(?:in|of|during|since|before|after|until)\s+)(?P<year>(?:19|20)\d\d)\b",
    re.IGNORECASE,
)


def _ago(text: str, today: date, is_past: bool) -> Iterator[Span]:
    """ "three weeks ago" is the week around that day; "2 days ago" that day"""
    for match in _AGO.finditer(text):
        unit = match["unit"].lower()
        day = today - _counted(match["count"]) * _UNITS[unit]
        around = {"day": 0, "week": 3, "month": 15, "year": 183}[unit]
        yield Span(day - around * _DAY, day + (around + 1) * _DAY, match.span())


def _lately(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for match in _LATELY.finditer(text):
        length = _counted(match["count"]) * _UNITS[match["unit"].lower()]
        yield Span(today - length, today + _DAY, match.span())


def _named_days(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for match in _NAMED.finditer(text):
        words = " ".join(match[0].lower().split())
        was = -1 if words in ("yesterday", "last night") else 0
        day = today + _OFFSETS.get(words, was) * _DAY
        yield Span(day, day + _DAY, match.span())


def _beside(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for match in _BESIDE.finditer(text):
        which, unit = match["which"].lower(), match["unit"].lower()
        step = {"this": 0, "current": 0, "next": 1}.get(which, -1)
        if unit in _SEASONS:
            start = _season(today, unit, step)
            yield Span(start, start + relativedelta(months=3), match.span())
            continue
        start = _begun(today, unit)
        kind = "week" if unit == "weekend" else unit
        start = start + step * _UNITS[kind]
        if unit == "weekend":
            yield Span(start + 5 * _DAY, start + 7 * _DAY, match.span())
        else:
            yield Span(start, start + _UNITS[kind], match.span())


def _weekdays(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for match in _WEEKDAY.finditer(text):
        number, which = _WEEKDAYS.index(match["day"].lower()), match["which"].lower()
        monday = today - timedelta(days=today.weekday())
        if which == "next":
            day = monday + timedelta(days=7 + number)
        elif which == "this":
            day = monday + timedelta(days=number)
        else:
            day = today - timedelta(days=(today.weekday() - number - 1) % 7 + 1)
        yield Span(day, day + _DAY, match.span())


def _years(text: str, today: date, is_past: bool) -> Iterator[Span]:
    for match in _YEAR.finditer(text):
        year, at = int(match["year"]), match.span()
        if match["season"]:
            start = date(year, _SEASONS[match["season"].lower()], 1)
            yield Span(start, start + relativedelta(months=3), at)
        elif match["quarter"]:
            start = date(year, 3 * int(match["quarter"][1]) - 2, 1)
            yield Span(start, start + relativedelta(months=3), at)
        else:
            yield Span(date(year, 1, 1), date(year + 1, 1, 1), match.span("year"))


_Reader = Callable[[str, date, bool], Iterator[Span]]
_READERS: tuple[_Reader, ...] = (
    _whole_dates,
    _days_of_a_month,
    _parts_of_months,
    _months,
    _ago,
    _lately,
    _named_days,
    _beside,
    _weekdays,
    _years,
)


def _joined(text: str, spans: list[Span]) -> list[Span]:
    """ "between A and B", "from A to B": one span from the first to the second"""
    joined: list[Span] = []
    for span in spans:
        if joined:
            last = joined[-1]
            lead, between = text[: last.at[0]].lower(), text[last.at[1] : span.at[0]].lower()
            opened = re.search(r"\b(between|from)\s+(?:the\s+)?$", lead)
            if opened and re.fullmatch(r"\s*(?:and|to|until|till|-|–)\s*(?:the\s+)?", between):
                years = 1 if last.start >= span.end else 0  # the first was meant of that year too
                start = last.start - relativedelta(years=years)
                joined[-1] = Span(start, span.end, (last.at[0], span.at[1]))
                continue
        joined.append(span)
    return joined


def _opened(text: str, span: Span) -> Span:
    """ "since A", "before A", "after A": open on one side"""
    lead = re.search(
        r"\b(since|after|before|until|till)\s+(?:the\s+)?$", text[: span.at[0]].lower()
    )
    if not lead:
        return span
    if lead[1] == "since":
        return Span(span.start, _LAST, span.at)
    if lead[1] == "after":
        return Span(span.end, _LAST, span.at)
    return Span(_FIRST, span.start, span.at)


def _month_start(match: re.Match[str], today: date, is_past: bool) -> date:
    month = MONTHS[match["month"].lower()]
    if match["year"]:
        return date(int(match["year"]), month, 1)
    found = _nearest(today, month, 1, is_past)
    assert found is not None
    return found


def _nearest(today: date, month: int, day_of_month: int, is_past: bool) -> date | None:
    """The yearly day: the latest not after today, or the nearest; None on 29 February."""
    days = []
    for year in (today.year - 1, today.year, today.year + 1):
        try:
            days.append(date(year, month, day_of_month))
        except ValueError:
            continue
    if is_past:
        days = [day for day in days if day <= today]
    return min(days, key=lambda day: abs((day - today).days), default=None)


def _season(today: date, name: str, step: int) -> date:
    """Where a season begins: "last" is the latest that is over, "this" the one of this year."""
    start = date(today.year, _SEASONS[name], 1)
    if step > 0:
        return start if start > today else start + relativedelta(years=1)
    while step < 0 and start + relativedelta(months=3) > today:
        start -= relativedelta(years=1)
    return start


def _begun(today: date, unit: str) -> date:
    """Where the running week, month, quarter or year began."""
    if unit.startswith("week"):
        return today - timedelta(days=today.weekday())
    if unit == "month":
        return today.replace(day=1)
    if unit == "quarter":
        return today.replace(day=1, month=(today.month - 1) // 3 * 3 + 1)
    return today.replace(day=1, month=1)


def _counted(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBERS[text.lower()]
