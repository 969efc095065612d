"""How a routine fires: the one way in which it gives a goal.

A firing is one transaction: the occasion's row, the goal with its event and its nudge, and the
schedule's next moment, all under the routine's lock and by the database's clock. Two beats that
look at once cannot both fire: the second finds the row locked, moved on, or the occasion known.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models.functions import Now

from staff.actions import goals, routines, streams
from staff.actions.goals import Attachment, GoalRefused
from staff.actions.routines import RoutineRefused, Trigger
from staff.domain import blanks, schedules
from staff.domain.lifecycle import OPEN_GOALS
from staff.models import Firing, Goal, Routine, Sighting, User

MAX_OPEN = 25  # open goals of one routine; more would only pile up
MAX_DELIVERIES = 30  # of one webhook in a minute
SAME_BODY = timedelta(minutes=10)  # a body without an id that comes again so soon is a repetition
STILL = timedelta(seconds=2)  # how long a file must not have changed
HOLD = timedelta(seconds=30)  # how long whole files wait for others that are still being written
MINUTE = timedelta(minutes=1)
MAX_COUNTED = 1000  # missed runs that are counted one by one


class NotNow(RoutineRefused):
    """It cannot fire at the moment. retry_after_s: when to try again, or None: first mend it."""

    def __init__(self, message: str, retry_after_s: int | None = None):
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Occasion:
    """What a routine fires for, once: see `Firing`.

    files:   names of the files that came with it
    seen:    of a watched file, its size in bytes and time of change in ns
    problem: why nothing can be given for it, in plain words
    """

    key: str
    what: str = ""
    due_at: datetime | None = None
    files: tuple[str, ...] = ()
    seen: tuple[int, int] | None = None
    problem: str = ""


Store = Callable[[Goal, Sequence[Occasion]], Iterable[Attachment]]


def no_files(goal: Goal, fresh: Sequence[Occasion]) -> Iterable[Attachment]:
    return ()


@transaction.atomic
def run_now(
    routine_id: int, boss: User, also: Sequence[Occasion] = (), store: Store = no_files
) -> Goal:
    """Fire because the boss says so, in the boss's name, paused or not.

    also: files that are taken along; none of them fires again by itself
    """
    routine = routines.locked(pk=routine_id)
    asked = Occasion(f"now:{secrets.token_hex(8)}", f"run by {boss.get_username()}")
    names = tuple(name for occasion in also for name in occasion.files)
    goal = _give(routine, [asked], lambda goal, _: store(goal, also), boss=boss, names=names)
    for occasion in _unknown(routine, also):
        _record(routine, occasion, goal)
    _mark_handled(routine, also)
    return goal


@transaction.atomic
def fire_due(routine_id: int) -> int:
    """Give what a schedule owes, by its policy for missed runs. Returns how many goals.

    What was left out is named in the history. Nothing happens if another beat was faster.
    """
    routine = routines.locked(
        skip=True, pk=routine_id, is_active=True, trigger=Trigger.SCHEDULE, next_at__lte=Now()
    )
    if routine is None:
        return 0
    now, due = routines.now(), routine.next_at
    runs = schedules.runs_between(routine.cron, routine.time_zone, due, now, MAX_COUNTED) or [due]
    wanted = schedules.to_give(routine.missed, runs, now)
    given = sum(_give_or_note(routine, _moment(run)) for run in wanted)
    _note_left_out(routine, [run for run in runs if run not in wanted])
    if routines.has_seat(routine.boss, routine.workspace):
        routine.next_at = schedules.next_after(routine.cron, routine.time_zone, now)
        routine.save(update_fields=["next_at"])
    else:
        routines.hold(routine, trouble=routines.no_seat(routine.boss))
    return given


@transaction.atomic
def sight(routine_id: int, found: Mapping[str, tuple[int, int]]) -> list[str]:
    """Note what a look at the folder found; returns the files that are whole and not handled yet.

    found: {name: (size in bytes, time of change in ns)}. A file is whole when it looked the same
    for STILL; while others still change, whole ones wait for them, at most for HOLD, so that what
    is copied together comes together.
    """
    routine = routines.locked(skip=True, pk=routine_id, is_active=True, trigger=Trigger.FOLDER)
    if routine is None:
        return []
    known = {each.name: each for each in routine.sightings.all()}
    if gone := known.keys() - found.keys():
        routine.sightings.filter(name__in=gone).delete()
    changed = [
        Sighting(routine=routine, name=name, size_bytes=size, modified_ns=modified)
        for name, (size, modified) in found.items()
        if name not in known or (known[name].size_bytes, known[name].modified_ns) != found[name]
    ]
    Sighting.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["routine", "name"],
        update_fields=["size_bytes", "modified_ns", "is_handled", "seen_at"],
    )
    if not changed and all(each.is_handled for each in known.values()):
        return []
    waiting = routine.sightings.filter(is_handled=False)
    whole = waiting.filter(seen_at__lte=Now() - STILL)
    if waiting.count() > whole.count() and not whole.filter(seen_at__lte=Now() - HOLD).exists():
        return []
    return list(whole.values_list("name", flat=True))


@transaction.atomic
def fire_files(routine_id: int, occasions: Sequence[Occasion], store: Store) -> Goal | None:
    """One goal for the new files; those with a problem are named in the history.

    A file that fired before with the same content gives nothing. Raises NotNow; then they wait.
    """
    routine = routines.locked(skip=True, pk=routine_id, is_active=True, trigger=Trigger.FOLDER)
    if routine is None:
        return None
    _mark_handled(routine, occasions)
    fresh = _unknown(routine, occasions)
    for occasion in fresh:
        if occasion.problem:
            _record(routine, occasion, refusal=occasion.problem)
    good = [occasion for occasion in fresh if not occasion.problem]
    return _give(routine, good, store) if good else None


@transaction.atomic
def deliver(
    routine_id: int, occasion: Occasion, store: Store, *, body: str, has_id: bool
) -> tuple[Firing, bool]:
    """A webhook's delivery: its firing, and whether it is new.

    has_id: whether the caller named the delivery. Its id counts once, for ever; without one, the
    same body counts once in SAME_BODY. Raises NotNow, or GoalRefused if no goal comes of it.
    """
    routine = routines.locked(pk=routine_id)
    if has_id:
        earlier = routine.firings.filter(key=occasion.key).first()
    else:
        lately = routine.firings.filter(fired_at__gt=Now() - SAME_BODY)
        earlier = lately.filter(key__startswith=f"{occasion.key}:").first()
        stamp = int(routines.now().timestamp())
        occasion = replace(occasion, key=f"{occasion.key}:{stamp}")
    if earlier is not None:
        return earlier, False
    if not routine.is_active:
        raise NotNow(routine.trouble or "This routine is paused.")
    if routine.firings.filter(fired_at__gt=Now() - MINUTE).count() >= MAX_DELIVERIES:
        raise NotNow(f"More than {MAX_DELIVERIES} deliveries in a minute: slow down.", 60)
    goal = _give(routine, [occasion], store, body=body)
    return goal.firings.get(routine=routine), True


def check_ready(routine: Routine, boss: User) -> None:
    """Raises NotNow unless the boss may give a goal here and the routine has room for one."""
    if not routines.has_seat(boss, routine.workspace):
        raise NotNow(routines.no_seat(boss))
    open_ones = Goal.objects.filter(firings__routine=routine, state__in=OPEN_GOALS)
    if open_ones.distinct().count() >= MAX_OPEN:
        raise NotNow(f"{MAX_OPEN} goals of this routine are still open: end some first.", 300)


def _give(
    routine: Routine,
    fresh: Sequence[Occasion],
    store: Store,
    *,
    boss: User | None = None,
    names: Sequence[str] = (),
    body: str = "",
) -> Goal:
    """One goal for new occasions of a locked routine. Raises NotNow or GoalRefused."""
    boss = boss or routine.boss
    check_ready(routine, boss)
    due_at = fresh[0].due_at or routines.now()
    names = names or [name for occasion in fresh for name in occasion.files]
    goal = goals.create(
        routine.workspace,
        boss,
        blanks.fill(routine.text, filling(routine.time_zone, due_at, names, body)),
        lambda goal: store(goal, fresh),
        priority=routine.priority,
        autonomy=routine.autonomy,
        token_budget=routine.token_budget,
        second_budget=routine.second_budget,
    )
    for occasion in fresh:
        _record(routine, occasion, goal)
    streams.append(goal.pk, "routine.fired", routine=routine.pk, name=routine.name)
    routines.note_trouble(routine.pk, "")
    return goal


def filling(zone: str, at: datetime, names: Sequence[str] = (), body: str = "") -> dict[str, str]:
    """What the blanks of a routine's text stand for at a moment."""
    there = at.astimezone(ZoneInfo(zone))
    return {
        "date": f"{there:%Y-%m-%d}",
        "time": f"{there:%H:%M}",
        "files": blanks.listed(names),
        "body": body[: blanks.MAX_BODY_CHARS].replace("\0", ""),
    }


def _give_or_note(routine: Routine, occasion: Occasion) -> bool:
    """Whether a goal was given; the reason why not goes into the history."""
    if not _unknown(routine, [occasion]):
        return False
    try:
        with transaction.atomic():
            _give(routine, [occasion], no_files)
    except (NotNow, GoalRefused) as reason:
        _record(routine, occasion, refusal=str(reason))
        return False
    return True


def _note_left_out(routine: Routine, runs: Sequence[datetime]) -> None:
    if not runs:
        return
    count = f"{MAX_COUNTED} or more" if len(runs) >= MAX_COUNTED - 1 else str(len(runs))
    first, last = (run.astimezone(ZoneInfo(routine.time_zone)) for run in (runs[0], runs[-1]))
    missed = Occasion(f"missed:{runs[-1].isoformat()}", f"{count} missed", due_at=runs[0])
    until = f" to {last:%Y-%m-%d %H:%M}" if len(runs) > 1 else ""
    reason = (
        f"The house was away or busy from {first:%Y-%m-%d %H:%M}{until}: what was due then was "
        "left out, as the routine's policy for missed runs says."
    )
    if _unknown(routine, [missed]):
        _record(routine, missed, refusal=reason)


def _record(
    routine: Routine, occasion: Occasion, goal: Goal | None = None, refusal: str = ""
) -> None:
    Firing.objects.create(
        routine=routine,
        key=occasion.key,
        what=occasion.what[:300],
        due_at=occasion.due_at,
        goal=goal,
        refusal=refusal,
    )


def _unknown(routine: Routine, occasions: Sequence[Occasion]) -> list[Occasion]:
    """Those that this locked routine did not fire for yet, each once."""
    once = {occasion.key: occasion for occasion in occasions}
    known = set(routine.firings.filter(key__in=once).values_list("key", flat=True))
    return [occasion for key, occasion in once.items() if key not in known]


def _mark_handled(routine: Routine, occasions: Sequence[Occasion]) -> None:
    """Only as they were seen: a file that changed meanwhile is looked at again."""
    for occasion in occasions:
        if occasion.seen:
            size, modified = occasion.seen
            routine.sightings.filter(
                name__in=occasion.files, size_bytes=size, modified_ns=modified
            ).update(is_handled=True)


def _moment(run: datetime) -> Occasion:
    return Occasion(run.isoformat(), due_at=run)
