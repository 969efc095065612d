"""A process that uses the API as programs do, at a steady rate, and notes how long it waits."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import httpx


@dataclass(frozen=True)
class Calls:
    web_url: str
    token: str
    goals: Sequence[int]
    per_s: float
    seed: int


@dataclass
class Heard:
    """Milliseconds of each call by its name, what was answered other than 2xx, goals given."""

    ms: dict[str, list[float]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    given: list[int] = field(default_factory=list)


SHARES = {"list": 3, "goal": 3, "events": 3, "give": 1}


def run(pipe: Connection, order: Calls) -> None:
    """Calls until something is said to it; then answers with what it heard."""
    chance, heard = random.Random(order.seed), Heard()
    headers = {"Authorization": f"Bearer {order.token}"}
    began, calls = time.monotonic(), 0
    base = f"{order.web_url}/api/v1"
    with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as api:
        while not pipe.poll():
            (name,) = chance.choices(list(SHARES), list(SHARES.values()))
            _call(api, name, chance.choice(order.goals), heard)
            calls += 1
            time.sleep(max(0, began + calls / order.per_s - time.monotonic()))
    pipe.send(heard)


def _call(api: httpx.Client, name: str, goal: int, heard: Heard) -> None:
    started = time.monotonic()
    try:
        match name:
            case "list":
                answer = api.get("/goals")
            case "goal":
                answer = api.get(f"/goals/{goal}")
            case "events":
                answer = api.get(f"/goals/{goal}/events")
            case _:
                answer = api.post("/goals", json={"text": "Say that it is done"})
    except httpx.HTTPError as reason:
        heard.refused.append(f"{name}: {type(reason).__name__} {reason}")
        return
    heard.ms.setdefault(name, []).append((time.monotonic() - started) * 1000)
    if not answer.is_success:
        heard.refused.append(f"{name}: {answer.status_code} {answer.text[:200]}")
    elif name == "give":
        heard.given.append(answer.json()["id"])
