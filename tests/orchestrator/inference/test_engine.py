"""The loop, with weights that compute the next number: token t is followed by t + 1."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from orchestrator.inference.base import ChatRequest, InferenceError, Message, Overloaded
from orchestrator.inference.engine import CHUNK, STALL_S, DecodeFailed, Engine
from orchestrator.inference.jobs import Entry, loops

SIZE = 1000
END = SIZE - 1


class Counting:
    """Weights over numbers. `gate` lets a test hold a step; `on_decode` lets it interfere."""

    context_tokens = 700
    sequences = 3
    shares = True
    ends = np.array([END], dtype=np.int32)

    def __init__(self) -> None:
        self.batches: list[list[Entry]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.on_decode: Callable[[], None] = lambda: None
        self.closed = False

    def decode(self, batch: Sequence[Entry]) -> None:
        assert self.gate.wait(5)
        self.on_decode()
        self.batches.append(list(batch))

    def logits(self, row: int):
        entry = self.batches[-1][row]
        assert entry.wanted
        logits = np.zeros(SIZE, dtype=np.float32)
        logits[entry.token + 1] = 1
        return logits

    def piece(self, token: int) -> bytes | None:
        return None if token == END else f"{token} ".encode()

    def copy(self, source: int, target: int, length: int) -> None: ...

    def cut(self, sequence: int, length: int) -> None: ...

    def save(self, sequence: int) -> bytes:
        return b""

    def load(self, sequence: int, state: bytes) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def weights() -> Counting:
    return Counting()


@pytest.fixture
def engine(weights: Counting) -> Iterator[Engine]:
    engine = Engine(weights, "counting")
    yield engine
    weights.gate.set()
    engine.close()


def ask(**options) -> ChatRequest:
    return ChatRequest((Message("user", "count"),), **options)


def wait_until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.001)


def test_an_answer_streams_until_its_end_token(engine):
    stream = engine.submit(ask(), [END - 3], None)
    assert list(stream) == [f"{END - 2} ", f"{END - 1} "]
    done = stream.completion
    assert (done.finish_reason, done.completion_tokens, done.prompt_tokens) == ("stop", 2, 1)
    assert 0 <= done.first_token_s <= done.total_s


def test_max_tokens_and_stop_strings_end_an_answer(engine):
    assert engine.submit(ask(max_tokens=3), [10], None).completion.text == "11 12 13 "
    stopped = engine.submit(ask(stop=("13",)), [10], None).completion
    assert (stopped.text, stopped.finish_reason) == ("11 12 ", "stop")


def test_requests_run_in_one_batch(engine, weights):
    weights.gate.clear()
    streams = [engine.submit(ask(max_tokens=5), [100 * i], None) for i in range(1, 4)]
    wait_until(lambda: not engine._waiting)
    weights.gate.set()
    texts = [stream.completion.text for stream in streams]
    assert texts == [f"{n + 1} {n + 2} {n + 3} {n + 4} {n + 5} " for n in (100, 200, 300)]
    assert max(len(batch) for batch in weights.batches) == 3


def test_a_long_prompt_goes_in_by_chunks(engine, weights):
    prompt = [i % 50 for i in range(600)]
    assert engine.submit(ask(max_tokens=1), prompt, None).completion.prompt_tokens == 600
    assert [len(batch) for batch in weights.batches] == [CHUNK, CHUNK, 600 - 2 * CHUNK]
    positions = [entry.position for batch in weights.batches for entry in batch]
    assert positions == list(range(600))


def test_a_long_prompt_does_not_stall_a_running_answer(engine, weights):
    """A slow model takes prompts in small pieces beside an answer, a fast one in large ones."""

    def slow() -> None:
        time.sleep(0.02)

    weights.on_decode = slow
    running = engine.submit(ask(max_tokens=500), [100], None)
    next(iter(running))
    engine.stats.stepped(0, 100, 2.0)  # 50 tokens a second
    beside = engine.submit(ask(max_tokens=1), [i % 50 for i in range(300)], None)
    assert beside.completion.prompt_tokens == 300
    pieces = [batch for batch in weights.batches if len(batch) > 1]
    assert len(pieces[0]) == 50 * STALL_S
    assert len(pieces) < 10, "it was found to be faster than that"
    first, second = weights.batches.index(pieces[0]), weights.batches.index(pieces[1])
    assert second == first + 2, "between them the answer has gone on"
    running.cancel()


def test_a_prompt_seen_before_is_cached(engine):
    prompt = list(range(100, 160))
    first = engine.submit(ask(max_tokens=2), prompt, None).completion
    again = engine.submit(ask(max_tokens=2), prompt, None).completion
    assert (first.cached_tokens, again.cached_tokens) == (0, 58)
    assert first.text == again.text


def test_samples_of_one_prompt_share_it_while_it_runs(engine, weights):
    prompt = list(range(100, 160))
    weights.gate.clear()
    streams = [engine.submit(ask(max_tokens=2, seed=i), prompt, None) for i in range(3)]
    weights.gate.set()
    assert sorted(s.completion.cached_tokens for s in streams) == [0, 58, 58]


def test_higher_priority_goes_first(engine, weights):
    weights.gate.clear()
    blockers = [engine.submit(ask(max_tokens=400), [900 - 300 * i], None) for i in range(3)]
    wait_until(lambda: len(engine._live) == 3 or not engine._waiting)
    background = engine.submit(ask(max_tokens=1), [5], None)
    boss = engine.submit(ask(max_tokens=1, priority=10), [6], None)
    blockers[0].cancel()
    weights.gate.set()
    assert boss.completion.text == "7 "
    served = [entry.token for batch in weights.batches for entry in batch]
    assert 5 not in served[: served.index(6)]
    for blocker in blockers:
        blocker.cancel()
    assert background.completion.text == "6 "


def test_cancel_ends_within_a_step(engine, weights):
    held = threading.Event()

    def hold() -> None:  # the fourth step is let through, the fifth waits at the gate
        if len(weights.batches) == 3:
            weights.gate.clear()
            held.set()

    weights.on_decode = hold
    stream = engine.submit(ask(max_tokens=600), [1], None)
    assert held.wait(5)
    stream.cancel()
    before = len(weights.batches)
    weights.gate.set()
    assert stream.completion.finish_reason == "cancelled"
    assert len(weights.batches) <= before + 2


def test_a_deadline_ends_a_running_and_a_waiting_request(engine, weights):
    weights.on_decode = lambda: time.sleep(0.005)
    late = engine.submit(ask(max_tokens=600, timeout_s=0.05), [1], None)
    never = engine.submit(ask(timeout_s=0.0), [1], None)
    assert never.completion.finish_reason == "deadline"
    assert never.completion.text == ""
    assert late.completion.finish_reason == "deadline"
    assert late.completion.text.startswith("2 3 ")


def test_a_lost_step_fails_its_requests_and_the_engine_goes_on(engine, weights):
    def fail() -> None:
        weights.on_decode = lambda: None
        raise DecodeFailed("code 1")

    weights.on_decode = fail
    with pytest.raises(InferenceError, match="code 1"):
        list(engine.submit(ask(), [1], None))
    assert engine.submit(ask(max_tokens=1), [1], None).completion.text == "2 "


def test_when_the_thread_dies_nobody_waits_for_ever(engine, weights):
    def die() -> None:
        raise ZeroDivisionError("boom")

    weights.on_decode = die
    streams = [engine.submit(ask(), [n], None) for n in (1, 2, 3, 4)]
    for stream in streams:
        with pytest.raises(InferenceError, match=r"died.*boom"):
            list(stream)
    with pytest.raises(InferenceError, match="died"):
        engine.submit(ask(), [1], None)
    wait_until(lambda: weights.closed)


def test_close_ends_open_streams_and_frees_the_weights(weights):
    engine = Engine(weights, "counting")
    weights.on_decode = lambda: time.sleep(0.002)
    stream = engine.submit(ask(max_tokens=600), [1], None)
    next(iter(stream))
    engine.close()
    assert weights.closed
    with pytest.raises(InferenceError, match="closed"):
        list(stream)
    with pytest.raises(InferenceError, match="closed"):
        _ = stream.completion


def test_who_waits_knows_how_many_go_first_and_too_many_are_refused(engine, weights, monkeypatch):
    weights.gate.clear()
    blockers = [engine.submit(ask(max_tokens=400), [900 - 300 * i], None) for i in range(3)]
    wait_until(lambda: engine.running == 3 or not engine.queued)
    background = engine.submit(ask(max_tokens=1), [5], None)
    boss = engine.submit(ask(max_tokens=1, priority=10), [6], None)
    assert (boss.position, background.position) == (1, 2)
    monkeypatch.setattr("orchestrator.inference.engine.MOST_WAITING", 2)
    with pytest.raises(Overloaded, match="2 requests wait for counting"):
        engine.submit(ask(), [7], None)
    for blocker in blockers:
        blocker.cancel()
    weights.gate.set()
    assert background.completion.text == "6 "
    assert (boss.position, background.position) == (0, 0)


def test_an_answer_may_be_kept_from_ending(engine):
    stream = engine.submit(ask(max_tokens=4, min_tokens=4), [END - 2], None)
    assert stream.completion.completion_tokens == 4


def test_logprobs_come_with_the_tokens(engine):
    stream = engine.submit(ask(max_tokens=2, logprobs=2), [10], None)
    assert stream.completion.text == "11 12 "
    first, second = stream.logprobs
    assert (first.data, second.data) == (b"11 ", b"12 ")
    assert first.logprob == pytest.approx(1 - np.log(np.e + SIZE - 1))
    assert first.top[0] == (b"11 ", first.logprob) and len(first.top) == 2


def test_an_answer_that_goes_round_in_circles_is_broken_off(engine, weights):
    plain = weights.logits

    def circling(row: int):
        logits = plain(row)
        if logits[53] == 1:  # after 52 comes 50 again
            logits[53], logits[50] = 0, 1
        return logits

    weights.logits = circling
    done = engine.submit(ask(max_tokens=500), [10], None).completion
    assert done.finish_reason == "repetition"
    assert 96 <= done.completion_tokens < 160


def test_a_table_of_numbers_is_no_circle():
    rows = [token for n in range(60) for token in (1, 2, 3, 4, 100 + n)]
    assert not loops(rows)
    assert loops([*rows, *[1, 2, 3] * 32])


def test_the_counters_add_up(engine):
    for _ in range(2):
        assert engine.submit(ask(max_tokens=3), list(range(100, 160)), None).completion
    found = engine.stats.snapshot()
    assert (found["requests"], found["failures"]) == (2, 0)
    assert (found["prompt_tokens"], found["cached_tokens"]) == (120, 58)
    assert found["prefill_tokens"] == 62 and found["completion_tokens"] == 6
    assert found["rows"] == found["steps"] == 4
    assert sum(found["first_token_counts"]) == 2
