from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inference.sequences import LEFT, WORTH_SHELVING, Sequences, Slot, common_prefix


class Cache:
    """Memory that holds what the real one would: tokens, put in by `compute`."""

    def __init__(self, slots: int):
        self.held: list[list[int]] = [[] for _ in range(slots)]

    def copy(self, source: int, target: int, length: int) -> None:
        assert self.held[target] == [], "a copy goes to an empty sequence"
        self.held[target] = self.held[source][:length]

    def cut(self, sequence: int, length: int) -> None:
        del self.held[sequence][length:]

    def save(self, sequence: int) -> bytes:
        return bytes(self.held[sequence])

    def load(self, sequence: int, state: bytes) -> bool:
        assert self.held[sequence] == [], "a state goes into an empty sequence"
        self.held[sequence] = list(state)
        return True


class OneShelf:
    """A shelf that keeps everything, in a list."""

    def __init__(self) -> None:
        self.kept: list[tuple[list[int], bytes]] = []

    def longest(self, prompt: Sequence[int]) -> int:
        return max((common_prefix(tokens, prompt) for tokens, _ in self.kept), default=0)

    def take(self, prompt: Sequence[int]) -> tuple[Sequence[int], bytes] | None:
        return max(self.kept, key=lambda each: common_prefix(each[0], prompt), default=None)

    def put(self, tokens: Sequence[int], state: bytes) -> None:
        self.kept.append((list(tokens), state))


def house(slots: int = 3, shelf: OneShelf | None = None) -> tuple[Sequences, Cache]:
    cache = Cache(slots)
    return Sequences(cache, slots=slots, shelf=shelf), cache


def compute(sequences: Sequences, cache: Cache, slot: Slot, tokens: list[int]) -> None:
    sequences.append(slot, tokens)
    cache.held[slot.number] += tokens


def serve(
    sequences: Sequences, cache: Cache, prompt: list[int], answer: list[int] | None = None
) -> int:
    """Run one request to its end; returns how many tokens it found in the cache."""
    answer = answer or []
    slot = sequences.take(prompt)
    assert slot is not None
    cached = len(slot.tokens)
    compute(sequences, cache, slot, [*prompt[cached:], *answer])
    sequences.release(slot)
    return cached


def test_of_a_prompt_seen_before_only_the_end_is_computed():
    sequences, cache = house()
    assert serve(sequences, cache, [1, 2, 3, 4]) == 0
    assert serve(sequences, cache, [1, 2, 3, 4]) == 4 - LEFT


def test_a_conversation_goes_on_in_its_slot():
    sequences, cache = house()
    serve(sequences, cache, [1, 2, 3], [4, 5])
    assert serve(sequences, cache, [1, 2, 3, 4, 5, 6, 7]) == 5
    assert cache.held == [[1, 2, 3, 4, 5, 6, 7], [], []]


def test_a_shared_beginning_is_copied_and_both_endings_stay():
    sequences, cache = house()
    serve(sequences, cache, [1, 2, 3, 10, 11])
    assert serve(sequences, cache, [1, 2, 3, 20, 21]) == 3
    assert serve(sequences, cache, [1, 2, 3, 10, 11, 12, 13]) == 5
    assert serve(sequences, cache, [1, 2, 3, 20, 21, 22, 23]) == 5


def test_a_live_slot_lends_its_prefix():
    sequences, cache = house()
    first = sequences.take([1, 2, 3, 4])
    assert first is not None
    compute(sequences, cache, first, [1, 2, 3, 4])
    second = sequences.take([1, 2, 3, 9, 9])
    assert second is not None and second is not first
    assert second.tokens == [1, 2, 3]


def test_samples_of_one_prompt_wait_until_it_is_computed():
    sequences, cache = house()
    prompt = list(range(100))
    first = sequences.take(prompt)
    assert first is not None
    assert sequences.take(prompt) is None, "it will be there soon"
    other = sequences.take([500, 501])
    assert other is not None, "an unrelated prompt need not wait"
    compute(sequences, cache, first, prompt)
    second = sequences.take(prompt)
    assert second is not None and len(second.tokens) == 100 - LEFT


def test_the_least_recently_used_slot_makes_room():
    sequences, cache = house(slots=2)
    serve(sequences, cache, list(range(100, 109)))
    serve(sequences, cache, list(range(200, 209)))
    serve(sequences, cache, list(range(100, 110)))  # used again
    serve(sequences, cache, list(range(50, 60)))
    assert serve(sequences, cache, list(range(100, 110))) == 10 - LEFT
    assert serve(sequences, cache, list(range(200, 209))) == 0


def test_a_request_waits_when_all_slots_are_live():
    sequences, _ = house(slots=1)
    first = sequences.take([1, 2])
    assert first is not None
    assert sequences.take([5, 6]) is None
    sequences.release(first)
    assert sequences.take([5, 6]) is not None


def test_a_conversation_whose_answer_reads_differently_as_text_keeps_its_slot():
    sequences, cache = house(slots=2)
    one, other = list(range(100)), list(range(200, 250))
    serve(sequences, cache, one, [250, 251, 252])
    serve(sequences, cache, other)
    assert serve(sequences, cache, [*one, 250, 99, 7, 8]) == 101
    assert serve(sequences, cache, other) == 50 - LEFT, "nobody else had to make room"


def test_a_prefix_that_was_shared_outlives_the_process():
    shelf = OneShelf()
    common, one, other = [1] * WORTH_SHELVING, [2] * 80, [3] * 80
    sequences, cache = house(shelf=shelf)
    serve(sequences, cache, common + one)
    assert not shelf.kept, "a prompt alone is not kept: it may be anybody's letter"
    serve(sequences, cache, common + other)
    assert [tokens for tokens, _ in shelf.kept] == [common]
    serve(sequences, cache, common + other)
    assert len(shelf.kept) == 1
    restarted, cache = house(shelf=shelf)
    assert serve(restarted, cache, [*common, 9, 9]) == len(common)
    assert cache.held[0] == [*common, 9, 9]


def test_a_shelved_prefix_is_cut_to_what_the_prompt_begins_with():
    shelf = OneShelf()
    shelf.put([1] * 100 + [2] * 50, bytes([1] * 100 + [2] * 50))
    sequences, cache = house(shelf=shelf)
    assert serve(sequences, cache, [1] * 100 + [3] * 20) == 100
    assert cache.held[0] == [1] * 100 + [3] * 20


def test_models_that_cannot_share_start_from_nothing():
    cache = Cache(2)
    sequences = Sequences(cache, slots=2, sharing=False)
    assert serve(sequences, cache, [1, 2, 3, 4]) == 0
    assert serve(sequences, cache, [1, 2, 3, 4]) == 0


def test_clear_forgets_live_and_idle_alike():
    sequences, cache = house()
    serve(sequences, cache, [1, 2, 3])
    assert sequences.take([7, 8]) is not None
    sequences.clear()
    assert cache.held == [[], [], []]
    assert not any(slot.live or slot.tokens for slot in sequences.slots)


prompts = st.lists(st.integers(0, 2), min_size=1, max_size=12)


@given(st.lists(st.tuples(prompts, st.integers(1, 6), st.booleans()), max_size=40))
def test_the_books_always_agree_with_the_cache(requests):
    """Whatever comes: a slot holds in the cache what it claims to; no live one is taken."""
    sequences, cache = house(slots=3)
    live: list[Slot] = []
    for prompt, extra, keep_running in requests:
        slot = sequences.take(prompt)
        if slot is None:
            assert live, "with nothing live, every request gets a slot"
            sequences.release(live.pop(0))
            continue
        assert slot not in live
        assert slot.tokens == prompt[: len(slot.tokens)]
        assert len(slot.tokens) < len(prompt)
        compute(sequences, cache, slot, prompt[len(slot.tokens) :])
        compute(sequences, cache, slot, [7] * (extra - 1))
        live.append(slot)
        if not keep_running:
            sequences.release(live.pop())
        assert [s.tokens for s in sequences.slots] == cache.held


@given(prompts, prompts)
def test_common_prefix(a, b):
    length = common_prefix(a, b)
    assert a[:length] == b[:length]
    assert a[length : length + 1] != b[length : length + 1] or length == min(len(a), len(b))
