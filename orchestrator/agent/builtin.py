"""The functions and methods that every program has: our own, safe versions of Python's.

Each takes the meter first. Functions that take `key` get it as a callable made by the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from orchestrator.agent.meter import Meter, checked_number
from orchestrator.agent.operations import (
    CONTAINERS,
    as_key,
    is_number,
    iterate,
    text_of,
    whole,
)
from orchestrator.agent.syntax import Fault
from orchestrator.tools.values import plain

MAX_RANGE = 100_000
_MISSING = object()


def _len(meter: Meter, value: Any) -> int:
    if not isinstance(value, (*CONTAINERS, str)):
        raise Fault(f"len needs a list, a dict or a text; got {plain(value)}")
    return len(value)


def _sum(meter: Meter, values: Any, start: Any = 0) -> Any:
    numbers = iterate(meter, values)
    odd = next((value for value in (start, *numbers) if not is_number(value)), _MISSING)
    if odd is not _MISSING:
        hint = "; leave out what could not be read: if x is not None" if odd is None else ""
        raise Fault(f"sum needs numbers; got {plain(odd)}{hint}")
    meter.step(len(numbers))
    return checked_number(sum(numbers, start))


def _sorted(meter: Meter, values: Any, *, key: Any = None, reverse: Any = False) -> list[Any]:
    return ordered(meter, iterate(meter, values), key, bool(reverse))


def ordered(meter: Meter, values: list[Any], key: Any, reverse: bool) -> list[Any]:
    meter.step(len(values) * max(1, len(values).bit_length()) // 4)
    keys = _keys(meter, values, key)
    try:
        order = sorted(range(len(values)), key=keys.__getitem__, reverse=reverse)
    except TypeError:
        raise Fault(_not_comparable(keys)) from None
    return [values[number] for number in order]


def _keys(meter: Meter, values: list[Any], key: Any) -> list[Any]:
    keys = [key(value) for value in values] if key else values
    meter.weigh(keys)
    return keys


def _not_comparable(keys: list[Any]) -> str:
    if any(value is None for value in keys):
        return "some values are None (could not be read): leave them out first"
    if any(isinstance(value, dict) for value in keys):
        return 'rows need a key: sorted(rows, key=lambda row: row["..."])'
    kinds = sorted({"number" if is_number(v) else type(v).__name__ for v in keys})
    return f"values of different kinds cannot be ordered: {', '.join(kinds)}"


def _extreme(name: str, pick: Callable[..., Any]) -> Callable[..., Any]:
    def call(meter: Meter, *values: Any, key: Any = None, default: Any = _MISSING) -> Any:
        items = iterate(meter, values[0]) if len(values) == 1 else list(values)
        if not items:
            if default is _MISSING:
                raise Fault(f"{name} got an empty list: check len() first, or give default=")
            return default
        keys = _keys(meter, items, key)
        try:
            return items[pick(range(len(items)), key=keys.__getitem__)]
        except TypeError:
            raise Fault(_not_comparable(keys)) from None

    return call


def _reversed(meter: Meter, values: Any) -> list[Any]:
    return iterate(meter, values)[::-1]


def _round(meter: Meter, value: Any, digits: Any = None) -> Any:
    """Half goes away from zero, as with money."""
    if not is_number(value):
        raise Fault(f"round needs a number; got {plain(value)}")
    places = 0 if digits is None else whole(digits)
    if not -30 <= places <= 30:
        raise Fault(f"round takes at most 30 digits; got {places}")
    if isinstance(value, int) and places >= 0:
        return int(value)
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return int(rounded) if digits is None or isinstance(value, int) else rounded


def _abs(meter: Meter, value: Any) -> Any:
    if not is_number(value):
        raise Fault(f"abs needs a number; got {plain(value)}")
    return abs(value)


def _str(meter: Meter, value: Any = "") -> str:
    return text_of(meter, value)


def _int(meter: Meter, value: Any = 0) -> int:
    return int(_float(meter, value))


def _float(meter: Meter, value: Any = 0) -> Any:
    """A Decimal: programs count money, so they have no binary floating point."""
    if is_number(value):
        return Decimal(value)
    text = value.strip() if isinstance(value, str) else ""
    try:
        if not text.isascii() or len(text) > 100 or "_" in text:
            raise InvalidOperation
        return checked_number(Decimal(text))
    except InvalidOperation:
        raise Fault(f"{plain(value)} is not a number") from None


def _bool(meter: Meter, value: Any = False) -> bool:
    return bool(value)


def _range(meter: Meter, *bounds: Any) -> list[int]:
    if not 1 <= len(bounds) <= 3:
        raise Fault("range takes one to three whole numbers")
    numbers = [whole(bound) for bound in bounds]
    if len(numbers) == 3 and numbers[2] == 0:
        raise Fault("the step of range must not be 0")
    made = range(*numbers)
    if made and abs(made[-1] - made[0]) // abs(made.step) >= MAX_RANGE:
        raise Fault(f"range is bounded to {MAX_RANGE} numbers")
    meter.built(8 * len(made))
    return list(made)


def _enumerate(meter: Meter, values: Any, start: Any = 0) -> list[tuple[Any, ...]]:
    items = iterate(meter, values)
    meter.built(32 * len(items))
    return list(enumerate(items, whole(start)))


def _zip(meter: Meter, *lists: Any) -> list[tuple[Any, ...]]:
    columns = [iterate(meter, values) for values in lists]
    meter.built(sum(16 + 8 * len(column) for column in columns))
    return list(zip(*columns, strict=False))


def _any(meter: Meter, values: Any) -> bool:
    return any(iterate(meter, values))


def _all(meter: Meter, values: Any) -> bool:
    return all(iterate(meter, values))


def _list(meter: Meter, values: Any = ()) -> list[Any]:
    return iterate(meter, values)


def _tuple(meter: Meter, values: Any = ()) -> tuple[Any, ...]:
    return tuple(iterate(meter, values))


def _set(meter: Meter, values: Any = ()) -> set[Any]:
    return {as_key(value) for value in iterate(meter, values)}


def _dict(meter: Meter, pairs: Any = (), /, **more: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    update(meter, made, pairs)
    return {**made, **more}


def update(meter: Meter, target: dict[Any, Any], pairs: Any = (), /, **more: Any) -> None:
    items = list(pairs.items()) if isinstance(pairs, dict) else iterate(meter, pairs)
    for pair in items:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise Fault(f"a dict is made of (key, value) pairs; got {plain(pair)}")
        target[as_key(pair[0])] = pair[1]
    meter.built(32 * len(items))
    target.update(more)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": _len,
    "sum": _sum,
    "min": _extreme("min", min),
    "max": _extreme("max", max),
    "sorted": _sorted,
    "reversed": _reversed,
    "round": _round,
    "abs": _abs,
    "str": _str,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "range": _range,
    "enumerate": _enumerate,
    "zip": _zip,
    "any": _any,
    "all": _all,
    "list": _list,
    "dict": _dict,
    "set": _set,
    "tuple": _tuple,
}


def call_function(meter: Meter, name: str, args: list[Any], named: dict[str, Any]) -> Any:
    return called(name, FUNCTIONS[name], (meter, *args), named)


def called(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    try:
        return function(*args, **named)
    except (TypeError, ValueError, IndexError, KeyError, ArithmeticError) as wrong:
        raise Fault(f"{name.lstrip('_')} was called wrongly: {_said(wrong)}") from None


def _said(wrong: Exception) -> str:
    if isinstance(wrong, ArithmeticError):
        return "the number is too long for it"
    return str(wrong).strip()[:200] or "check its arguments"
