from __future__ import annotations

import numpy as np
import pytest

from orchestrator.inference.base import InferenceError
from orchestrator.inference.sampling import choose


class Only:
    """A grammar that admits some ids, and counts how many it was asked about."""

    def __init__(self, *ids: int):
        self.ids = ids
        self.asked = 0

    def admits(self, ids):
        self.asked += ids.size
        return np.isin(ids, self.ids)

    def accept(self, token: int) -> None:
        assert token in self.ids

    def close(self) -> None:
        pass


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def falling(size: int = 10_000) -> np.ndarray:
    """Logits that fall with the id: 0 is the best token, 1 the next, ..."""
    return -np.arange(size, dtype=np.float32) / 10


def test_greedy_takes_the_best():
    logits = np.array([0.1, 3.0, 2.0], dtype=np.float32)
    assert choose(logits, 0.0, rng()) == 1


def test_an_admitted_favourite_costs_one_question():
    grammar = Only(0, 5)
    assert choose(falling(), 0.0, rng(), grammar) == 0
    assert grammar.asked == 1


@pytest.mark.parametrize("admitted", [7, 1_000, 9_999])
def test_a_refused_favourite_gives_way_to_the_best_admitted(admitted):
    grammar = Only(admitted, admitted + 1)
    assert choose(falling(), 0.0, rng(), grammar) == admitted


def test_the_near_circle_is_asked_first():
    grammar = Only(7)
    choose(falling(), 0.0, rng(), grammar)
    assert grammar.asked == 1 + 64


def test_no_token_fits():
    with pytest.raises(InferenceError, match="no token of this model fits"):
        choose(falling(), 0.0, rng(), Only())


def test_a_forbidden_token_is_not_chosen_even_if_the_grammar_admits_it():
    logits = falling(100)
    logits[5] = -np.inf
    assert choose(logits, 0.0, rng(), Only(5, 80)) == 80


def test_the_seed_decides_above_zero():
    def draws(seed):
        generator = rng(seed)
        return [choose(falling(), 1.0, generator) for _ in range(20)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_draws_follow_the_chances():
    logits = np.log(np.array([0.6, 0.3, 0.1], dtype=np.float32))
    generator = rng()
    counts = np.bincount([choose(logits, 1.0, generator) for _ in range(4000)], minlength=3)
    assert counts / 4000 == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_draws_under_a_grammar_follow_the_chances_of_what_is_admitted():
    logits = np.log(np.array([0.6, 0.3, 0.1], dtype=np.float32))
    generator, grammar = rng(), Only(1, 2)
    draws = [choose(logits, 1.0, generator, grammar) for _ in range(4000)]
    assert np.bincount(draws, minlength=3) / 4000 == pytest.approx([0, 0.75, 0.25], abs=0.03)


def test_a_low_temperature_is_nearly_greedy():
    logits = np.array([1.0, 0.0, 0.5], dtype=np.float32)
    generator = rng()
    assert {choose(logits, 0.01, generator) for _ in range(100)} == {0}


def test_the_tail_is_never_drawn():
    logits = np.zeros(1000, dtype=np.float32)
    logits[:40] = 3
    generator = rng()
    assert all(choose(logits, 1.0, generator) < 40 for _ in range(200))
