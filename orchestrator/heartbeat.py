"""Keeps the leases of this process's live work, and tells it when to stop.

One thread renews each second; a lease that can no longer be renewed means that the work was
cancelled, paused or given to another, so a cancel is seen within two seconds, even in the middle
of a token.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

logger = logging.getLogger(__name__)

LOOK_S = 1.0

worker_name = "worker"


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


_live: dict[StopSign, Callable[[], bool]] = {}
_lock = threading.Lock()
_stopping = threading.Event()
_thread: threading.Thread | None = None


@contextmanager
def kept(renew: Callable[[], bool]) -> Iterator[StopSign]:
    """Keep a lease while the block runs: `renew` says whether it still holds."""
    _start()
    sign = StopSign()
    with _lock:
        _live[sign] = renew
    if _stopping.is_set():
        sign.set()
    try:
        yield sign
    finally:
        with _lock:
            _live.pop(sign, None)


def stop_all() -> None:
    """Tell all live work to hand itself back: this process is about to end."""
    _stopping.set()
    with _lock:
        signs = list(_live)
    for sign in signs:
        sign.set()


def _start() -> None:
    global _thread
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_beat, name="heartbeat", daemon=True)
            _thread.start()


def _beat() -> None:
    while not _stopping.wait(LOOK_S):
        with _lock:
            live = list(_live.items())
        for sign, renew in live:
            try:
                held = renew()
            except Exception as reason:  # the database is away: the lease decides who goes on
                logger.warning("could not renew a lease: %s", reason)
                connection.close()
                break
            if not held:
                sign.set()
