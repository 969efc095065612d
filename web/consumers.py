"""A goal's stream over a websocket: authorise, catch up from the database, forward.

The client opens with {"after": N} and may ask so again; it gets every event past N in pages
{"events": [...]}, then the new ones. Events carry their number: the client drops what it has and
asks again after a gap. Why we close: 4400 a message that we do not understand, 4401 sign in,
4403 not your goal.
"""

from __future__ import annotations

import json
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from staff import broadcast, queries
from staff.actions.streams import as_json

PAGE = 500
MAX_SEQ = 2**31 - 1


class GoalStream(AsyncWebsocketConsumer):
    caught_up = False

    async def connect(self) -> None:
        await self.accept()  # first, or the browser would not see why we close
        self.goal_id = self.scope["url_route"]["kwargs"]["goal_id"]
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(4401)
        elif not await database_sync_to_async(queries.may_follow)(user.pk, self.goal_id):
            await self.close(4403)
        else:
            self.groups.append(group := broadcast.goal_group(self.goal_id))
            await self.channel_layer.group_add(group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        after = asked_after(text_data)
        if after is None or not self.groups:
            await self.close(4400)
            return
        while page := await database_sync_to_async(queries.events_after)(self.goal_id, after, PAGE):
            await self.send(json.dumps({"events": [as_json(event) for event in page]}))
            after = page[-1].seq
        self.caught_up = True

    async def goal_events(self, message: dict[str, Any]) -> None:
        if self.caught_up:
            await self.send(json.dumps({"events": message["events"]}))


class NoSuchStream(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()
        await self.close(4404)


def asked_after(text: str | None) -> int | None:
    """The number in {"after": N}, or None if the message is anything else."""
    try:
        after = json.loads(text or "")["after"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return after if type(after) is int and 0 <= after <= MAX_SEQ else None
