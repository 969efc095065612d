"""Keeps the leases of this process's live work, and tells it when to stop.

One thread looks each second, and renews the leases every few seconds; work that is no longer to be
done (cancelled, paused, given to another) is told within two seconds, even in the middle of a
token.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from staff.actions import nodes

logger = logging.getLogger(__name__)

LOOK_S = 1.0

worker_name = ""  # of this process, once it is a worker
orders = nodes.Orders()  # what the admin wants of it
report: Callable[[], list[dict[str, Any]]] = list  # its models, told with each heartbeat
obey: Callable[[nodes.Orders], object] = id  # told what the admin wants


class StopSign:
    """Raised once, seen by all: work asks `is_set`, or registers what is to be interrupted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._callbacks: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        with self._lock:
            self._set = True
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    @contextmanager
    def interrupts(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call back (from another thread) if the sign is raised while the block runs."""
        with self._lock:
            self._callbacks.append(callback)
            raised = self._set
        if raised:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)


_live: dict[StopSign, tuple[Callable[[], bool], Callable[[], bool]]] = {}
_owed: list[Callable[[], None]] = []  # what is to be done when the database is back
_lock = threading.Lock()
_stopping = threading.Event()
_thread: threading.Thread | None = None


@contextmanager
def kept(holds: Callable[[], bool], renew: Callable[[], bool]) -> Iterator[StopSign]:
    """Keep a lease while the block runs. Both say whether the work is still to be done; `renew`
    extends the lease as well."""
    start()
    sign = StopSign()
    with _lock:
        _live[sign] = (holds, renew)
    if _stopping.is_set():
        sign.set()
    try:
        yield sign
    finally:
        with _lock:
            _live.pop(sign, None)


def settle(let_go: Callable[[], None]) -> None:
    """Let go of a piece of work: now, or as soon as the database answers again.

    Otherwise it would wait for the end of its lease, though its worker lives.
    """
    try:
        let_go()
    except (OperationalError, InterfaceError) as reason:
        logger.warning("the database is away: %s", reason)
        connection.close()
        with _lock:
            _owed.append(let_go)


def stopping() -> bool:
    """Whether this process is about to end and takes on nothing more."""
    return _stopping.is_set()


def stop_all() -> None:
    """Tell all live work to hand itself back: this process is about to end."""
    _stopping.set()
    with _lock:
        signs = list(_live)
    for sign in signs:
        sign.set()


def start() -> None:
    """Start the heartbeat of this process, once."""
    global _thread
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_beat, name="heartbeat", daemon=True)
            _thread.start()


def _beat() -> None:
    renewed_at = -math.inf
    while not _stopping.wait(LOOK_S):
        is_due = time.monotonic() - renewed_at >= settings.HEARTBEAT_S
        if is_due:
            renewed_at = time.monotonic()
        try:
            _settle_what_is_owed()
            if is_due and worker_name:
                _report()
            if not _look(is_due):
                connection.close()
        except Exception as reason:  # the database is away: the leases decide who goes on
            logger.warning("could not renew the leases: %s", reason)
            connection.close()


def _report() -> None:
    global orders
    orders = nodes.seen(worker_name, report())
    obey(orders)


def _settle_what_is_owed() -> None:
    with _lock:
        owed = list(_owed)
        _owed.clear()
    for let_go in owed:
        settle(let_go)


def _look(is_due: bool) -> int:
    """Look after all live work. Returns how much there is."""
    with _lock:
        live = list(_live.items())
    for sign, (holds, renew) in live:
        if not (renew if is_due else holds)():
            sign.set()
    return len(live)
