"""One request inside the engine, and the stream by which its caller follows it."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from orchestrator.inference.base import ChatRequest, Completion, FinishReason, InferenceError
from orchestrator.inference.pieces import Pieces
from orchestrator.inference.sampling import Grammar
from orchestrator.inference.sequences import Slot


@dataclass(frozen=True)
class Entry:
    """One token of a batch; `wanted` says whether its logits will be read."""

    token: int
    position: int
    sequence: int
    wanted: bool


class EngineStream:
    """An answer on its way from the owner thread. For one consumer; cancel from anywhere."""

    def __init__(self) -> None:
        self.cancelled = False
        self._news: queue.SimpleQueue[str | Completion | InferenceError] = queue.SimpleQueue()
        self._end: Completion | InferenceError | None = None

    def __iter__(self) -> Iterator[str]:
        while self._end is None:
            news = self._news.get()
            if isinstance(news, str):
                yield news
            else:
                self._end = news
        if isinstance(self._end, InferenceError):
            raise self._end

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def completion(self) -> Completion:
        for _ in self:
            pass
        assert isinstance(self._end, Completion)
        return self._end

    def put(self, news: str | Completion | InferenceError) -> None:
        self._news.put(news)


@dataclass(eq=False)
class Job:
    """One request on its way. `pending` are its tokens that the cache does not hold yet."""

    request: ChatRequest
    prompt: list[int]
    grammar: Grammar | None
    order: int
    stream: EngineStream = field(default_factory=EngineStream)
    submitted_at: float = field(default_factory=time.monotonic)
    first_token_at: float | None = None
    pending: list[int] = field(default_factory=list)
    cached_tokens: int = 0
    generated: int = 0

    def __post_init__(self) -> None:
        self.pieces = Pieces(self.request.stop)
        self.rng = np.random.default_rng(self.request.seed)
        self.slot: Slot

    @property
    def running(self) -> bool:
        """Whether its prompt is computed, so that each step yields a token."""
        return self.generated > 0

    def interrupted(self) -> FinishReason | None:
        if self.stream.cancelled:
            return "cancelled"
        timeout_s = self.request.timeout_s
        if timeout_s is not None and time.monotonic() - self.submitted_at >= timeout_s:
            return "deadline"
        return None

    def start(self, slot: Slot) -> None:
        """Take a slot, which may hold a prefix of the prompt already."""
        self.slot = slot
        self.cached_tokens = len(slot.tokens)
        self.pending = self.prompt[self.cached_tokens :]

    def entries(self, length: int) -> Iterator[Entry]:
        """The next `length` pending tokens, as part of a batch."""
        position, last = len(self.slot.tokens), len(self.pending) - 1
        for i, token in enumerate(self.pending[:length]):
            yield Entry(token, position + i, self.slot.number, wanted=i == last)

    def emit(self, token: int, data: bytes) -> None:
        """Send what a sampled token adds to the text; the token itself is computed next."""
        self.pending = [token]
        self.generated += 1
        piece = self.pieces.push(data)
        if piece:
            self.stream.put(piece)

    def end(self, reason: FinishReason | InferenceError) -> None:
        """Close the stream, and what the request alone used."""
        if self.grammar is not None:
            self.grammar.close()
        if isinstance(reason, InferenceError):
            self.stream.put(reason)
            return
        rest = self.pieces.flush()
        if rest:
            self.stream.put(rest)
        self.stream.put(self._completion(reason))

    def _completion(self, reason: FinishReason) -> Completion:
        now = time.monotonic()
        return Completion(
            text=self.pieces.text,
            finish_reason=reason,
            prompt_tokens=len(self.prompt),
            cached_tokens=self.cached_tokens,
            completion_tokens=self.generated,
            first_token_s=(self.first_token_at or now) - self.submitted_at,
            total_s=now - self.submitted_at,
        )
