"""What an engine has done so far: counters that a node reports and /metrics shows."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import asdict, dataclass, field
from typing import Any

FIRST_TOKEN_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass
class EngineStats:
    """Written by the owner thread, read by any.

    prompt_tokens counts whole prompts, cached_tokens the part of them that was not computed.
    prefill_s and decode_s share out the time of each step by its tokens.
    rows: running answers summed over steps, so that rows / steps is the occupancy of a batch.
    first_token_counts: answers by first_token_s, one bucket for each bound and one for the rest
    """

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    prefill_tokens: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    steps: int = 0
    rows: int = 0
    first_token_s: float = 0.0
    first_token_counts: list[int] = field(
        default_factory=lambda: [0] * (len(FIRST_TOKEN_BOUNDS_S) + 1)
    )

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._speed = 0.0

    def stepped(self, decoded: int, prefilled: int, seconds: float) -> None:
        with self._lock:
            self.steps += decoded > 0
            self.rows += decoded
            self.prefill_tokens += prefilled
            share = prefilled / (decoded + prefilled)
            if prefilled > 16:  # fewer say nothing about the speed of many
                speed = prefilled / max(seconds * share, 1e-6)
                self._speed = 0.7 * self._speed + 0.3 * speed if self._speed else speed
            self.prefill_s += seconds * share
            self.decode_s += seconds * (1 - share)

    def prefill_speed(self) -> float:
        """Tokens a second of late; 0 while it is not known."""
        return self._speed

    def answered(self, prompt: int, cached: int, completion: int, first_token_s: float) -> None:
        with self._lock:
            self.requests += 1
            self.prompt_tokens += prompt
            self.cached_tokens += cached
            self.completion_tokens += completion
            self.first_token_s += first_token_s
            self.first_token_counts[bisect_left(FIRST_TOKEN_BOUNDS_S, first_token_s)] += 1

    def failed(self) -> None:
        with self._lock:
            self.requests += 1
            self.failures += 1

    def snapshot(self) -> dict[str, Any]:
        """All counters, JSON-able."""
        with self._lock:
            return asdict(self)
