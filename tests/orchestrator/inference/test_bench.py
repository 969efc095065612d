"""The benchmark at its smallest, with the smallest model: that it measures what it says."""

from __future__ import annotations

import pytest

from orchestrator.inference import bench
from orchestrator.inference.bench.workloads import Sizes, Texts

pytestmark = pytest.mark.model


def test_full_scale_is_what_the_targets_are_set_for():
    assert Sizes.scaled(1.0) == Sizes(prefix=600, own=100, turns=6, answer_a=48, answer_b=64)


def test_texts_have_the_tokens_asked_for():
    text = Texts(lambda text: len(text.split()), seed=1).of(90)
    assert len(text.split()) == 90


def test_a_small_run_compares_and_all_keys_are_there(small_model_path):
    said: list[str] = []
    found = bench.run(small_model_path, "small", scale=0.05, say=said.append)
    assert [line.split(":")[0] for line in said] == ["a ours", "a locked", "b ours", "b locked"]
    for key in ("a_vs_locked", "b_vs_locked", "ttft_p95_vs_locked", "warm_restart_ratio"):
        assert found[key] > 0
    assert found["busy_ratio"] > 0
    assert 0 <= found["batch_identity"] <= 1
    assert found["a_vs_llama_server"] is None and found["b_vs_llama_server"] is None
