"""Celery jobs. Each translates a message into one call; a lost or doubled message does no harm.

A message of the relay carries one id. Whatever else it holds is refused with a log line.
"""

from __future__ import annotations

import logging
import socket
from datetime import timedelta

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings

from orchestrator import execution, heartbeat, runtime
from staff.actions import archive, nodes, outbox, planning, queue

logger = logging.getLogger(__name__)


@shared_task
def plan_goal(goal_id: int) -> None:
    if is_id(goal_id):
        execution.plan_goal(goal_id)
        outbox.settle("plan_goal", goal_id)


@shared_task
def run_task(task_id: int) -> None:
    """There is work: do what is next in the queue, which need not be this very task."""
    if is_id(task_id):
        execution.work(heartbeat.worker_name)
        queue.settle_nudge(task_id)


@shared_task
def reap() -> None:
    """Put back what was lost: work whose lease ran out."""
    lost = queue.reap() + planning.reap()
    if lost:
        logger.info("put %d pieces of work back", lost)


@shared_task
def archive_events() -> None:
    """Roll up what ended long ago, a little at a time."""
    older_than = timedelta(days=settings.ARCHIVE_AFTER_DAYS)
    if archived := archive.roll_up(older_than, most_events=20_000):
        logger.info("archived %d events", archived)


def is_id(value: object) -> bool:
    """Whether a message carries what it should."""
    good = type(value) is int and 0 < value < 2**63
    if not good:
        logger.warning("ignored a message that carries %.80r instead of an id", value)
    return good


@worker_ready.connect
def _start(sender: object, **_: object) -> None:
    """A worker that starts under a name takes back at once what died with that name."""
    heartbeat.worker_name = str(getattr(sender, "hostname", "")) or socket.gethostname()
    if not heartbeat.worker_name.startswith("staff"):
        return
    nodes.register(heartbeat.worker_name, threads=_threads(sender))
    lost = queue.reap(worker=heartbeat.worker_name)
    if lost:
        logger.info("took %d pieces of work back from the worker before this one", lost)
    heartbeat.start()
    runtime.warm_up()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    heartbeat.stop_all()


def _threads(worker: object) -> int:
    return int(getattr(getattr(worker, "controller", worker), "concurrency", 1) or 1)
