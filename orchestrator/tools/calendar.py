"""Dates, reckoned in code: a small model is not to count days. ISO text in and out."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from dateutil import parser
from dateutil.relativedelta import relativedelta

from orchestrator.tools.base import ToolContext, ToolError
from orchestrator.tools.registry import tool
from orchestrator.tools.values import plain

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: number for number, word in enumerate(_COUNTED, 1)} | {"a": 1, "an": 1}
_UNITS = {"day": "days", "week": "weeks", "month": "months", "year": "years"}
_EXAMPLES = '"next Friday", "in 3 weeks", "end of month", "14 March" or "2026-03-14"'


@tool(effect="reads")
def today(context: ToolContext) -> str:
    """Today's date."""
    return context.today.isoformat()


@tool(effect="reads")
def add_days(context: ToolContext, date: str, days: int) -> str:
    """The date that many days later."""
    return _moved(as_date(date), relativedelta(days=days), days).isoformat()


@tool(effect="reads")
def add_months(context: ToolContext, date: str, months: int) -> str:
    """The date that many months later."""
    return _moved(as_date(date), relativedelta(months=months), months).isoformat()


@tool(effect="reads")
def days_between(context: ToolContext, start: str, end: str) -> int:
    """Days from start to end."""
    return (as_date(end) - as_date(start)).days


@tool(effect="reads")
def weekday(context: ToolContext, date: str) -> str:
    """The day of the week, such as "Monday"."""
    return WEEKDAYS[as_date(date).weekday()]


@tool(effect="reads")
def month_of(context: ToolContext, date: str) -> str:
    """The month, such as "2026-03"."""
    return f"{as_date(date):%Y-%m}"


@tool(effect="reads")
def quarter_of(context: ToolContext, date: str) -> str:
    """The quarter, such as "2026-Q1"."""
    day = as_date(date)
    return f"{day.year}-Q{(day.month + 2) // 3}"


@tool(effect="reads")
def resolve_date(context: ToolContext, text: str) -> str:
    """The date that words mean, such as "next Friday"."""
    return resolved(text, context.today).isoformat()


def as_date(text: str) -> date:
    """The ISO date, a time behind it left out. Raises ToolError that says what was expected."""
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        raise ToolError(
            f'{plain(text)} is not a date such as "2026-03-14"; resolve_date(text) reads words'
        ) from None


def resolved(text: str, today: date) -> date:
    """The date that words mean, seen from `today`.

    A weekday is the next one after today; "next Friday" is the Friday of the coming week (Monday
    to Sunday). A day and month without a year is the next such day, today included.
    Raises ToolError with examples for what is not understood.
    """
    words = " ".join(text.casefold().replace(",", " ").split()).removeprefix("by ").strip(" .")
    for read in (_named_day, _in_some_time, _end_of, _weekday_named, _written_date):
        if found := read(words, today):
            return found
    raise ToolError(f"{plain(text)} is not a date that can be worked out; write {_EXAMPLES}")


def _named_day(words: str, today: date) -> date | None:
    days = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1, "day after tomorrow": 2}
    offset = days.get(words.removeprefix("the "))
    return None if offset is None else today + timedelta(days=offset)


def _in_some_time(words: str, today: date) -> date | None:
    """ "in 3 weeks", "two days ago", "next month", "a week from now" """
    counted = r"(\d{1,4}|[a-z]+) (day|week|month|year)s?"
    found = re.fullmatch(rf"in {counted}|{counted} (?:from (?:now|today)|later)", words)
    ago = re.fullmatch(rf"{counted} ago", words)
    beside = re.fullmatch(r"(next|last) (week|month|year)", words)
    if beside:
        return _stepped(today, 1 if beside[1] == "next" else -1, beside[2])
    if not found and not ago:
        return None
    count, unit = [group for group in (found or ago).groups() if group]  # type: ignore[union-attr]
    number = int(count) if count.isdigit() else _NUMBERS.get(count)
    return None if number is None else _stepped(today, -number if ago else number, unit)


def _stepped(day: date, number: int, unit: str) -> date:
    return _moved(day, relativedelta(**{_UNITS[unit]: number}), number)  # type: ignore[arg-type]


def _end_of(words: str, today: date) -> date | None:
    """ "end of month", "end of next week" (its Friday), "end of the year" """
    found = re.fullmatch(r"(?:the )?end of (?:the |this )?(next )?(week|month|quarter|year)", words)
    if not found:
        return None
    ahead = 1 if found[1] else 0
    if found[2] == "week":
        return today + timedelta(days=4 - today.weekday() + 7 * ahead)
    months = {"month": 1, "quarter": 3, "year": 12}[found[2]]
    first = today.replace(day=1, month=(today.month - 1) // months * months + 1)
    return first + relativedelta(months=months * (1 + ahead), days=-1)


def _weekday_named(words: str, today: date) -> date | None:
    found = re.fullmatch(r"(?:on )?(next |last |this |coming )?([a-z]{3,9})", words)
    names = [n for n, day in enumerate(WEEKDAYS) if found and _is_weekday(found[2], day)]
    if not found or not names:
        return None
    monday = today - timedelta(days=today.weekday())
    match (found[1] or "").strip():
        case "next":
            return monday + timedelta(days=7 + names[0])
        case "last":
            return today - timedelta(days=(today.weekday() - names[0] - 1) % 7 + 1)
        case "this":
            return monday + timedelta(days=names[0])
    return today + timedelta(days=(names[0] - today.weekday() - 1) % 7 + 1)


def _is_weekday(word: str, day: str) -> bool:
    return word == day.casefold() or word in (day[:3].casefold(), day[:4].casefold())


def _written_date(words: str, today: date) -> date | None:
    """A date with at least a day and a month: twice read, so that nothing is filled in."""
    if not re.search(r"\d", words):
        return None
    if re.fullmatch(r"\d{4}-\d\d?-\d\d?", words):
        return _parsed(words, today, dayfirst=False)
    if (slashed := re.fullmatch(r"(\d\d?)/(\d\d?)/\d{2,4}", words)) and _ambiguous(slashed):
        raise ToolError(f"{words} may be read day first or month first; write it as 2026-03-14")
    readings = {_parsed(words, date(2000, 1, 1), True), _parsed(words, date(2004, 2, 2), True)}
    if len(readings) == 1:
        return readings.pop()
    if None in readings or len({(day.month, day.day) for day in readings if day}) > 1:
        return None  # no day, or no month
    this_year = _parsed(words, today.replace(month=1, day=1), True)
    if this_year and this_year < today:
        return _parsed(words, date(today.year + 1, 1, 1), True)
    return this_year


def _ambiguous(slashed: re.Match[str]) -> bool:
    first, second = int(slashed[1]), int(slashed[2])
    return first != second and first <= 12 and second <= 12


def _parsed(words: str, default: date, dayfirst: bool) -> date | None:

    start = datetime(default.year, default.month, default.day)
    try:
        return parser.parse(words, default=start, dayfirst=dayfirst).date()
    except (ValueError, OverflowError):
        return None


def _moved(day: date, by: relativedelta, count: int) -> date:
    try:
        return day + by
    except (ValueError, OverflowError):
        raise ToolError(f"{count} from {day} is not a date in our calendar") from None
