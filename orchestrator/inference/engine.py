"""Continuous batching: one owner thread turns many requests into one decode per step.

Each step admits waiting requests (priority, then order), decodes one token of every running
answer together with a chunk of the prompts on their way in, samples, emits, and retires what is
done. The thread alone touches the weights; callers meet it in `submit` and in their streams.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from itertools import count
from typing import Protocol

import numpy as np

from orchestrator.inference.base import (
    ChatRequest,
    FinishReason,
    InferenceError,
    Overloaded,
    TokenChance,
)
from orchestrator.inference.jobs import EngineStream, Entry, Job
from orchestrator.inference.sampling import Grammar, Ids, Logits, best, choose, log_chances
from orchestrator.inference.sequences import Memory, Sequences, Shelf
from orchestrator.inference.stats import EngineStats

logger = logging.getLogger(__name__)

CHUNK = 256  # prompt tokens per step while no answer is running
CHUNK_BESIDE = 32  # least prompt tokens per step beside running answers
STALL_S = 0.8  # time that running answers wait for others' prompts at each step
MOST_WAITING = 256  # requests that may wait; more are refused, so that nobody waits for ever


class DecodeFailed(InferenceError):
    """One step went wrong; the requests in it are lost, the model is not."""


class Weights(Memory, Protocol):
    """A loaded model, used by the owner thread alone.

    context_tokens: most tokens of one request
    sequences:      answers that may run at once
    shares:         whether a sequence can begin with a part of another
    ends:           ids of the tokens that end an answer
    """

    context_tokens: int
    sequences: int
    shares: bool
    ends: Ids

    def decode(self, batch: Sequence[Entry]) -> None:
        """Compute the batch, which is in the order of its sequences. Raises DecodeFailed."""

    def logits(self, row: int) -> Logits:
        """(V,) of entry `row` of the last batch; valid until the next decode."""

    def piece(self, token: int) -> bytes | None:
        """The token's text; None if it ends the answer."""

    def close(self) -> None: ...


class Engine:
    """The owner thread of one model's weights; `name` is for the log."""

    def __init__(self, weights: Weights, name: str, shelf: Shelf | None = None):
        self.stats = EngineStats()
        self._weights = weights
        self._name = name
        self._sequences = Sequences(
            weights, slots=weights.sequences, sharing=weights.shares, shelf=shelf
        )
        self._order = count()
        self._waiting: list[Job] = []
        self._live: list[Job] = []
        self._wake = threading.Condition()
        self._closing = False
        self._dead: InferenceError | None = None
        self._thread = threading.Thread(target=self._run, name=f"engine {name}", daemon=True)
        self._thread.start()

    def submit(
        self, request: ChatRequest, prompt: list[int], grammar: Grammar | None
    ) -> EngineStream:
        """Queue a request. prompt + max_tokens must fit `weights.context_tokens`.

        Raises Overloaded if too many wait already.
        """
        job = Job(request, prompt, grammar, next(self._order))
        with self._wake:
            refused = self._refusal()
            if refused:
                if grammar is not None:
                    grammar.close()
                raise refused
            self._waiting.append(job)
            self._number()
            self._wake.notify()
        return job.stream

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many requests are being answered."""
        return len(self._live)

    def close(self) -> None:
        """Stop within one step and free the weights. Open streams raise InferenceError."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _refusal(self) -> InferenceError | None:
        if self._dead:
            return InferenceError(str(self._dead))
        if len(self._waiting) >= MOST_WAITING:
            return Overloaded(
                f"{len(self._waiting)} requests wait for {self._name} already. Try again later."
            )
        return None

    def _in_order(self) -> list[Job]:
        """Who waits, in the order of their turns."""
        return sorted(self._waiting, key=lambda job: (-job.request.priority, job.order))

    def _number(self) -> None:
        """Tell those who wait how many go first."""
        for before, job in enumerate(self._in_order()):
            job.stream.position = before + 1

    def _run(self) -> None:
        reason = InferenceError(f"{self._name} was closed before the answer was complete.")
        try:
            while self._wait_for_work():
                self._retire_interrupted()
                try:
                    self._admit()
                    if self._live:
                        self._step()
                except DecodeFailed as failed:
                    self._lose_step(failed)
        except BaseException as error:
            logger.exception("the engine of %s died", self._name)
            reason = InferenceError(f"The engine of {self._name} died: {error!r}")
        finally:
            self._shut(reason)

    def _shut(self, reason: InferenceError) -> None:
        with self._wake:
            self._dead = reason
            jobs, self._waiting = [*self._live, *self._waiting], []
        self._live = []
        for job in jobs:
            job.end(reason)
        self._weights.close()

    def _wait_for_work(self) -> bool:
        with self._wake:
            self._wake.wait_for(lambda: self._closing or self._waiting or self._live)
            return not self._closing

    def _retire_interrupted(self) -> None:
        for job in [*self._live, *self._waiting]:
            reason = job.interrupted()
            if reason:
                self._retire(job, reason)

    def _admit(self) -> None:
        if len(self._live) == self._weights.sequences:
            return
        for job in self._in_order():
            slot = self._sequences.take(job.prompt)
            if slot is not None:
                job.start(slot)
                self._live.append(job)  # first: a request is never in neither list
                self._leave(job)

    def _step(self) -> None:
        """One token of every running answer together, then a piece of each prompt by itself.

        llama.cpp would part them anyway, since sequences have buffers of their own. Parted here, a
        request's tokens are computed in the same way whoever runs beside it.
        """
        running = [(job, 1) for job in self._live if job.running]
        running.sort(key=lambda share: share[0].slot.number)  # so that llama.cpp joins them
        prompts = self._prompt_shares(beside=bool(running))
        for shares in [running, *([share] for share in prompts)]:
            if shares:
                self._compute(shares)

    def _compute(self, shares: list[tuple[Job, int]]) -> None:
        """Compute so many pending tokens of each job, and sample where that was all of them."""
        batch = [entry for job, length in shares for entry in job.entries(length)]
        decoded = sum(job.running for job, _ in shares)
        started_at = time.monotonic()
        self._weights.decode(batch)
        self.stats.stepped(decoded, len(batch) - decoded, time.monotonic() - started_at)
        row = -1
        for job, length in shares:
            row += length
            self._sequences.append(job.slot, job.pending[:length])
            del job.pending[:length]
            if not job.pending:
                self._sample(job, self._weights.logits(row))

    def _prompt_shares(self, *, beside: bool) -> list[tuple[Job, int]]:
        """How many pending tokens of each prompt this step computes, first come first served.

        A last token is not left over by itself: one alone is rounded otherwise than one of many.
        """
        budget = self._chunk() if beside else CHUNK
        shares = []
        for job in self._live:
            if job.running or budget < 2:
                continue
            left = len(job.pending)
            length = min(left, budget)
            shares.append((job, length - 1 if left - length == 1 and length > 2 else length))
            budget -= length
        return shares

    def _chunk(self) -> int:
        """Prompt tokens that may go in beside running answers: as many as take STALL_S."""
        speed = self.stats.prefill_speed()
        return max(CHUNK_BESIDE, min(CHUNK, int(speed * STALL_S)))

    def _sample(self, job: Job, logits: Logits) -> None:
        if job.generated < job.request.min_tokens:
            logits[self._weights.ends] = -np.inf
        try:
            token = choose(logits, job.request.temperature, job.rng, job.grammar)
        except InferenceError as reason:
            self._retire(job, reason)
            return
        job.first_token_at = job.first_token_at or time.monotonic()
        data = self._weights.piece(token)
        if job.request.logprobs is not None:
            job.stream.logprobs.append(self._chance(logits, token, job.request.logprobs))
        if data is None:
            self._retire(job, "stop")
            return
        if job.grammar is not None:
            job.grammar.accept(token)
        job.emit(token, data)
        if job.pieces.stopped:
            self._retire(job, "stop")
        elif job.generated == job.request.max_tokens:
            self._retire(job, "length")
        elif job.repeats_itself():
            self._retire(job, "repetition")

    def _chance(self, logits: Logits, token: int, alternatives: int) -> TokenChance:
        chances = log_chances(logits)
        ranked = sorted(best(logits, alternatives), key=lambda each: -chances[each])
        return TokenChance(
            self._weights.piece(token) or b"",
            float(chances[token]),
            tuple((self._weights.piece(int(t)) or b"", float(chances[t])) for t in ranked),
        )

    def _lose_step(self, reason: DecodeFailed) -> None:
        """After a failed decode the cache cannot be trusted: its requests end, the next go on."""
        logger.error("%s: %s", self._name, reason)
        for job in list(self._live):
            self._retire(job, reason)
        self._sequences.clear()

    def _retire(self, job: Job, reason: FinishReason | InferenceError) -> None:
        if job in self._live:
            self._live.remove(job)
            self._sequences.release(job.slot)
        else:
            self._leave(job)
        done = job.end(reason)
        if done is None:
            self.stats.failed()
        else:
            self.stats.answered(
                done.prompt_tokens, done.cached_tokens, done.completion_tokens, done.first_token_s
            )

    def _leave(self, job: Job) -> None:
        with self._wake:
            self._waiting.remove(job)
            job.stream.position = 0
            self._number()
