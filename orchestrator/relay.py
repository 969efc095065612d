"""The relay: turns committed outbox rows into Celery messages, in its own supervised process.

A row is marked as sent in the transaction that sends it, and stays until a worker has looked after
it. If this process, the broker or the worker dies in between, the nudge is sent again later; the
claim of the work makes a second one harmless. At most WINDOW nudges are under way: a backlog waits
in the database, where it can be ordered and counted, not in the broker.
"""

from __future__ import annotations

import logging
import time

from django.db import InterfaceError, OperationalError, connection, transaction
from kombu.exceptions import OperationalError as BrokerAway

from orchestrator.celery import app
from staff.actions import outbox
from staff.crashes import crash_point

logger = logging.getLogger(__name__)

WINDOW = 64
LONGEST_WAIT_S = 1.0


def run() -> None:
    """Relay for ever; survives the database and the broker being away."""
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {outbox.CHANNEL}")
            while True:
                while relay_once():
                    pass
                _wait(outbox.next_due_s(LONGEST_WAIT_S))
        except (OperationalError, InterfaceError, BrokerAway, OSError) as reason:
            logger.warning("waiting for the database or the broker: %s", reason)
            connection.close()
            time.sleep(1)


@transaction.atomic
def relay_once() -> int:
    """Send what is due. Returns how many nudges were sent."""
    due = outbox.take_due(WINDOW)
    for job, subject_id in due:
        crash_point("nudge.taken")
        app.send_task(f"orchestrator.tasks.{job}", args=[subject_id], retry=False)
        crash_point("nudge.sent")
    return len(due)


def _wait(timeout_s: float) -> None:
    """Sleep until somebody nudges, at most timeout_s: deferred rows fall due by time alone."""
    with connection.wrap_database_errors:
        for _ in connection.connection.notifies(timeout=timeout_s, stop_after=1):
            pass
