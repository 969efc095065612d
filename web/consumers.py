"""A goal's stream over a websocket: authorise, then send every event once and in order.

The client opens with {"after": N} and may ask so again; it gets every event past N in messages
{"events": [...]}: history in pages, then the news. News comes through the channel layer, which may
lose or double it: what does not follow on what was sent is read from the database, and `web.tails`
tells when the very last news was lost. Why we close: 1011 we could not read, come back; 4400 a
message that we do not understand, 4401 sign in, 4403 not your goal.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from staff import broadcast, queries
from staff.actions.streams import as_json
from web import tails

logger = logging.getLogger(__name__)

PAGE = 500
MAX_SEQ = 2**31 - 1


class GoalStream(AsyncWebsocketConsumer):
    """What arrives only leaves a note; one task of the socket, the sender, does all the sending.
    So a slow reader makes nobody wait, and nothing piles up for it.

    sent:      number of the last event that went out; None until the client has asked
    asked:     the number that the client wants to go on from
    news:      events from the channel layer that were not looked at yet
    must_look: the database may hold more than was sent
    """

    sent: int | None = None
    asked: int | None = None
    must_look = False
    sender: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()  # first, or the browser would not see why we close
        self.goal_id = self.scope["url_route"]["kwargs"]["goal_id"]
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(4401)
        elif not await database_sync_to_async(queries.may_follow)(user.pk, self.goal_id):
            await self.close(4403)
        else:
            self.user_id = user.pk
            self.groups.append(group := broadcast.goal_group(self.goal_id))
            await self.channel_layer.group_add(group, self.channel_name)
            self.news: list[dict[str, Any]] = []
            self.is_due = asyncio.Event()
            self.sender = asyncio.create_task(self.send_for_ever())
            tails.follow(self)

    async def disconnect(self, code: int) -> None:
        if self.sender:
            tails.leave(self)
            self.sender.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        after = asked_after(text_data)
        if after is None or not self.sender:
            await self.close(4400)
            return
        self.asked = after
        self.is_due.set()

    async def goal_events(self, message: dict[str, Any]) -> None:
        self.news += message["events"]
        if len(self.news) > PAGE:  # the reader is slow: read them again when it is ready
            self.news, self.must_look = [], True
        self.is_due.set()

    def reached(self, seq: int) -> None:
        """The stream is at `seq` by now, whether we were told or not."""
        if self.sent is not None and self.sent < seq:
            self.must_look = True
            self.is_due.set()

    def refuse(self) -> None:
        """The person may not follow this goal any more."""
        if self.sender:
            self.sender.cancel()
        self.closing = asyncio.create_task(self.close(4403))

    async def send_for_ever(self) -> None:
        try:
            while True:
                await self.is_due.wait()
                self.is_due.clear()
                await self.send_what_is_due()
        except Exception:
            logger.exception("the stream of goal %s stopped", self.goal_id)
            await self.close(1011)

    async def send_what_is_due(self) -> None:
        if self.asked is not None:
            self.sent, self.asked, self.must_look = self.asked, None, True
        news, self.news = self.news, []
        if self.sent is None:
            return
        run, has_gap = following(news, self.sent)
        self.must_look |= has_gap
        await self.send_events(run)
        while self.must_look and self.asked is None:
            self.must_look = False
            read = database_sync_to_async(queries.events_after)
            page = await read(self.goal_id, self.sent, PAGE)
            self.must_look |= len(page) == PAGE
            await self.send_events([as_json(event) for event in page])

    async def send_events(self, events: list[dict[str, Any]]) -> None:
        if events:
            await self.send(json.dumps({"events": events}))
            self.sent = events[-1]["seq"]


class NoSuchStream(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()
        await self.close(4404)


def following(news: list[dict[str, Any]], sent: int) -> tuple[list[dict[str, Any]], bool]:
    """The events that follow on number `sent` without a gap, and whether some come after a gap."""
    later = {event["seq"]: event for event in news if event["seq"] > sent}
    run = []
    while (event := later.pop(sent + len(run) + 1, None)) is not None:
        run.append(event)
    return run, bool(later)


def asked_after(text: str | None) -> int | None:
    """The number in {"after": N}, or None if the message is anything else."""
    try:
        after = json.loads(text or "")["after"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return after if type(after) is int and 0 <= after <= MAX_SEQ else None
