"""The node's side: takes orders for the models that it has, and sends the answers piece by piece.

It stands beside the Celery worker's threads, in the same process, because the weights are there
and because a program's question should not wait until a task of minutes is done. Which of both
goes first is the engine's matter.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError

from orchestrator import heartbeat, runtime
from orchestrator.inference.base import InferenceError, Stream
from orchestrator.serving.wire import (
    BEAT_S,
    MOST_UNREAD,
    NEWS_KEPT_S,
    Order,
    lease_of,
    news_of,
    queue_of,
)
from staff.actions import usage

logger = logging.getLogger(__name__)

LOOK_S = 0.5
TAKE_S = 1  # longest wait for an order before the list of models is looked at again
MOST_AT_ONCE = 32  # orders in hand; the rest wait in the broker, where other nodes see them
AWAY_S = 2.0
CHARS_PER_TOKEN = 4  # an estimate: embedders do not count


@dataclass(eq=False)
class InHand:
    """An order that is being answered. stream: None while the model is loading."""

    order: Order
    stream: Stream | None = None
    is_unwanted: bool = False
    told_at: float = field(default_factory=time.monotonic)

    def stop(self) -> None:
        self.is_unwanted = True
        if self.stream is not None:
            self.stream.cancel()


class Counter:
    """One for each process that holds models. `start` returns at once; `stop` ends it."""

    def __init__(self, is_closed: Callable[[], bool] = lambda: False):
        self._is_closed = is_closed
        self._broker = Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=10)
        self._in_hand: set[InHand] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> None:
        for name, job in (("counter", self._take_orders), ("counter-keeper", self._keep)):
            threading.Thread(target=job, name=name, daemon=True).start()

    def stop(self) -> None:
        """Take no more, and break off what is in hand: its clients are told."""
        self._stopping.set()
        for each in self._all():
            each.stop()

    def _take_orders(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._is_closed() or len(self._in_hand) >= MOST_AT_ONCE:
                    self._stopping.wait(LOOK_S)
                    continue
                found = self._broker.blpop(self._queues(), timeout=TAKE_S)
                if found is None:
                    continue
                if self._stopping.is_set():
                    self._broker.lpush(*found)  # another node's, or our successor's
                else:
                    self._begin(found[1])
            except RedisError as reason:
                logger.warning("the broker is away: %s", reason)
                self._stopping.wait(AWAY_S)
            except Exception:
                logger.exception("an order could not be taken")
                self._stopping.wait(AWAY_S)

    def _queues(self) -> list[str]:
        """Where orders for this node's models wait; those in memory first."""
        states = runtime.model_states()
        usable = [s for s in states if s["state"] not in ("quarantined", "failed")]
        loaded = [s["name"] for s in usable if s["state"] == "loaded"]
        queues = [queue_of(name, is_loaded=True) for name in loaded]
        known = {s["name"] for s in usable} | {settings.EMBEDDER}
        return queues + [queue_of(name, is_loaded=False) for name in sorted(known)]

    def _begin(self, raw: bytes) -> None:
        try:
            order = Order.from_json(raw)
        except (ValueError, TypeError) as reason:
            logger.warning("ignored an order that is none: %s", reason)
            return
        if not self._broker.exists(lease_of(order.id)):
            return  # whoever asked has gone
        each = InHand(order)
        with self._lock:
            self._in_hand.add(each)
        threading.Thread(
            target=self._serve, args=(each,), name=f"order {order.id}", daemon=True
        ).start()

    def _serve(self, each: InHand) -> None:
        try:
            self._chat(each) if each.order.kind == "chat" else self._embed(each)
        except InferenceError as reason:
            self._tell(each, error=type(reason).__name__, message=str(reason))
        except RedisError as reason:
            logger.warning("order %s: the broker is away: %s", each.order.id, reason)
        except Exception:
            logger.exception("order %s failed", each.order.id)
            self._tell(each, error="Broken", message="Something went wrong on our side.")
        finally:
            with self._lock:
                self._in_hand.discard(each)
            connection.close()

    def _chat(self, each: InHand) -> None:
        stream = runtime.chat_model(each.order.model).stream(each.order.request)
        each.stream = stream
        if each.is_unwanted:
            stream.cancel()
        told = 0
        for piece in stream:
            chances = [_chance(chance) for chance in stream.logprobs[told:]]
            told += len(chances)
            self._tell(each, text=piece, logprobs=chances)
        done = stream.completion
        usage.record(
            each.order.token_id,
            each.order.model,
            prompt=done.prompt_tokens,
            cached=done.cached_tokens,
            completion=done.completion_tokens,
        )
        rest = [_chance(chance) for chance in stream.logprobs[told:]]
        if self._stopping.is_set():
            self._tell(each, error="Broken", message="The node was stopped. Ask again.")
            return
        self._tell(
            each,
            done=done.finish_reason,
            logprobs=rest,
            dropped_messages=stream.dropped_messages,
            usage=[done.prompt_tokens, done.cached_tokens, done.completion_tokens],
        )

    def _embed(self, each: InHand) -> None:
        texts = each.order.body["texts"]
        vectors = runtime.embedder(each.order.model).embed(texts)
        tokens = sum(len(text) for text in texts) // CHARS_PER_TOKEN
        usage.record(each.order.token_id, each.order.model, prompt=tokens, cached=0, completion=0)
        self._tell(each, done="stop", vectors=vectors.tolist(), usage=[tokens, 0, 0])

    def _tell(self, each: InHand, **news: Any) -> None:
        if each.is_unwanted and not self._stopping.is_set():
            return  # nobody is there to hear it
        key = news_of(each.order.id)
        with self._broker.pipeline(transaction=False) as pipe:
            pipe.rpush(key, json.dumps(news))
            pipe.expire(key, NEWS_KEPT_S)
            unread, _ = pipe.execute()
        each.told_at = time.monotonic()
        if unread > MOST_UNREAD:
            each.stop()

    def _keep(self) -> None:
        """Stop what nobody waits for any more, and tell those who wait that somebody is there."""
        while not self._stopping.wait(LOOK_S):
            try:
                for each in self._all():
                    if not self._broker.exists(lease_of(each.order.id)):
                        each.stop()
                    elif time.monotonic() - each.told_at >= BEAT_S:
                        self._tell(each, position=each.stream.position if each.stream else 0)
            except RedisError as reason:
                logger.warning("the broker is away: %s", reason)

    def _all(self) -> list[InHand]:
        with self._lock:
            return list(self._in_hand)


def _chance(chance: Any) -> list[Any]:
    """A TokenChance for JSON: [bytes, log probability, [[bytes, log probability], ...]]."""
    top = [[list(data), logprob] for data, logprob in chance.top]
    return [list(chance.data), chance.logprob, top]


_counter: Counter | None = None


def open_counter() -> None:
    """Begin to serve programs from this process."""
    global _counter
    _counter = Counter(is_closed=lambda: heartbeat.orders.is_draining)
    _counter.start()


def close_counter() -> None:
    if _counter is not None:
        _counter.stop()
