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
from orchestrator.agent.syntax import METHODS, Fault
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
    return _ordered(meter, iterate(meter, values), key, bool(reverse))


def _ordered(meter: Meter, values: list[Any], key: Any, reverse: bool) -> list[Any]:
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


def _dict(meter: Meter, pairs: Any = (), **more: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    _update(meter, made, pairs)
    return {**made, **more}


def _update(meter: Meter, target: dict[Any, Any], pairs: Any = (), **more: Any) -> None:
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


def _join(meter: Meter, text: str, values: Any) -> str:
    parts = iterate(meter, values)
    odd = next((part for part in parts if not isinstance(part, str)), _MISSING)
    if odd is not _MISSING:
        raise Fault(f"join needs texts; got {plain(odd)}: use str(...) on each")
    meter.built(sum(len(part) + len(text) for part in parts))
    return text.join(parts)


def _replace(meter: Meter, text: str, old: Any, new: Any, count: Any = -1) -> str:
    if not isinstance(old, str) or not isinstance(new, str):
        raise Fault("replace takes two texts")
    meter.built(len(text) + (text.count(old)) * len(new))
    return text.replace(old, new, whole(count))


def _extend(meter: Meter, items: list[Any], values: Any) -> None:
    more = iterate(meter, values)
    meter.built(8 * (len(items) + len(more)))
    items.extend(more)


def _sort(meter: Meter, items: list[Any], *, key: Any = None, reverse: Any = False) -> None:
    items[:] = _ordered(meter, items, key, bool(reverse))


def _get(meter: Meter, row: dict[Any, Any], key: Any, default: Any = None) -> Any:
    return row.get(as_key(key), default)


def _setdefault(meter: Meter, row: dict[Any, Any], key: Any, default: Any = None) -> Any:
    return row.setdefault(as_key(key), default)


def _items(meter: Meter, row: dict[Any, Any]) -> list[Any]:
    meter.built(32 * len(row))
    return list(row.items())


def _keys_of(meter: Meter, row: dict[Any, Any]) -> list[Any]:
    return iterate(meter, row)


def _values_of(meter: Meter, row: dict[Any, Any]) -> list[Any]:
    meter.built(8 * len(row))
    return list(row.values())


def _add(meter: Meter, items: set[Any], value: Any) -> None:
    items.add(as_key(value))


_OWN: dict[tuple[type, str], Callable[..., Any]] = {
    (str, "join"): _join,
    (str, "replace"): _replace,
    (list, "extend"): _extend,
    (list, "sort"): _sort,
    (dict, "get"): _get,
    (dict, "setdefault"): _setdefault,
    (dict, "items"): _items,
    (dict, "keys"): _keys_of,
    (dict, "values"): _values_of,
    (dict, "update"): _update,
    (set, "add"): _add,
}
_COMPARING = ("index", "count", "remove")


def call_function(meter: Meter, name: str, args: list[Any], named: dict[str, Any]) -> Any:
    return _called(name, FUNCTIONS[name], (meter, *args), named)


def call_method(meter: Meter, owner: Any, name: str, args: list[Any], named: dict[str, Any]) -> Any:
    """owner.name(...), for the methods in syntax.METHODS and no others."""
    kind = type(owner)
    if name not in METHODS.get(kind, ()):
        raise Fault(_no_method(owner, name))
    own = _OWN.get((kind, name))
    if own is not None:
        return _called(f".{name}", own, (meter, owner, *args), named)
    if name in _COMPARING:
        meter.weigh([owner, *args])
    meter.built(len(owner) if isinstance(owner, str) or name == "copy" else 8)
    plain_args = [int(a) if isinstance(a, Decimal) and a == int(a) else a for a in args]
    result = _called(f".{name}", getattr(kind, name), (owner, *plain_args), named)
    if isinstance(result, list):
        meter.built(8 * len(result))
    return result


def _called(
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


def _no_method(owner: Any, name: str) -> str:
    hint = ""
    if owner is None:
        hint = "; None means that it could not be read: check with `is not None` first"
    elif is_number(owner):
        hint = "; it is a number, not a text: use str(...)"
    elif names := METHODS.get(type(owner)):
        hint = f"; it has: {', '.join(names)}"
    return f"{plain(owner)} has no .{name}(){hint}"
