"""How long a question and a write take, at six thousand and at a hundred thousand memories."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import psutil

from orchestrator import memory as memories
from staff.actions.memory import Draft, scope_of
from staff.actions.people import open_workspace
from staff.models import Scope, User
from staff.recall import visible_to
from web.management.benches import histories
from web.management.benches.memory.quality import draft_of

QUESTIONS = 300
WRITES = 200


def run(boss: User, say: Callable[[str], None], large: int = 100_000, **_: Any) -> dict[str, Any]:
    """Small talk of many people around a history with questions; the machine as it is."""
    workspace = open_workspace(boss, "speed")
    scope = scope_of(workspace)
    history = histories.make("dev", 77, turns=2000)
    crowd = (draft_of(turn) for turn in histories.crowd("dev", 7, large))
    memories.remember(scope, [draft_of(turn) for turn in history.turns])
    figures: dict[str, Any] = {}
    for name, size in (("6k", 6000), ("100k", large)):
        wrote = _fill(scope, crowd, size)
        say(f"{name}: {wrote:.0f} memories a second in batches")
        before = psutil.Process().memory_info().rss
        queries, cpu = _asked(boss, scope, history)
        writes = _written(scope)
        figures[f"query_p95_ms_{name}"] = _p95(queries)
        figures[f"query_cpu_p95_ms_{name}"] = _p95(cpu)
        figures[f"query_p50_ms_{name}"] = round(float(np.median(queries)), 1)
        figures[f"write_p95_ms_{name}"] = _p95(writes)
        figures[f"first_query_ms_{name}"] = round(queries[0], 1)
        figures[f"cache_mb_{name}"] = round((psutil.Process().memory_info().rss - before) / 2**20)
        say(f"{name}: question p95 {_p95(queries[1:])} ms, write p95 {_p95(writes)} ms")
    figures["write_p95_ms"] = max(figures["write_p95_ms_6k"], figures["write_p95_ms_100k"])
    figures["load_average"] = round(psutil.getloadavg()[0], 1)
    return figures


def _fill(scope: Scope, crowd: Iterable[Draft], size: int) -> float:
    """Up to so many memories. Returns how many a second."""
    scope.refresh_from_db()
    missing, started = size - scope.memories, time.perf_counter()
    while (wanted := size - scope.memories) > 0:
        if not memories.remember(scope, list(islice(crowd, min(wanted, 2000)))):
            break
        scope.refresh_from_db()
    return missing / (time.perf_counter() - started)


def _asked(boss: User, scope: Scope, history: histories.History) -> tuple[list[float], list[float]]:
    """Milliseconds of each question: all that a caller waits for, and of this process's work,
    which tells more on a machine that does other things."""
    sight = visible_to(boss, scope.workspace)
    taken, worked = [], []
    for question in islice(_forever(history.questions), QUESTIONS):
        started, began = time.perf_counter(), time.process_time()
        memories.recall(sight, question.text, 10, now=history.asked_at)
        taken.append(1000 * (time.perf_counter() - started))
        worked.append(1000 * (time.process_time() - began))
    return taken, worked


def _written(scope: Scope) -> list[float]:
    """Milliseconds of each single write, vector and both indexes included."""
    taken = []
    for turn in histories.crowd("held_out", int(time.time()), WRITES):
        draft = draft_of(turn)
        started = time.perf_counter()
        memories.remember(scope, [draft])
        taken.append(1000 * (time.perf_counter() - started))
    return taken


def _forever(questions: Iterable[histories.Question]) -> Iterable[histories.Question]:
    kept = list(questions)
    while True:
        yield from kept


def _p95(taken: list[float]) -> float:
    return round(float(np.percentile(taken, 95)), 1)
