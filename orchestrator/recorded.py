"""The model as the staff calls it: streamed to the boss, charged to the goal, recorded once.

A request that was answered before in the same piece of work is replayed from the record, so an
attempt that takes over from a dead one goes on where that stopped instead of sampling again.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from django.db import connection

from orchestrator.heartbeat import StopSign
from orchestrator.inference.base import ChatModel, ChatRequest, Completion
from staff.actions import calls
from staff.actions.streams import News
from staff.crashes import crash_point
from staff.models import ModelCall

COALESCE_S = 0.2
BUSY_S = 0.2


class Stopped(Exception):
    """The work was told to stop; what it had streamed is kept."""


@dataclass(frozen=True)
class RecordedModel:
    """A `ModelCaller` for one piece of work. Safe to call from several threads at once.

    owner: identifier of the thread that the work belongs to
    """

    model: ChatModel
    work: calls.Work
    stop: StopSign
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
        call = self._begin(digest, purpose, request)
        if call.recorded is not None:
            completion = _completion(call.recorded)
            self.work.tell(_text(digest, completion.text), _done(digest, completion, True))
            return completion
        room = call.room
        granted = replace(request, max_tokens=room.tokens or 1)
        if room.seconds is not None:
            granted = replace(granted, timeout_s=room.seconds)
        completion, unsaid = self._stream(digest, granted)
        crash_point("model.answered")
        resource = _cut_by(request, granted, completion)
        news = [_text(digest, unsaid)] if unsaid else []
        news.append(_done(digest, completion, False))
        is_answer = not (resource or self.stop.is_set())
        calls.settle(self.work, call, news, is_answer=is_answer, **asdict(completion))
        crash_point("model.settled")
        if self.stop.is_set():
            raise Stopped
        if resource:
            raise calls.spent(call, resource)
        return completion

    def _begin(self, digest: str, purpose: str, request: ChatRequest) -> calls.Call:
        """Reserve what the call may use; wait while other calls of the goal hold it."""
        while True:
            try:
                return calls.begin(
                    self.work,
                    digest,
                    purpose=purpose,
                    model=self.model.name,
                    prompt_tokens=self.model.count_prompt(request),
                    max_tokens=request.max_tokens,
                    timeout_s=request.timeout_s,
                )
            except calls.Busy:
                if self.stop.is_set():
                    raise Stopped from None
                time.sleep(BUSY_S)

    def _stream(self, digest: str, request: ChatRequest) -> tuple[Completion, str]:
        """Show the answer while it comes. Returns it, and the end that was not shown yet."""
        stream = self.model.stream(request)
        pending, shown_at = "", time.monotonic()
        with self.stop.interrupts(stream.cancel):
            for piece in stream:
                pending += piece
                if time.monotonic() - shown_at >= COALESCE_S:
                    self.work.tell(_text(digest, pending))
                    pending, shown_at = "", time.monotonic()
            return stream.completion, pending

    def _digest(self, request: ChatRequest) -> str:
        facts: dict[str, Any] = asdict(request)
        facts.pop("priority")
        facts.pop("timeout_s")
        canonical = json.dumps([self.model.name, facts], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def _completion(recorded: ModelCall) -> Completion:
    return Completion(**{field.name: getattr(recorded, field.name) for field in fields(Completion)})


def _text(digest: str, text: str) -> News:
    return News("model.text", {"call": digest[:12], "text": text})


def _done(digest: str, completion: Completion, replayed: bool) -> News:
    costs = {name: value for name, value in asdict(completion).items() if name != "text"}
    return News("model.done", {"call": digest[:12], "replayed": replayed, **costs})


def _cut_by(asked: ChatRequest, granted: ChatRequest, completion: Completion) -> str:
    """Which budget ended the answer before its time, if one did."""
    if completion.finish_reason == "length" and granted.max_tokens < asked.max_tokens:
        return "tokens"
    if completion.finish_reason == "deadline" and granted.timeout_s != asked.timeout_s:
        return "seconds"
    return ""
