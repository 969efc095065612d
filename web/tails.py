"""The ends of the streams that this process's sockets follow.

The broker may lose the newest news, and then nothing later shows the gap. So every second one
query, whatever the number of sockets, asks how far each followed stream has come and who may still
follow it. A socket that is behind a number of the look before was not told: it reads the database.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from channels.db import database_sync_to_async
from django.db import Error

from staff import queries

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Follower(Protocol):
    goal_id: int
    user_id: int

    def reached(self, seq: int) -> None: ...

    def refuse(self) -> None: ...


class _Watch:
    """The followers of one event loop, and the task that looks for them."""

    def __init__(self) -> None:
        self.followers: set[Follower] = set()
        self.task = asyncio.create_task(self.look_for_ever())

    async def look_for_ever(self) -> None:
        before: dict[tuple[int, int], int] = {}
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            asking = list(self.followers)  # those who come while we look were let in just now
            try:
                found = await database_sync_to_async(queries.followed)(
                    {follower.user_id for follower in asking},
                    {follower.goal_id for follower in asking},
                )
            except Error as reason:
                logger.warning("cannot look how far the streams are: %s", reason)
                continue
            for follower in asking:
                pair = (follower.user_id, follower.goal_id)
                if pair not in found:
                    self.followers.discard(follower)
                    follower.refuse()
                elif pair in before:
                    follower.reached(before[pair])
            before = found


_watches: dict[asyncio.AbstractEventLoop, _Watch] = {}


def follow(follower: Follower) -> None:
    loop = asyncio.get_running_loop()
    if loop not in _watches:
        _watches[loop] = _Watch()
    _watches[loop].followers.add(follower)


def leave(follower: Follower) -> None:
    """Forget a follower; the last one of a loop ends its watch."""
    loop = asyncio.get_running_loop()
    if watch := _watches.get(loop):
        watch.followers.discard(follower)
        if not watch.followers:
            watch.task.cancel()
            del _watches[loop]
