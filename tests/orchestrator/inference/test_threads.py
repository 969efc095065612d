from __future__ import annotations

import os

import pytest

from orchestrator.inference import threads


def test_cores_are_those_of_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5}, raising=False)
    assert threads.usable_cores(tmp_path / "absent") == 3


@pytest.mark.parametrize(
    ("text", "cores"), [("200000 100000", 2), ("150000 100000", 2), ("max 100000", 8), ("?", 8)]
)
def test_a_containers_quota_counts(tmp_path, monkeypatch, text, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    assert threads.usable_cores(quota) == cores


def test_the_boss_own_setting_wins(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    threads.wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    threads.wait_briefly()
    assert "GOMP_SPINCOUNT" not in os.environ
