"""The relay: turns committed outbox rows into Celery messages, in its own supervised process.

A row is marked as sent in the transaction that sends it. If the process dies in between, the
nudge is sent twice; the claim of the goal or task makes the second one harmless.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerAway

from orchestrator.celery import app
from staff.actions.streams import NUDGE_CHANNEL
from staff.models import Outbox

logger = logging.getLogger(__name__)

BATCH = 100
KEEP_SENT = timedelta(hours=1)


def run() -> None:
    """Relay for ever; survives the database and the broker being away."""
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {NUDGE_CHANNEL}")
            while True:
                while relay_once():
                    pass
                _forget_old()
                _wait(1.0)
        except (OperationalError, InterfaceError, BrokerAway, OSError) as reason:
            logger.warning("waiting for the database or the broker: %s", reason)
            connection.close()
            time.sleep(1)


@transaction.atomic
def relay_once() -> int:
    """Send what is due. Returns how many nudges were sent."""
    due = list(
        Outbox.objects.select_for_update(skip_locked=True)
        .filter(sent_at=None, due_at__lte=timezone.now())
        .order_by("-priority", "due_at")[:BATCH]
    )
    for nudge in due:
        app.send_task(nudge.job, kwargs=nudge.arguments)
    Outbox.objects.filter(pk__in=[nudge.pk for nudge in due]).update(sent_at=timezone.now())
    return len(due)


def _wait(timeout_s: float) -> None:
    """Sleep until somebody nudges, at most timeout_s: deferred rows fall due by time alone."""
    for _ in connection.connection.notifies(timeout=timeout_s, stop_after=1):
        pass


def _forget_old() -> None:
    Outbox.objects.filter(sent_at__lt=timezone.now() - KEEP_SENT).delete()
