"""Loading, unloading, pinning: with models that only say what is done to them."""

from __future__ import annotations

import threading

import pytest

from orchestrator.inference.base import ChatRequest, InferenceError, Message, ModelUnavailable
from orchestrator.inference.pool import Pool
from orchestrator.inference.scripted import ScriptedModel


class Weights(ScriptedModel):
    def __init__(self, name: str):
        super().__init__(lambda request: f"I am {name}.", name=name)
        self.closed = False
        self.stats = {"queued": 0, "running": 0}

    def close(self) -> None:
        self.closed = True


class House:
    """A machine with 10 bytes of memory, on which each model takes 4."""

    def __init__(self, idle_s: float = 0):
        self.loaded: list[Weights] = []
        self.bad: set[str] = set()
        self.pool = Pool(
            self.load, memory_bytes=lambda name: 4, free_bytes=self.free, idle_s=idle_s
        )

    def load(self, name: str) -> Weights:
        if name in self.bad:
            raise ModelUnavailable(f"{name} is broken")
        self.loaded.append(Weights(name))
        return self.loaded[-1]

    def free(self) -> int:
        return 10 - 4 * sum(not each.closed for each in self.loaded)

    def state(self, name: str) -> str:
        return next(s["state"] for s in self.pool.states() if s["name"] == name)


ASK = ChatRequest((Message("user", "who?"),))


def test_a_model_is_loaded_once_and_answers():
    house = House()
    assert house.pool.model("a").complete(ASK).text == "I am a."
    assert house.pool.model("a").complete(ASK).text == "I am a."
    assert len(house.loaded) == 1 and house.state("a") == "loaded"


def test_an_unloaded_model_comes_back_with_the_next_request():
    house = House()
    model = house.pool.model("a")
    house.pool.unload("a")
    assert house.loaded[0].closed and house.state("a") == "unloaded"
    assert model.complete(ASK).text == "I am a."
    assert len(house.loaded) == 2 and house.state("a") == "loaded"


def test_a_busy_model_is_unloaded_when_it_is_done():
    house = House()
    house.pool.model("a")
    house.loaded[0].stats = {"queued": 0, "running": 1}
    house.pool.unload("a")
    assert not house.loaded[0].closed
    house.loaded[0].stats = {"queued": 0, "running": 0}
    house.pool.sweep()
    assert house.loaded[0].closed


def test_the_model_that_is_idle_for_longest_makes_room():
    house = House()
    for name in ("a", "b", "a", "c"):
        house.pool.model(name)
    assert [each.name for each in house.loaded if each.closed] == ["b"]


def test_pinned_and_busy_models_stay_and_the_refusal_names_the_numbers():
    house = House()
    house.pool.pinned = frozenset({"a"})
    house.pool.model("a")
    house.pool.model("b")
    house.loaded[1].stats = {"queued": 1, "running": 0}
    with pytest.raises(ModelUnavailable, match=r"c needs about 0\.0 GB.*Unload another"):
        house.pool.model("c")
    assert house.state("c") == "failed"
    assert not any(each.closed for each in house.loaded)


def test_idle_models_go_after_a_while_but_pinned_ones_stay():
    house = House(idle_s=1e-9)
    house.pool.pinned = frozenset({"a"})
    house.pool.model("a")
    house.pool.model("b")
    house.pool.sweep()
    assert [each.name for each in house.loaded if each.closed] == ["b"]


def test_what_went_wrong_stays_on_record_until_it_goes_right():
    house = House()
    house.bad.add("a")
    with pytest.raises(InferenceError):
        house.pool.model("a")
    assert house.pool.states()[0]["reason"] == "a is broken"
    house.bad.clear()
    house.pool.model("a")
    assert house.pool.states()[0]["reason"] == ""


def test_many_threads_load_it_once():
    house = House()
    threads = [threading.Thread(target=house.pool.model, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(house.loaded) == 1
