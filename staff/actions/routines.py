"""Making, changing, holding and deleting routines; `firings` is what they do."""

from __future__ import annotations

import secrets
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, connection, transaction

from staff.domain import blanks, schedules
from staff.models import Goal, Membership, Routine, User, Workspace

MAX_ROUTINES = 100
NAME_TAKEN = "There is a routine of this name; choose another."

Trigger = Routine.Trigger


class RoutineRefused(Exception):
    """The routine cannot be saved or fired like this; the message says why.

    field: which of its fields is meant, or ""
    """

    def __init__(self, message: str, field: str = ""):
        super().__init__(message)
        self.field = field


@transaction.atomic
def save(routine: Routine, boss: User, **changes: Any) -> Routine:
    """Make a routine or change one; whoever saves it is the boss of its goals from then on.

    A schedule that is new or changed counts from now. Raises RoutineRefused.
    """
    if routine.pk:
        routine = locked(pk=routine.pk)
    before = (routine.cron, routine.time_zone, routine.folder)
    for field, value in changes.items():
        setattr(routine, field, value)
    routine.boss, routine.trouble = boss, ""
    _tidy(routine)
    _check(routine)
    if routine.trigger == Trigger.SCHEDULE:
        first = _first_run(routine)
        if before[:2] != (routine.cron, routine.time_zone) or not routine.next_at:
            routine.next_at = first if routine.is_active else None
    if routine.pk and before[2] != routine.folder:
        routine.sightings.all().delete()
    try:
        with transaction.atomic():
            routine.save()
    except IntegrityError:  # another of this name was saved at the same moment
        raise RoutineRefused(NAME_TAKEN, "name") from None
    return routine


@transaction.atomic
def new_secret(routine_id: int) -> str:
    """A webhook's new secret in clear text; it cannot be shown again, and the old one is void."""
    routine = locked(pk=routine_id)
    if routine.trigger != Trigger.WEBHOOK:
        raise RoutineRefused("Only a routine that programs call has a secret.")
    secret = secrets.token_urlsafe(32)
    routine.digest = _digest(secret)
    routine.save(update_fields=["digest"])
    return secret


@transaction.atomic
def pause(routine_id: int) -> None:
    hold(locked(pk=routine_id), trouble="")


@transaction.atomic
def resume(routine_id: int) -> None:
    """Fire again from now on. Runs of the pause are not made up for; files that came are taken."""
    routine = locked(pk=routine_id)
    if routine.is_active:
        return
    if not has_seat(routine.boss, routine.workspace):
        raise RoutineRefused(no_seat(routine.boss))
    routine.is_active, routine.trouble = True, ""
    if routine.trigger == Trigger.SCHEDULE:
        routine.next_at = _first_run(routine)
    routine.save(update_fields=["is_active", "trouble", "next_at"])


@transaction.atomic
def delete(routine_id: int) -> None:
    """Delete a routine with its history. The goals that it gave stay."""
    locked(pk=routine_id).delete()


def find_hook(secret: str) -> Routine | None:
    """The routine that a secret belongs to, found by its digest."""
    return Routine.objects.filter(digest=_digest(secret), trigger=Trigger.WEBHOOK).first()


def note_trouble(routine_id: int, trouble: str) -> None:
    """Say on the routine what keeps it from firing; "" when nothing does."""
    Routine.objects.filter(pk=routine_id).exclude(trouble=trouble).update(trouble=trouble)


def hold(routine: Routine, trouble: str) -> None:
    routine.is_active, routine.next_at, routine.trouble = False, None, trouble
    routine.save(update_fields=["is_active", "next_at", "trouble"])


def locked(*, skip: bool = False, **which: Any) -> Any:
    """The routine's row, locked until the transaction ends.

    With `skip`: None where it is not as wanted, or where another beat holds it.
    """
    rows = Routine.objects.select_related("workspace", "boss")
    rows = rows.select_for_update(skip_locked=skip, of=("self",)).filter(**which)
    return rows.first() if skip else rows.get()


def has_seat(boss: User, workspace: Workspace) -> bool:
    seats = Membership.objects.filter(user=boss, workspace=workspace, user__is_active=True)
    return seats.exclude(role=Membership.Role.VIEWER).exists()


def no_seat(boss: User) -> str:
    return (
        f"{boss.get_username()}, whose goals it gives, may not act here any more. "
        "Save the routine to give its goals in your own name; resume it if it is paused."
    )


def now() -> datetime:
    """The database's time: the one clock that all beats and workers share."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]


def _tidy(routine: Routine) -> None:
    routine.name, routine.text = routine.name.strip(), routine.text.strip()
    routine.folder = routine.folder.strip()
    routine.cron = " ".join(routine.cron.split())


def _check(routine: Routine) -> None:
    namesakes = Routine.objects.filter(workspace=routine.workspace)
    if not routine.pk and namesakes.count() >= MAX_ROUTINES:
        raise RoutineRefused(f"There are {MAX_ROUTINES} routines already: delete one first.")
    if not routine.name:
        raise RoutineRefused("Give the routine a name.", "name")
    if namesakes.filter(name__iexact=routine.name).exclude(pk=routine.pk).exists():
        raise RoutineRefused(NAME_TAKEN, "name")
    if not routine.text:
        raise RoutineRefused("Say what you want done each time.", "text")
    try:
        blanks.check(routine.text, routine.trigger)
        schedules.zone_of(routine.time_zone)
    except blanks.BlankRefused as reason:
        raise RoutineRefused(str(reason), "text") from reason
    except schedules.ScheduleRefused as reason:
        raise RoutineRefused(str(reason), reason.field) from reason
    if blanks.takes_body(routine.text) and routine.autonomy == Goal.Autonomy.ACT:
        raise RoutineRefused(
            "{body} lets whoever calls write into the goal itself: such a routine has to show its "
            "plan first. Leave {body} out (the body is attached as a file anyway), or let it ask.",
            "autonomy",
        )
    if routine.trigger == Trigger.FOLDER and not routine.folder:
        raise RoutineRefused("Say which folder to watch.", "folder")


def _first_run(routine: Routine) -> datetime:
    try:
        return schedules.first_run(routine.cron, routine.time_zone, now())
    except schedules.ScheduleRefused as reason:
        raise RoutineRefused(str(reason), reason.field) from reason


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
