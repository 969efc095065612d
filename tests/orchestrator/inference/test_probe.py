from __future__ import annotations

import json
import os
import shutil
import signal

import pytest

from orchestrator.inference import probe
from orchestrator.inference.base import ModelUnavailable


def test_a_good_file_is_tried_once(small_model_path, tmp_path, monkeypatch):
    path = tmp_path / "good.gguf"
    shutil.copy(small_model_path, path)
    probe.check(path)
    assert probe.quarantine_reason(path) == ""
    monkeypatch.setattr(probe, "_try", lambda path: pytest.fail("it was tried before"))
    probe.check(path)


def test_a_truncated_file_is_put_in_quarantine(small_model_path, tmp_path):
    path = tmp_path / "short.gguf"
    path.write_bytes(small_model_path.read_bytes()[:5_000_000])
    with pytest.raises(ModelUnavailable, match=r"short\.gguf is in quarantine.*cannot be loaded"):
        probe.check(path)
    assert "cannot be loaded" in probe.quarantine_reason(path)
    with pytest.raises(ModelUnavailable, match="quarantine"):
        probe.check(path)
    probe.forget(path)
    assert probe.quarantine_reason(path) == ""


@pytest.mark.parametrize(
    ("code", "why", "stays"),
    [
        (-signal.SIGSEGV, "crashes its loader .SIGSEGV", True),
        (-signal.SIGABRT, "crashes its loader .SIGABRT", True),
        (-signal.SIGKILL, "want of memory", False),
    ],
)
def test_a_file_that_crashes_its_loader(tmp_path, monkeypatch, code, why, stays):
    """A real process that ends as a crashed loader does."""
    path = tmp_path / "evil.gguf"
    path.write_bytes(b"GGUF")
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nkill -{-code} $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(probe.sys, "executable", str(script))
    with pytest.raises(ModelUnavailable, match=why):
        probe.check(path)
    assert bool(probe.quarantine_reason(path)) == stays


def test_another_file_under_the_same_name_gets_its_own_trial(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    path.with_name("model.gguf.probe").write_text(json.dumps(probe._note(path, "it crashed")))
    assert probe.quarantine_reason(path) == "it crashed"
    os.utime(path, ns=(1, 1))
    assert probe.quarantine_reason(path) == ""
