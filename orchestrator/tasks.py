"""Celery jobs. Each translates a message into one call; a lost or doubled message does no harm.

A message of the relay carries one id. Whatever else it holds is refused with a log line.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import celeryd_after_setup, worker_shutting_down
from celery.worker.control import control_command
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from orchestrator import execution, heartbeat, runtime, triggers
from orchestrator.inference.base import ModelUnavailable
from orchestrator.memory import consolidation, episodes, library
from orchestrator.serving import counter
from staff import queries
from staff.actions import (
    archive,
    documents,
    nodes,
    originals,
    outbox,
    planning,
    queue,
    recovery,
    redaction,
)

logger = logging.getLogger(__name__)

WAIT_S = 1.0
MOST_SCOPES = 5  # that one beat consolidates


@shared_task
def plan_goal(goal_id: int) -> None:
    if is_id(goal_id):
        execution.plan_goal(goal_id)
        outbox.settle("plan_goal", goal_id)
        remember_goal(goal_id)


@shared_task
def run_task(task_id: int) -> None:
    """There is work: do what is next in the queue, which need not be this very task."""
    if is_id(task_id):
        execution.work(heartbeat.worker_name)
        queue.settle_nudge(task_id)


@shared_task
def remember_goal(goal_id: int) -> None:
    """What was said on a goal becomes memory."""
    if is_id(goal_id):
        episodes.keep(goal_id)
        outbox.settle(outbox.REMEMBER, goal_id)


@shared_task
def scrub(scope_id: int) -> None:
    """Drop the dead rows that what was forgotten has left."""
    redaction.scrub()
    outbox.settle(outbox.SCRUB, scope_id)


@shared_task
def consolidate() -> None:
    """In idle time, make one of facts that were said in several wordings."""
    for scope in queries.scopes_to_consolidate()[:MOST_SCOPES]:
        if not queries.is_idle():
            return
        try:
            report = consolidation.consolidate(scope, runtime.chat_model())
        except ModelUnavailable:
            report = consolidation.consolidate(scope, None)
        if report.merged:
            logger.info("scope %d: %d facts stepped back", scope.pk, len(report.merged))


@shared_task
def reap() -> None:
    """Put back what was lost: work whose lease ran out."""
    lost = recovery.reap() + planning.reap()
    if lost:
        logger.info("put %d pieces of work back", lost)


@shared_task
def archive_events() -> None:
    """Roll up what ended long ago, a little at a time."""
    older_than = timedelta(days=settings.ARCHIVE_AFTER_DAYS)
    if archived := archive.roll_up(older_than, most_events=20_000):
        logger.info("archived %d events", archived)


@shared_task
def read_document(version_id: int) -> None:
    """Read a document into memory, and the others that wait; if somebody is at it, come back."""
    if is_id(version_id):
        for done in library.read_waiting(version_id):
            outbox.settle(documents.JOB, done)
        outbox.put_off(documents.JOB, version_id)  # where it has not been settled


@shared_task
def sweep_documents() -> None:
    """Remove files that an interrupted upload or removal left behind."""
    if swept := originals.sweep():
        logger.info("removed %d files of documents that nobody has", swept)


@shared_task
def fire_routines() -> None:
    """Give the goals that schedules owe and that new files in watched folders ask for."""
    if given := triggers.fire_all():
        logger.info("routines gave %d goals", given)


def is_id(value: object) -> bool:
    """Whether a message carries what it should."""
    good = type(value) is int and 0 < value < 2**63
    if not good:
        logger.warning("ignored a message that carries %.80r instead of an id", value)
    return good


@control_command(args=[("verb", str), ("model", str)])
def tend_model(state: object, verb: str, model: str) -> dict[str, str]:
    """Load a model into this node's memory, unload it, or let a quarantined file be tried again."""
    if not worker_is_staff():
        return {"error": "this worker holds no models"}
    runtime.tend(verb, model)
    return {"ok": verb}


def worker_is_staff() -> bool:
    return heartbeat.worker_name.startswith("staff")


def _tend(orders: nodes.Orders) -> None:
    runtime.keep(orders.pins)


@celeryd_after_setup.connect
def _start(sender: str, instance: Any, **_: object) -> None:
    """A worker that starts under a name takes back at once what died with that name.

    It does so before it has a broker, and before it takes any work of its own.
    """
    heartbeat.worker_name = sender
    if not worker_is_staff():
        return
    while True:
        try:
            nodes.register(sender, threads=instance.concurrency)
            lost = recovery.reap(worker=sender)
            outbox.send_again()
            break
        except (OperationalError, InterfaceError) as reason:
            logger.warning("waiting for the database: %s", reason)
            connection.close()
            time.sleep(WAIT_S)
    if lost:
        logger.info("took %d pieces of work back from the worker before this one", lost)
    heartbeat.report, heartbeat.obey = runtime.model_states, _tend
    heartbeat.start()
    runtime.warm_up()
    counter.open_counter()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    heartbeat.stop_all()
    counter.close_counter()
