"""Clients of the goal socket: what the browser's `stream.js` does, a few hundred at once.

A client takes what comes next, drops what it has, keeps what came too early, and asks again after a
gap. Unlike the browser it never fetches over HTTP: what the socket alone misses would show.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, WebSocketException

FIRST_WAIT_S, MAX_WAIT_S = 0.5, 15.0  # stream.js: MAX_WAIT_MS
CUT_ONLY_AFTER_S = 1.0
FAILURES = (OSError, TimeoutError, InvalidHandshake, InvalidMessage, WebSocketException)


@dataclass(frozen=True)
class Share:
    """What one process of clients is to do.

    goals:     the goal of each client
    cuts:      how often each client loses its connection, at random times
    within_s:  the time in which that happens
    """

    web_url: str
    cookie: str
    goals: Sequence[int]
    cuts: int
    within_s: float
    seed: int


@dataclass
class Held:
    """What a client holds in the end, and how it came by it.

    digest:    of all events in the order in which they were shown
    gaps:      numbers missing between 1 and the last shown
    doubles:   events shown more than once
    resent:    events that came twice on one connection
    lags:      (when the event was written, seconds until it was shown), for news only
    """

    goal: int
    last: int = 0
    digest: str = ""
    gaps: int = 0
    doubles: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    lags: list[tuple[float, float]] = field(default_factory=list)


def run(pipe: Connection, share: Share) -> None:
    """Says "connected" when all are; is told {goal: last number} when the writers have ended;
    answers with what each client holds then."""
    asyncio.run(_follow(pipe, share))


async def _follow(pipe: Connection, share: Share) -> None:
    chance = random.Random(share.seed)
    clients = [Client(share, goal, random.Random(chance.random())) for goal in share.goals]
    lives = [asyncio.create_task(client.live()) for client in clients]
    await asyncio.gather(*(client.is_open.wait() for client in clients))
    pipe.send("connected")
    cutting = [asyncio.create_task(client.lose_connections()) for client in clients]
    asked = await asyncio.to_thread(pipe.recv)
    ends = time.monotonic() + asked["within_s"]
    await asyncio.gather(*cutting)
    while time.monotonic() < ends:
        if all(client.last >= asked["last"][client.goal] for client in clients):
            break
        await asyncio.sleep(0.1)
    for life in lives:
        life.cancel()
    await asyncio.gather(*lives, return_exceptions=True)
    pipe.send([client.held() for client in clients])


class Client:
    def __init__(self, share: Share, goal: int, chance: random.Random):
        self.share, self.goal, self.chance = share, goal, chance
        self.url = f"ws{share.web_url.removeprefix('http')}/ws/goals/{goal}"
        self.last = 0
        self.early: dict[int, dict[str, Any]] = {}
        self.shown: list[int] = []
        self.digest = hashlib.sha256()
        self.counts: Counter[str] = Counter()
        self.lags: list[tuple[float, float]] = []
        self.socket: ClientConnection | None = None
        self.is_open = asyncio.Event()
        self.opened_at = 0.0

    async def live(self) -> None:
        tries = 0
        while True:
            try:
                async with connect(
                    self.url,
                    origin=self.share.web_url,  # type: ignore[arg-type]
                    additional_headers={"Cookie": self.share.cookie},
                    open_timeout=60,
                    proxy=None,
                ) as self.socket:
                    tries = 0
                    await self.listen(self.socket)
            except FAILURES as reason:
                self.counts[f"lost: {type(reason).__name__}"] += 1
            self.is_open.clear()
            wait = min(MAX_WAIT_S, FIRST_WAIT_S * 2**tries) * (0.75 + self.chance.random() / 2)
            tries += 1
            await asyncio.sleep(wait)

    async def listen(self, socket: ClientConnection) -> None:
        await self.ask(socket)
        self.opened_at = time.time()
        self.counts["connections"] += 1
        self.is_open.set()
        on_this: set[int] = set()
        async for text in socket:
            events = json.loads(text)["events"]
            self.counts["resent"] += sum(event["seq"] in on_this for event in events)
            on_this.update(event["seq"] for event in events)
            self.take(events)
            if self.early:
                self.counts["asked again"] += 1
                await self.ask(socket)

    async def ask(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps({"after": self.last}))

    def take(self, events: Sequence[dict[str, Any]]) -> None:
        for event in events:
            if event["seq"] > self.last:
                self.early[event["seq"]] = event
        while (event := self.early.pop(self.last + 1, None)) is not None:
            self.last += 1
            self.show(event)

    def show(self, event: dict[str, Any]) -> None:
        self.shown.append(event["seq"])
        self.digest.update(as_line(event))
        written_at = event["data"].get("written_at", 0.0)
        if written_at > self.opened_at:
            self.lags.append((written_at, time.time() - written_at))

    async def lose_connections(self) -> None:
        """Be cut off at random times: half of them politely, half by a line that goes dead."""
        began, within = time.monotonic(), self.share.within_s
        for at in sorted(self.chance.uniform(0, within) for _ in range(self.share.cuts)):
            await asyncio.sleep(max(0, began + at - time.monotonic()))
            await self.is_open.wait()
            assert self.socket is not None
            self.is_open.clear()
            self.counts["cut"] += 1
            if self.chance.random() < 0.5:
                self.socket.transport.abort()
            else:
                await self.socket.close()

    def held(self) -> Held:
        numbers = Counter(self.shown)
        return Held(
            self.goal,
            self.last,
            self.digest.hexdigest(),
            gaps=max(self.shown, default=0) - len(numbers),
            doubles=sum(numbers.values()) - len(numbers),
            counts=self.counts,
            lags=self.lags,
        )


def as_line(event: dict[str, Any]) -> bytes:
    """An event, the same bytes however its keys came."""
    return json.dumps(event, sort_keys=True).encode() + b"\n"
