"""How fast one model is on this machine: alone, batched, with a shared prefix, under load."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.inference import threads
from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.llamacpp import LlamaCppEngine

PROMPT_WORDS = 300
ANSWER_TOKENS = 48
BATCH = 8
BUSY_PROCESSES = 2
FREE_TEXT = r"root ::= [a-z ]{2000}"  # an answer that does not end early
SPIN = "while True: pass"


def run(model_path: Path, name: str) -> dict[str, Any]:
    """Measure; takes about a minute with a model of 1.5B on two cores.

    Speeds are tokens a second; `busy_ratio` is the decode speed of one sequence beside two busy
    processes over that on the machine as it is.
    """
    engine = LlamaCppEngine(model_path, name=name, context_tokens=4096, sequences=BATCH)
    try:
        _finish([engine.stream(_question("warm up", 4))])
        cold = engine.complete(_question(_text(), 1))
        warm = engine.complete(_question(_text(), 1))
        one = _decode_speed(engine, 1)
        many = _decode_speed(engine, BATCH)
        with _busy(BUSY_PROCESSES):
            beside = _decode_speed(engine, 1)
    finally:
        engine.close()
    return {
        "model": name,
        "threads": threads.usable_cores(),
        "spin_count": os.environ.get("GOMP_SPINCOUNT", ""),
        "prompt_tokens": cold.prompt_tokens,
        "prefill_tokens_per_s": round(cold.prompt_tokens / cold.first_token_s, 1),
        "first_token_s": round(cold.first_token_s, 3),
        "first_token_cached_s": round(warm.first_token_s, 3),
        "decode_1_tokens_per_s": round(one, 1),
        f"decode_{BATCH}_tokens_per_s": round(many, 1),
        "decode_1_busy_tokens_per_s": round(beside, 1),
        "busy_ratio": round(beside / one, 2),
    }


def _decode_speed(engine: LlamaCppEngine, count: int) -> float:
    """Tokens a second of `count` answers together, their prompts already in the cache."""
    requests = [_question(f"Write line {number}.", ANSWER_TOKENS) for number in range(count)]
    _finish([engine.stream(_question(r.messages[0].content, 1)) for r in requests])
    started = time.perf_counter()
    tokens = _finish([engine.stream(request) for request in requests])
    return tokens / (time.perf_counter() - started)


def _finish(streams: list[Any]) -> int:
    return sum(stream.completion.completion_tokens for stream in streams)


def _question(text: str, max_tokens: int) -> ChatRequest:
    return ChatRequest((Message("user", text),), max_tokens=max_tokens, grammar=FREE_TEXT)


def _text() -> str:
    return " ".join(f"note {number}" for number in range(PROMPT_WORDS // 2))


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that each want a core for themselves."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
