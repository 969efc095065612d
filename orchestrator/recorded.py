"""The model as the staff calls it: streamed to the boss, charged to the goal, recorded once.

A request that was answered before in the same piece of work is replayed from the record, so an
attempt that takes over from a dead one goes on where that stopped instead of sampling again.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db import connection

from orchestrator.heartbeat import StopSign
from orchestrator.inference.base import ChatModel, ChatRequest, Completion
from staff.actions import calls

COALESCE_S = 0.2


class Stopped(Exception):
    """The work was told to stop; what it had streamed is kept."""


@dataclass(frozen=True)
class RecordedModel:
    """A `ModelCaller` for one piece of work. Safe to call from several threads at once.

    scope: names the piece of work; equal requests within it are asked once
    tell:  adds an event to the goal's stream in the name of this work
    """

    model: ChatModel
    goal_id: int
    task_id: int | None
    scope: str
    stop: StopSign
    tell: Callable[..., None]
    owner: int

    def __call__(self, purpose: str, request: ChatRequest) -> Completion:
        """Raises Stopped, calls.BudgetSpent, or what the model raises."""
        try:
            return self._answer(purpose, request)
        finally:
            if threading.get_ident() != self.owner:
                connection.close()  # a pool's thread would leave it open

    def _answer(self, purpose: str, request: ChatRequest) -> Completion:
        digest = self._digest(request)
        call = digest[:12]
        self.tell("model.call", call=call, purpose=purpose, model=self.model.name)
        recorded = calls.replay(self.goal_id, self.scope, digest)
        if recorded is not None:
            completion = Completion(
                text=recorded.text,
                finish_reason=recorded.finish_reason,
                prompt_tokens=recorded.prompt_tokens,
                cached_tokens=recorded.cached_tokens,
                completion_tokens=recorded.completion_tokens,
                first_token_s=recorded.first_token_s,
                total_s=recorded.total_s,
            )
            self.tell("model.text", call=call, text=completion.text)
        else:
            completion = self._stream(call, request)
            calls.record(
                self.goal_id,
                self.scope,
                digest,
                task_id=self.task_id,
                purpose=purpose,
                model=self.model.name,
                **asdict(completion),
            )
        costs = {k: v for k, v in asdict(completion).items() if k != "text"}
        self.tell("model.done", call=call, replayed=recorded is not None, **costs)
        return completion

    def _stream(self, call: str, request: ChatRequest) -> Completion:
        left = calls.tokens_left(self.goal_id)
        if left is not None:
            request = replace(request, max_tokens=min(request.max_tokens, left))
        stream = self.model.stream(request)
        pending, shown_at = "", time.monotonic()
        with self.stop.interrupts(stream.cancel):
            for piece in stream:
                pending += piece
                if time.monotonic() - shown_at >= COALESCE_S:
                    self.tell("model.text", call=call, text=pending)
                    pending, shown_at = "", time.monotonic()
            completion = stream.completion
        if self.stop.is_set():
            raise Stopped
        if pending:
            self.tell("model.text", call=call, text=pending)
        return completion

    def _digest(self, request: ChatRequest) -> str:
        facts: dict[str, Any] = asdict(request)
        facts.pop("priority")
        facts.pop("timeout_s")
        canonical = json.dumps([self.model.name, facts], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()
