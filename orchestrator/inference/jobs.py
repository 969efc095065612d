"""One request inside the engine, and the stream by which its caller follows it."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from orchestrator.inference.base import (
    ChatRequest,
    Completion,
    FinishReason,
    InferenceError,
    TokenChance,
)
from orchestrator.inference.pieces import Pieces
from orchestrator.inference.sampling import Grammar
from orchestrator.inference.sequences import Slot

LONGEST_BLOCK = 40  # tokens; what repeats itself in longer blocks is taken for intended
LEAST_REPEATS = 6
LEAST_REPEATED = 96  # tokens of an answer's end that repeat one block before it is broken off


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
        self.position = 0
        self.logprobs: list[TokenChance] = []
        self.dropped_messages = 0
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

    def __post_init__(self) -> None:
        self.pieces = Pieces(self.request.stop)
        self.rng = np.random.default_rng(self.request.seed)
        self.answer: list[int] = []
        self.slot: Slot

    @property
    def generated(self) -> int:
        return len(self.answer)

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
        self.answer.append(token)
        piece = self.pieces.push(data)
        if piece:
            self.stream.put(piece)

    def repeats_itself(self) -> bool:
        """Whether the answer has come into a loop. Looks at every eighth token, and not before an
        answer may end."""
        if self.generated % 8 or self.generated < max(LEAST_REPEATED, self.request.min_tokens):
            return False
        return loops(self.answer)

    def end(self, reason: FinishReason | InferenceError) -> Completion | None:
        """Close the stream, and what the request alone used. Returns what came of it, if it did
        not fail."""
        if self.grammar is not None:
            self.grammar.close()
        if isinstance(reason, InferenceError):
            self.stream.put(reason)
            return None
        rest = self.pieces.flush()
        if rest:
            self.stream.put(rest)
        done = self._completion(reason)
        self.stream.put(done)
        return done

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


def loops(tokens: list[int]) -> bool:
    """Whether the tokens end in one block, said over and over."""
    for size in range(1, LONGEST_BLOCK + 1):
        length = max(LEAST_REPEATED, size * LEAST_REPEATS)
        if length > len(tokens):
            return False
        tail = tokens[-length:]
        if tail[size:] == tail[:-size]:
            return True
    return False
