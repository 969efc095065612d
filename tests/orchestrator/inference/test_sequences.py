from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inference.sequences import Sequences, Slot, common_prefix


class Cache:
    """Memory that holds what the real one would: tokens, put in by `compute`."""

    def __init__(self, slots: int):
        self.held: list[list[int]] = [[] for _ in range(slots)]

    def copy(self, source: int, target: int, length: int) -> None:
        assert self.held[target] == [], "a copy goes to an empty sequence"
        self.held[target] = self.held[source][:length]

    def cut(self, sequence: int, length: int) -> None:
        del self.held[sequence][length:]


def house(slots: int = 3, cells: int = 100) -> tuple[Sequences, Cache]:
    cache = Cache(slots)
    return Sequences(cache, slots=slots, cells=cells), cache


def compute(sequences: Sequences, cache: Cache, slot: Slot, tokens: list[int]) -> None:
    sequences.append(slot, tokens)
    cache.held[slot.number] += tokens


def serve(
    sequences: Sequences, cache: Cache, prompt: list[int], answer: list[int] | None = None
) -> int:
    """Run one request to its end; returns how many tokens it found in the cache."""
    answer = answer or []
    slot = sequences.take(prompt, len(prompt) + len(answer) + 1)
    assert slot is not None
    cached = len(slot.tokens)
    compute(sequences, cache, slot, [*prompt[cached:], *answer])
    sequences.release(slot)
    return cached


def test_a_prompt_seen_before_is_computed_from_its_last_token_only():
    sequences, cache = house()
    assert serve(sequences, cache, [1, 2, 3, 4]) == 0
    assert serve(sequences, cache, [1, 2, 3, 4]) == 3


def test_a_conversation_goes_on_in_its_slot():
    sequences, cache = house()
    serve(sequences, cache, [1, 2, 3], [4, 5])
    assert serve(sequences, cache, [1, 2, 3, 4, 5, 6]) == 5
    assert cache.held == [[1, 2, 3, 4, 5, 6], [], []]


def test_a_shared_beginning_is_copied_and_both_endings_stay():
    sequences, cache = house()
    serve(sequences, cache, [1, 2, 3, 10, 11])
    assert serve(sequences, cache, [1, 2, 3, 20, 21]) == 3
    assert serve(sequences, cache, [1, 2, 3, 10, 11, 12]) == 5
    assert serve(sequences, cache, [1, 2, 3, 20, 21, 22]) == 5


def test_a_live_slot_lends_its_prefix():
    sequences, cache = house()
    first = sequences.take([1, 2, 3, 4], 10)
    assert first is not None
    compute(sequences, cache, first, [1, 2, 3, 4])
    second = sequences.take([1, 2, 3, 9], 10)
    assert second is not None and second is not first
    assert second.tokens == [1, 2, 3]


def test_samples_of_one_prompt_wait_until_it_is_computed():
    sequences, cache = house(cells=1000)
    prompt = list(range(100))
    first = sequences.take(prompt, 110)
    assert first is not None
    assert sequences.take(prompt, 110) is None, "it will be there soon"
    other = sequences.take([500, 501], 10)
    assert other is not None, "an unrelated prompt need not wait"
    compute(sequences, cache, first, prompt)
    second = sequences.take(prompt, 110)
    assert second is not None and len(second.tokens) == 99


def test_shared_cells_count_once():
    sequences, cache = house(slots=3, cells=130)
    prompt = list(range(100))
    serve(sequences, cache, prompt)
    slots = [sequences.take([*prompt, 200 + i], 110) for i in range(3)]
    assert all(slots), "100 shared cells and 3 times 10 of their own"


def test_when_cells_run_out_the_least_recently_used_goes_first():
    sequences, cache = house(slots=3, cells=30)
    serve(sequences, cache, list(range(100, 109)))
    serve(sequences, cache, list(range(200, 209)))
    serve(sequences, cache, list(range(100, 110)))  # used again
    slot = sequences.take(list(range(300, 310)), 15)
    assert slot is not None
    sequences.release(slot)
    assert serve(sequences, cache, list(range(100, 110))) == 9
    assert serve(sequences, cache, list(range(200, 209))) == 0


def test_a_request_waits_when_the_cells_are_set_aside():
    sequences, _ = house(slots=3, cells=30)
    first = sequences.take([1, 2], 20)
    assert first is not None
    assert sequences.take([5, 6], 20) is None
    sequences.release(first)
    assert sequences.take([5, 6], 20) is not None


def test_a_donor_that_fills_the_cache_is_taken_over():
    sequences, cache = house(slots=2, cells=20)
    serve(sequences, cache, list(range(10)), list(range(50, 59)))
    slot = sequences.take([*range(10), 99], 20)
    assert slot is not None
    assert slot.tokens == list(range(10))


def test_models_that_cannot_share_start_from_nothing():
    cache = Cache(2)
    sequences = Sequences(cache, slots=2, cells=50, sharing=False)
    assert serve(sequences, cache, [1, 2, 3, 4]) == 0
    assert serve(sequences, cache, [1, 2, 3, 4]) == 0


def test_clear_forgets_live_and_idle_alike():
    sequences, cache = house()
    serve(sequences, cache, [1, 2, 3])
    assert sequences.take([7, 8], 10) is not None
    sequences.clear()
    assert cache.held == [[], [], []]
    assert not any(slot.live or slot.tokens for slot in sequences.slots)


prompts = st.lists(st.integers(0, 2), min_size=1, max_size=12)


@given(st.lists(st.tuples(prompts, st.integers(1, 6), st.booleans()), max_size=40))
def test_the_books_always_agree_with_the_cache(requests):
    """Whatever comes: what a slot claims to hold is what the cache holds, within its cells."""
    cells = 24
    sequences, cache = house(slots=3, cells=cells)
    live: list[Slot] = []
    for prompt, extra, keep_running in requests:
        slot = sequences.take(prompt, len(prompt) + extra)
        if slot is None:
            assert live, "with nothing live, every request that fits gets a slot"
            sequences.release(live.pop(0))
            continue
        assert slot.tokens == prompt[: len(slot.tokens)]
        assert len(slot.tokens) < len(prompt)
        compute(sequences, cache, slot, prompt[len(slot.tokens) :])
        compute(sequences, cache, slot, [7] * (extra - 1))
        live.append(slot)
        if not keep_running:
            sequences.release(live.pop())
        assert [s.tokens for s in sequences.slots] == cache.held
        used = {cell for s in sequences.slots for cell in s.cells}
        assert len(used) <= cells


@given(prompts, prompts)
def test_common_prefix(a, b):
    length = common_prefix(a, b)
    assert a[:length] == b[:length]
    assert a[length : length + 1] != b[length : length + 1] or length == min(len(a), len(b))
