"""Celery jobs. Each translates a message into one call; a lost or doubled message does no harm."""

from __future__ import annotations

import logging
import socket

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from orchestrator import execution, heartbeat, runtime, triggers
from staff.actions import goals, tasks

logger = logging.getLogger(__name__)


@shared_task
def plan_goal(goal_id: int) -> None:
    execution.plan_goal(goal_id)


@shared_task
def run_task(task_id: int) -> None:
    execution.run_task(task_id, worker=heartbeat.worker_name)


@shared_task
def reap() -> None:
    """Put back what was lost: leases that ran out, nudges that never arrived."""
    lost = tasks.reap() + goals.reap_planning() + tasks.nudge_stranded()
    if lost:
        logger.info("put %d pieces of work back", lost)


@shared_task
def fire_routines() -> None:
    """Give the goals that schedules owe and that new files in watched folders ask for."""
    if given := triggers.fire_all():
        logger.info("routines gave %d goals", given)


@worker_ready.connect
def _start(sender: object, **_: object) -> None:
    """A worker that starts under a name takes back at once what died with that name."""
    heartbeat.worker_name = str(getattr(sender, "hostname", "")) or socket.gethostname()
    tasks.reap(worker=heartbeat.worker_name)
    if heartbeat.worker_name.startswith("staff@"):
        runtime.warm_up()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    heartbeat.stop_all()
