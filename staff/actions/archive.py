"""Rolling up: the events of goals that ended long ago, many rows become one.

Whoever reads a stream (`queries.events_after`) sees no difference. A goal that is opened again goes
on numbering where it was; what it adds is rolled up when it has been over long enough again.
"""

from __future__ import annotations

import json
import zlib
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from staff.actions import streams
from staff.models import Event, EventArchive, Goal

PART = 500  # most events in one archive: what a reader has to unpack for one event


def roll_up(older_than: timedelta, *, most_events: int) -> int:
    """Archive events of goals that ended longer ago than this, about `most_events` at most.

    Returns how many were archived; 0 when nothing is left to do. Each part is one transaction, so
    that a goal is locked for some milliseconds only.
    """
    before, archived = timezone.now() - older_than, 0
    over = Goal.objects.filter(ended_at__lt=before, last_seq__gt=F("archived_seq"))
    for goal_id in over.order_by("ended_at").values_list("pk", flat=True)[:most_events]:
        while archived < most_events and (count := _roll_up_part(goal_id)):
            archived += count
        if archived >= most_events:
            break
    return archived


@transaction.atomic
def _roll_up_part(goal_id: int) -> int:
    goal = streams.lock_goal(goal_id)
    if goal.ended_at is None:
        return 0  # opened again meanwhile
    rows = Event.objects.filter(goal=goal, seq__gt=goal.archived_seq).order_by("seq")
    events = [streams.as_json(event) for event in rows[:PART]]
    if not events:
        return 0
    first, last = events[0]["seq"], events[-1]["seq"]
    body = zlib.compress(json.dumps(events).encode())
    EventArchive.objects.create(goal=goal, first_seq=first, last_seq=last, body=body)
    Event.objects.filter(goal=goal, seq__lte=last).delete()
    goal.archived_seq = last
    goal.save(update_fields=["archived_seq"])
    return len(events)
