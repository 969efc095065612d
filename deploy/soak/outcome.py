"""What a soak found: figures, and the promises that were broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def say(text: str) -> None:
    print(f"soak: {text}", flush=True)


class Outcome:
    def __init__(self, **figures: Any):
        self.figures = figures
        self.broken: list[str] = []

    def note(self, **figures: Any) -> None:
        self.figures |= figures

    def check(self, holds: bool, promise: str) -> None:
        """Note a broken promise. The soak goes on, so that one run shows all that is wrong."""
        if not holds:
            self.broken.append(promise)

    def as_json(self) -> dict[str, Any]:
        return {**self.figures, "passed": not self.broken, "broken": self.broken}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed; 0 if there are none."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
