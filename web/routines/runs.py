"""What a routine will do next, for people: its next runs, and its text as it would be given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from orchestrator import watching
from orchestrator.watching import FolderMissing, FolderProblem
from staff.actions.firings import filling
from staff.domain import blanks, schedules
from staff.domain.blanks import BlankRefused
from staff.domain.schedules import ScheduleRefused
from staff.models import Routine, Workspace

SHOWN = 5
SAMPLE_FILES = ["invoice-1.pdf", "invoice-2.pdf"]
SAMPLE_BODY = '{"event": "ticket opened", "id": 7}'


@dataclass(frozen=True)
class Preview:
    """What a routine in the making would do; problems are what keeps it from being saved."""

    runs: list[datetime]
    zone: str
    text: str
    lying: int | None  # files in the folder; None: nothing to say about a folder
    hint: str
    problems: list[str]


def upcoming(routine: Routine) -> list[datetime]:
    """The next runs of a schedule that is on, as the clocks of its zone show them."""
    if not routine.is_active or routine.next_at is None:
        return []
    just_before = routine.next_at - timedelta(microseconds=1)
    return schedules.next_runs(routine.cron, routine.time_zone, just_before, SHOWN)


def preview(workspace: Workspace, trigger: str, given: dict[str, Any]) -> Preview:
    """given: cron, time_zone, folder and text, as typed so far."""
    now, zone, problems = timezone.now(), given["time_zone"], []
    runs: list[datetime] = []
    lying, hint, text = None, "", ""
    try:
        schedules.zone_of(zone)
        if trigger == Routine.Trigger.SCHEDULE:
            schedules.first_run(given["cron"], zone, now)
            runs = schedules.next_runs(given["cron"], zone, now, SHOWN)
        blanks.check(given["text"], trigger)
        values = filling(zone, runs[0] if runs else now, SAMPLE_FILES, SAMPLE_BODY)
        text = blanks.fill(given["text"], values).strip()
        if trigger == Routine.Trigger.FOLDER and given["folder"].strip():
            lying = len(watching.look(workspace.pk, given["folder"].strip()))
    except FolderMissing:
        hint = _("This folder is made when you save.")
    except (ScheduleRefused, BlankRefused, FolderProblem) as reason:
        problems.append(str(reason))
    return Preview(runs, zone, text, lying, hint, problems)
