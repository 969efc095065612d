"""Whether memory grows while eight streams go on and on."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import psutil

from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.bench.workloads import AGENTS, Sizes, Texts
from orchestrator.inference.llamacpp import LlamaCppEngine

WARM_UP = 0.2  # share of the time before the first sample: caches and slots fill once


def growth(path: Path, name: str, minutes: float, *, room: int, sizes: Sizes) -> dict[str, Any]:
    """Eight streams of ever new conversations. rss_growth: growth of the process's resident memory
    after the warm-up, as a share of it; samples are the smallest of each tenth of the time."""
    engine = LlamaCppEngine(path, name=name, context_tokens=room, sequences=AGENTS)
    stop = threading.Event()
    answered = [0] * AGENTS

    def stream(agent: int) -> None:
        texts = Texts(engine.count_tokens, seed=agent)
        while not stop.is_set():
            messages: tuple[Message, ...] = ()
            for _ in range(sizes.turns):
                messages = (*messages, Message("user", texts.of(sizes.own)))
                request = ChatRequest(messages, max_tokens=sizes.answer_a)
                messages = (*messages, Message("assistant", engine.complete(request).text))
                answered[agent] += 1
                if stop.is_set():
                    return

    threads = [threading.Thread(target=stream, args=(n,), daemon=True) for n in range(AGENTS)]
    try:
        for thread in threads:
            thread.start()
        samples = _samples(minutes * 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        engine.close()
    return {
        "growth_minutes": minutes,
        "growth_answers": sum(answered),
        "rss_mb": [round(each / 1e6, 1) for each in samples],
        "rss_growth": round(samples[-1] / samples[0] - 1, 4),
    }


def _samples(seconds: float) -> list[int]:
    """The smallest resident memory of each tenth of the time after the warm-up, in bytes."""
    process = psutil.Process()
    started = time.monotonic()
    time.sleep(seconds * WARM_UP)
    tenths: list[int] = []
    for tenth in range(1, 11):
        until = started + seconds * (WARM_UP + (1 - WARM_UP) * tenth / 10)
        least = process.memory_info().rss
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            least = min(least, process.memory_info().rss)
        tenths.append(least)
    return tenths
