"""Run a program: a few lines of restricted Python over the functions on offer.

Nothing of Python's own can be reached from a program, and every cost is metered: `syntax` refuses
what is not in the subset, `interpreter` walks the rest over plain data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import (
    ROUND_HALF_UP,
    Context,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)
from typing import Any

from orchestrator.agent.interpreter import Interpreter, admitted
from orchestrator.agent.meter import Limits, Meter, Stopped
from orchestrator.agent.syntax import Fault, ProgramError, extract_source, parse

__all__ = ["Cancelled", "Limits", "ProgramError", "extract_source", "run"]

_ARITHMETIC = Context(
    prec=28, rounding=ROUND_HALF_UP, traps=[DivisionByZero, InvalidOperation, Overflow]
)


class Cancelled(ProgramError):
    """The work was stopped while the program ran."""


def run(
    source: str,
    functions: Mapping[str, Callable[..., Any]],
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    variables: Mapping[str, Any] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Run a program and return its variables as they are at the end.

    Numbers with a fraction are Decimals. `variables` are there from the start, copied. A ToolError
    of a function becomes a ProgramError with its line; other exceptions pass through.
    Raises ProgramError for whatever the writer of the program can repair, Cancelled once
    `cancelled()` is true.
    """
    meter = Meter(limits, cancelled)
    try:
        with localcontext(_ARITHMETIC):
            tree = parse(source, functions, limits.source_chars)
            given = {name: admitted(value) for name, value in (variables or {}).items()}
            interpreter = Interpreter(meter, functions, given)
            interpreter.run_all(tree.body)
            meter.weigh(list(given.values()))
    except Fault as fault:
        raise ProgramError.at(source, fault) from fault.__cause__
    except Stopped:
        raise Cancelled("the work was stopped") from None
    return given
