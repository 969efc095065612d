"""What a program may cost, and the meter that stops it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orchestrator.agent.syntax import Fault

MAX_NESTING = 30
MAX_DIGITS = 40
_BIGGEST = 10**MAX_DIGITS
_CHECK_EVERY = 256


@dataclass(frozen=True)
class Limits:
    """What one program may cost.

    steps:        expressions and statements evaluated
    calls:        calls to functions on offer
    value_bytes:  size of any one value, as the text and numbers in it
    total_bytes:  of all texts and lists built along the way
    source_chars: length of the program
    cpu_s:        seconds of the thread's own work, calls to functions on offer left out
    """

    steps: int = 1_000_000
    calls: int = 200
    value_bytes: int = 5_000_000
    total_bytes: int = 250_000_000
    source_chars: int = 8_000
    cpu_s: float = 20.0


class Stopped(Exception):
    """The work was cancelled while the program ran."""


class Meter:
    """Counts what a program spends. Raises Fault when a limit is passed, Stopped when cancelled."""

    def __init__(self, limits: Limits, cancelled: Callable[[], bool]):
        self.limits = limits
        self.cancelled = cancelled
        self.steps = 0
        self.calls = 0
        self.built_bytes = 0
        self._next_check = 0
        self._cpu_end_s = time.thread_time() + limits.cpu_s

    def step(self, count: int = 1) -> None:
        self.steps += count
        if self.steps > self.limits.steps:
            raise Fault(
                f"the program takes more than {self.limits.steps} steps; "
                "let the table functions go through the rows"
            )
        if self.steps >= self._next_check:
            self._next_check = self.steps + _CHECK_EVERY
            self.check()

    def check(self) -> None:
        if self.cancelled():
            raise Stopped
        if time.thread_time() > self._cpu_end_s:
            raise Fault(f"the program takes longer than {self.limits.cpu_s:g} seconds")

    def call(self) -> float:
        """Count a call to a function on offer; `returned` takes what this returns."""
        self.calls += 1
        if self.calls > self.limits.calls:
            raise Fault(
                f"the program makes more than {self.limits.calls} calls; "
                "give a function the whole table instead of calling it for each row"
            )
        self.check()
        return time.thread_time()

    def returned(self, started_s: float) -> None:
        self._cpu_end_s += time.thread_time() - started_s

    def built(self, size_bytes: int) -> None:
        """Count a value about to be built. Call before building it."""
        if size_bytes > self.limits.value_bytes:
            raise self._too_large()
        self.step(size_bytes // 4096)
        self.built_bytes += size_bytes
        if self.built_bytes > self.limits.total_bytes:
            raise Fault(
                "the program builds too much text and too many lists; collect the lines in a list "
                'and join them once: "\\n".join(lines)'
            )

    def weigh(self, value: Any) -> int:
        """Size of a value in bytes, as a tree: what is shared counts each time it is seen.

        Whatever goes through a whole value (comparing, sorting, showing, calling) weighs it first,
        so that lists nested in lists cannot make one step endless.
        """
        total = 0
        waiting = [(value, 0)]
        while waiting:
            item, depth = waiting.pop()
            if not isinstance(item, list | dict | tuple | set):
                total += 8 + (len(item) if isinstance(item, str) else 0)
            else:
                if depth > MAX_NESTING:
                    raise Fault("a value is nested too deeply")
                total += 16
                self.step(1 + len(item) // 16)
                for part in (*item, *item.values()) if isinstance(item, dict) else item:
                    if isinstance(part, list | dict | tuple | set):
                        waiting.append((part, depth + 1))
                    else:
                        total += 8 + (len(part) if isinstance(part, str) else 0)
            if total > self.limits.value_bytes:
                raise self._too_large()
        return total

    def _too_large(self) -> Fault:
        return Fault(f"a value is larger than {self.limits.value_bytes} bytes")


def checked_number(number: int | Decimal) -> int | Decimal:
    """The number, if it is one that money and counts can be. Raises Fault."""
    if isinstance(number, int):
        if abs(number) >= _BIGGEST:
            raise Fault(f"a number has more than {MAX_DIGITS} digits")
    elif not number.is_finite():
        raise Fault("a number is not finite")
    elif number and abs(number.adjusted()) > MAX_DIGITS:
        raise Fault(f"a number is too large or too small: more than {MAX_DIGITS} digits")
    elif int(number.as_tuple().exponent) < -100:
        raise Fault("a number has more than 100 decimals")
    return number
