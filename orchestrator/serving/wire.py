"""What the web process and the nodes agree on: keys in the broker, and what is sent.

An order waits in a list for the nodes that have its model. It has a lease that the web process
renews for as long as its client reads; without it the work stops. News of the answer come in a
list of their own, oldest first. All of it expires: the broker keeps nothing of what was said.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from orchestrator.inference.base import ChatRequest, Message

LEASE_S = 15  # of an order; renewed every RENEW_S while its client reads
RENEW_S = 3.0
BEAT_S = 1.0  # a node says at least so often that it is at work
NEWS_KEPT_S = 60
MOST_UNREAD = 4000  # pieces that nobody reads; then the work stops
MOST_WAITING = 128  # orders that wait for one model; more are refused

_PREFIX = "forestaff:serving"


@dataclass(frozen=True)
class Order:
    """One request on its way to a node.

    body: for "chat" the fields of a ChatRequest, for "embed" {"texts": [...]}
    """

    kind: Literal["chat", "embed"]
    model: str
    token_id: int
    body: dict[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(12))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, raw: str | bytes) -> Order:
        """Raises ValueError or TypeError if it is none."""
        return cls(**json.loads(raw))

    @property
    def request(self) -> ChatRequest:
        fields = dict(self.body)
        messages = tuple(Message(**message) for message in fields.pop("messages"))
        stop = tuple(fields.pop("stop", ()))
        return ChatRequest(messages, stop=stop, **fields)


def body_of(request: ChatRequest) -> dict[str, Any]:
    return asdict(request)


def queue_of(model: str, *, is_loaded: bool) -> str:
    """The list for nodes that have the model in memory, or that have it at least on disk."""
    return f"{_PREFIX}:{'loaded' if is_loaded else 'known'}:{model}"


def lease_of(order_id: str) -> str:
    return f"{_PREFIX}:lease:{order_id}"


def news_of(order_id: str) -> str:
    return f"{_PREFIX}:news:{order_id}"
