"""Processes of a soak that are not part of the house: writers, clients, callers.

Each is a function of one module: `run(pipe, order)`. It ends with the soak.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_spawning = multiprocessing.get_context("spawn")


def start(work: Callable[[Connection, Any], None], order: Any) -> Connection:
    """Start a process that works on an order; returns our end of its pipe."""
    ours, theirs = _spawning.Pipe()
    _spawning.Process(target=_work, args=(work, theirs, order), daemon=True).start()
    theirs.close()
    return ours


def _work(work: Callable[[Connection, Any], None], pipe: Connection, order: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the soak, which then ends us
    work(pipe, order)
