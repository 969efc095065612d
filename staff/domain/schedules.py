"""When a routine runs: five cron fields in a time zone. There is no clock in here.

What happens when clocks change follows Debian's cron, as cronsim does:

- A fixed time in the hour that is skipped in spring (02:30) runs at the first minute after it.
- A fixed time in the hour that comes twice in autumn runs once, the first time.
- An expression whose minute or hour begins with * follows real time: it leaves the skipped hour
  out and runs in both hours of the doubled one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MAX_CRON_CHARS = 120
LATE = timedelta(minutes=5)  # a run that is later than this was missed
MAX_CAUGHT_UP = 24
_LONGEST_SHIFT = timedelta(hours=3)  # no zone turns its clocks by more

FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31, or L for the last",
    "month": "1 to 12, or JAN to DEC",
    "day-of-week": "0 to 7 (0 and 7 are Sunday), or SUN to SAT",
}


class ScheduleRefused(Exception):
    """No such schedule can be kept; the message says why. field: "cron" or "time_zone"."""

    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field = field


class Missed(StrEnum):
    """What becomes of runs that fell due while the house was away."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


def first_run(cron: str, zone: str, moment: datetime) -> datetime:
    """The first run after a moment. Raises ScheduleRefused for a schedule that never runs."""
    run = next_after(cron, zone, moment)
    if run is None:
        raise ScheduleRefused("cron", "This moment never comes in the next 50 years.")
    return run


def next_after(cron: str, zone: str, moment: datetime) -> datetime | None:
    """The first run after a moment, in UTC; None if there is none in 50 years."""
    return next(_runs_after(cron, zone, moment), None)


def next_runs(cron: str, zone: str, moment: datetime, count: int = 5) -> list[datetime]:
    """The next runs after a moment, as the clocks of the zone show them."""
    runs = islice(_runs_after(cron, zone, moment), count)
    return [run.astimezone(zone_of(zone)) for run in runs]


def runs_between(
    cron: str, zone: str, first: datetime, until: datetime, most: int
) -> list[datetime]:
    """The newest runs from `first` to `until`, both included: at most `most`, oldest first, UTC.

    It looks back from `until`, so that a house that was away for a year finds them at once.
    """
    start = (until + _LONGEST_SHIFT).astimezone(zone_of(zone))
    found: deque[datetime] = deque()
    for run in _simulated(cron, start, reverse=True):
        if run < first or len(found) == most:
            break
        if run <= until:
            found.appendleft(run)
    return list(found)


def to_give(missed: str, runs: Sequence[datetime], now: datetime) -> list[datetime]:
    """Which of the runs that are due (oldest first) are given now; the others are left out."""
    if missed == Missed.ALL:
        return list(runs[-MAX_CAUGHT_UP:])
    newest = list(runs[-1:])
    if missed == Missed.ONCE:
        return newest
    return [run for run in newest if now - run <= LATE]


def zone_of(name: str) -> ZoneInfo:
    if name not in zones():
        raise ScheduleRefused(
            "time_zone", f"“{name[:60]}” is no time zone: write it like Europe/Berlin, or UTC."
        )
    return ZoneInfo(name)


@cache
def zones() -> frozenset[str]:
    """The names that may be chosen: places, and UTC."""
    return frozenset(name for name in available_timezones() if "/" in name or name == "UTC")


def _runs_after(cron: str, zone: str, moment: datetime) -> Iterator[datetime]:
    runs = _simulated(cron, moment.astimezone(zone_of(zone)))
    return (run for run in runs if run > moment)  # in the doubled hour it may look back first


def _simulated(cron: str, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """The runs from a moment on, in UTC: only there can two moments of one day be compared."""
    parts = cron.split()
    if len(parts) != len(FIELDS) or len(cron) > MAX_CRON_CHARS:
        raise ScheduleRefused(
            "cron",
            "A schedule has five parts: minute, hour, day of the month, month, day of the week. "
            "0 8 * * 1-5 is 8:00 from Monday to Friday.",
        )
    try:
        runs = CronSim(cron, start, reverse)
    except CronSimError as wrong:
        raise ScheduleRefused("cron", _explained(str(wrong), parts)) from wrong
    return (run.astimezone(UTC) for run in runs)


def _explained(wrong: str, parts: Sequence[str]) -> str:
    """What cronsim found ("Bad minute"), with the part that is meant and what it may be."""
    for (name, allowed), part in zip(FIELDS.items(), parts, strict=True):
        if wrong == f"Bad {name}":
            if name == "day-of-month" and part.isascii() and part.isdigit() and 1 <= int(part) < 32:
                return f"None of these months has a day {part}."
            return (
                f"“{part}” is no {name.replace('-', ' ')}: it takes {allowed}; * for every one, "
                "lists like 1,3 and steps like */2."
            )
    return f"This schedule is not understood ({wrong})."
