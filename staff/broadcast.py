"""Tell open pages what was committed. A hint only: whoever misses it reads the stream again.

One thread of each process does the telling. An action leaves its events with it and goes on: it
never waits for the broker, and what several transactions leave within a few milliseconds goes out
as one message for each group.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

logger = logging.getLogger(__name__)

GATHER_S = 0.02  # how long an event waits for others to travel with
MOST_WAITING = 5_000  # events; more means that the broker is away, and then they are dropped
SEND_TIMEOUT_S = 5.0
COMPLAIN_EVERY_S = 10.0


def goal_group(goal_id: int) -> str:
    return f"goal.{goal_id}"


def workspace_group(workspace_id: int) -> str:
    return f"workspace.{workspace_id}"


def after_commit(group: str, kind: str, *events: dict[str, Any]) -> None:
    """Once the transaction is committed, send {type: kind, events: [event, ...]} to a group."""
    transaction.on_commit(lambda: _herald.leave(group, kind, events))


def flush(timeout_s: float) -> bool:
    """Wait until everything that was left is sent or dropped. False if time ran out."""
    end = time.monotonic() + timeout_s
    while not _herald.is_idle:
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


class _Herald:
    """The thread that tells: its event loop owns the channel layer's connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._count = 0
        self._is_sending = False
        self._dropped = 0  # and not complained about yet
        self._complained_at = -COMPLAIN_EVERY_S
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        with self._lock:
            return not self._waiting and not self._is_sending

    def leave(self, group: str, kind: str, events: Sequence[dict[str, Any]]) -> None:
        with self._lock:
            if self._count >= MOST_WAITING:
                self._drop(self._take(), "the broker is too slow")
            was_empty = not self._waiting
            self._waiting.setdefault((group, kind), []).extend(events)
            self._count += len(events)
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._run, name="herald", daemon=True).start()
            if was_empty:
                self._loop.call_soon_threadsafe(self._wake.set)

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._tell_for_ever())

    async def _tell_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(GATHER_S)
            with self._lock:
                messages, self._is_sending = self._take(), True
            await self._tell(messages)
            with self._lock:
                self._is_sending = False

    async def _tell(self, messages: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
        """Send; after the first failure drop the rest: what is old by then is no news."""
        while messages:
            (group, kind), events = next(iter(messages.items()))
            message = {"type": kind, "events": events}
            try:
                sending = get_channel_layer().group_send(group, message)
                await asyncio.wait_for(sending, SEND_TIMEOUT_S)
            except Exception as reason:  # the commits stand and pages catch up
                self._drop(messages, f"{type(reason).__name__} {reason}".strip())
                return
            del messages[group, kind]
            self._complain("the broker is back")

    def _take(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        taken, self._waiting, self._count = self._waiting, {}, 0
        return taken

    def _drop(self, messages: dict[tuple[str, str], list[dict[str, Any]]], reason: str) -> None:
        self._dropped += sum(map(len, messages.values()))
        if time.monotonic() - self._complained_at > COMPLAIN_EVERY_S:
            self._complain(reason)
            self._complained_at = time.monotonic()

    def _complain(self, reason: str) -> None:
        if self._dropped:
            logger.warning("%d events were not told, pages catch up: %s", self._dropped, reason)
            self._dropped = 0


def _start_anew() -> None:
    """A forked child has no herald thread: it gets its own with its first event."""
    global _herald
    _herald = _Herald()


_herald = _Herald()
os.register_at_fork(after_in_child=_start_anew)
atexit.register(flush, 1.0)  # the last words of a short command
