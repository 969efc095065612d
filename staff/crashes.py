"""Places where this process may be made to die, so that a soak sees what the next one makes of it.

FORESTAFF_CRASH_AT="effect.performed:0.001,nudge.sent:0.01" gives each place its chance of kill -9
each time it is passed. Without it, that is always but in a soak, a crash point does nothing.
"""

from __future__ import annotations

import os
import random
import signal

POINTS = (
    "task.claimed",
    "model.answered",  # and neither charged nor kept
    "model.settled",
    "effects.intended",
    "effect.performed",  # and not recorded
    "effect.committed",
    "evidence.checked",  # and the task not done
    "task.waits",  # for an answer or a colleague, and not committed
    "task.ended",
    "task.reaped",  # and not committed
    "nudge.taken",  # by the relay, and not sent
    "nudge.sent",  # and not marked as sent
)


def _chances(text: str) -> dict[str, float]:
    """{"task.claimed": 0.01} for "task.claimed:0.01". Raises ValueError for what is no point."""
    pairs = [part.partition(":") for part in text.split(",") if part.strip()]
    chances = {name.strip(): float(chance) for name, _, chance in pairs}
    if unknown := set(chances) - set(POINTS):
        raise ValueError(f"FORESTAFF_CRASH_AT: no crash point {unknown}; there are {POINTS}")
    return chances


_CHANCES = _chances(os.environ.get("FORESTAFF_CRASH_AT", ""))


def crash_point(name: str) -> None:
    """Die here, if a soak wants it so."""
    if _CHANCES and random.random() < _CHANCES.get(name, 0):
        os.write(2, f"died at crash point {name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
