"""A chat model that answers from a script, for tests: the real protocol without weights."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from orchestrator.inference.base import (
    ChatRequest,
    Completion,
    FinishReason,
    PromptTooLong,
    TokenChance,
)
from orchestrator.inference.pieces import Pieces

Answer = str | Iterator[str]
Answers = Sequence[str] | Callable[[ChatRequest], Answer]


class ScriptedModel:
    """Gives its answers in order, or what a function makes of each request.

    One word is one token. An answer may be told by an iterator of words, which takes its time or
    never ends. Stop strings, max_tokens, timeouts and cancelling work as they do in an
    engine; a grammar is not applied. `requests` records what was asked.
    Raises IndexError at a request for which no answer is left.
    """

    def __init__(
        self, answers: Answers, *, name: str = "scripted", context_tokens: int = 1_000_000
    ):
        self.name = name
        self.context_tokens = context_tokens
        self.requests: list[ChatRequest] = []
        self._answers = answers
        self._lock = threading.Lock()

    def stream(self, request: ChatRequest) -> ScriptedStream:
        prompt_tokens = self.count_prompt(request)
        if prompt_tokens + request.max_tokens > self.context_tokens:
            raise PromptTooLong(
                f"The prompt has {prompt_tokens} words and the answer may have "
                f"{request.max_tokens}; there is room for {self.context_tokens} together."
            )
        return ScriptedStream(request, self._next(request), prompt_tokens)

    def complete(self, request: ChatRequest) -> Completion:
        return self.stream(request).completion

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def count_prompt(self, request: ChatRequest) -> int:
        return sum(self.count_tokens(message.content) for message in request.messages)

    def _next(self, request: ChatRequest) -> Answer:
        with self._lock:
            self.requests.append(request)
            if callable(self._answers):
                return self._answers(request)
            number = len(self.requests)
            if number > len(self._answers):
                raise IndexError(
                    f"request {number} was made, but the script has {len(self._answers)} answers"
                )
            return self._answers[number - 1]


class ScriptedStream:
    """An answer told word by word."""

    def __init__(self, request: ChatRequest, answer: Answer, prompt_tokens: int):
        self._request = request
        self._prompt_tokens = prompt_tokens
        self._pieces = Pieces(request.stop)
        self._words = _words(answer) if isinstance(answer, str) else answer
        self.position = 0
        self.logprobs: Sequence[TokenChance] = ()
        self.dropped_messages = 0
        self._told = 0
        self._started_at = time.monotonic()
        self._cancelled = False
        self._reason: FinishReason | None = None

    def __iter__(self) -> Iterator[str]:
        while self._reason is None:
            piece = self._advance()
            if piece:
                yield piece

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def completion(self) -> Completion:
        for _ in self:
            pass
        assert self._reason is not None
        elapsed = time.monotonic() - self._started_at
        return Completion(
            text=self._pieces.text,
            finish_reason=self._reason,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=0,
            completion_tokens=self._told,
            first_token_s=elapsed,
            total_s=elapsed,
        )

    def _advance(self) -> str:
        """Tell one word, or end: then what was held back is given out."""
        interrupted = self._interrupted()
        word = None if interrupted else next(self._words, None)
        if word is None:
            self._reason = interrupted or "stop"
            return self._pieces.flush()
        self._told += bool(word.strip())
        piece = self._pieces.push(word.encode())
        self._reason = "stop" if self._pieces.stopped else None
        return piece

    def _interrupted(self) -> FinishReason | None:
        if self._cancelled:
            return "cancelled"
        timeout_s = self._request.timeout_s
        if timeout_s is not None and time.monotonic() - self._started_at >= timeout_s:
            return "deadline"
        return "length" if self._told >= self._request.max_tokens else None


def _words(text: str) -> Iterator[str]:
    """Words with the space before them; together they are the text."""
    return iter(re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text))
