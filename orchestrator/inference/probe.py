"""A model file is loaded for the first time in a process of its own: if that one crashes, the
file is put in quarantine, and nobody else comes to harm.

The result lies beside the file, for this very file and this version of llama.cpp.
`python -m orchestrator.inference.probe FILE` is that process.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.inference.base import InferenceError, ModelUnavailable

TIMEOUT_S = 300
REFUSED = 3  # the process's exit code when llama.cpp declines the file in good order


def check(path: Path) -> None:
    """Raises ModelUnavailable if the file is in quarantine, or comes to be in it now."""
    noted = _noted(path)
    if noted is None:
        noted = _try(path)
        with contextlib.suppress(OSError):  # a folder that may only be read: try at each start
            _sidecar(path).write_text(json.dumps(noted))
    if noted["reason"]:
        raise ModelUnavailable(_said(path, noted["reason"]))


def quarantine_reason(path: Path) -> str:
    """Why the file is in quarantine; "" if it is not."""
    noted = _noted(path)
    return str(noted["reason"]) if noted else ""


def forget(path: Path) -> None:
    """Let the file be tried again."""
    _sidecar(path).unlink(missing_ok=True)


def _said(path: Path, reason: str) -> str:
    return (
        f"{path.name} is in quarantine: {reason}. Fetch it again (python manage.py models rm and "
        "pull), or choose another model."
    )


def _try(path: Path) -> dict[str, Any]:
    """Raises ModelUnavailable if the trial says nothing about the file."""
    command = [sys.executable, "-m", "orchestrator.inference.probe", str(path)]
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return _note(path, f"loading it took more than {TIMEOUT_S} s")
    if done.returncode == 0:
        return _note(path, "")
    if done.returncode == REFUSED:
        return _note(path, done.stdout.strip() or "llama.cpp refuses it")
    if done.returncode == -signal.SIGKILL:
        raise ModelUnavailable(
            f"Loading {path.name} was killed, most likely for want of memory. Free some, or "
            "choose a smaller model."
        )
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return _note(path, f"it crashes its loader ({name})")
    raise InferenceError(f"{path.name} could not be tried: {done.stderr.strip()[-300:]}")


def _noted(path: Path) -> dict[str, Any] | None:
    """What was found out about this very file, or None."""
    try:
        noted = json.loads(_sidecar(path).read_text())
        return dict(noted) if noted == _note(path, str(noted["reason"])) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(path: Path, reason: str) -> dict[str, Any]:
    state = path.stat()
    return {
        "size_bytes": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "library": version("llama-cpp-python"),
        "reason": reason,
    }


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.probe")


def main(path: Path) -> int:
    """Load the file on the CPU, and compute one token."""
    from orchestrator.inference.jobs import Entry
    from orchestrator.inference.llamacpp import LlamaWeights

    try:
        weights = LlamaWeights(path, context_tokens=64, sequences=1, threads=1, gpu_layers=0)
        tokens = weights.with_start(weights.tokenize("a", control=False))
        weights.decode([Entry(tokens[0], 0, 0, True)])
    except InferenceError as reason:
        print(reason)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
