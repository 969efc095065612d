"""The web process's side: puts an order before the nodes, and follows the news of its answer.

Asynchronous, because an answer takes as long as it takes and must hold no thread meanwhile.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from django.conf import settings
from redis.asyncio import Redis

from orchestrator.serving.wire import (
    LEASE_S,
    MOST_WAITING,
    RENEW_S,
    Order,
    lease_of,
    news_of,
    queue_of,
)

SILENCE_S = 20.0  # nodes beat each second; after so long without any, nobody is there


class NobodyAnswers(Exception):
    """No node took the order, or the one that did fell silent."""


class QueueFull(Exception):
    """Too many orders wait for this model."""


async def follow(order: Order, *, is_loaded: bool) -> AsyncIterator[dict[str, Any]]:
    """The news of one order until its end ("done" or "error"), at most RENEW_S apart while a node
    is at work. Closing the iterator gives the order up, and the node stops.

    Raises NobodyAnswers or QueueFull.
    """
    broker = Redis.from_url(settings.REDIS_URL, socket_timeout=10)
    lease, news, queue = (
        lease_of(order.id),
        news_of(order.id),
        queue_of(order.model, is_loaded=is_loaded),
    )
    try:
        if await broker.llen(queue) >= MOST_WAITING:
            raise QueueFull(f"{MOST_WAITING} requests wait for {order.model} already.")
        await broker.set(lease, 1, ex=LEASE_S)
        await broker.rpush(queue, order.to_json())
        await broker.expire(queue, 3600)
        renewed_at = heard_at = time.monotonic()
        while True:
            found = await broker.blpop([news], timeout=1)
            now = time.monotonic()
            if now - renewed_at >= RENEW_S:
                await broker.set(lease, 1, ex=LEASE_S)
                renewed_at = now
            if found is None:
                if now - heard_at >= SILENCE_S:
                    await broker.lrem(queue, 1, order.to_json())
                    raise NobodyAnswers(f"No node answers for {order.model}.")
                continue
            heard_at = now
            said = json.loads(found[1])
            yield said
            if "done" in said or "error" in said:
                return
    finally:
        await broker.delete(lease, news)
        await broker.aclose()
