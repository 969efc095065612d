"""The operators of programs, over plain values: None, bool, int, Decimal, str, list, dict, ...

Every function raises Fault with words that say what was given and what would be right.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from orchestrator.agent.meter import Meter, checked_number
from orchestrator.agent.syntax import Fault
from orchestrator.tools.values import listed, plain

CONTAINERS = (list, dict, tuple, set)
MAX_EXPONENT = 100


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal)


def binary(meter: Meter, kind: type[ast.operator], left: Any, right: Any) -> Any:
    if is_number(left) and is_number(right) and kind in _ARITHMETIC:
        return _computed(kind, left, right)
    if kind is ast.Add and type(left) is type(right) and isinstance(left, str | list | tuple):
        meter.built(_shallow(left) + _shallow(right))
        return left + right
    if kind is ast.Mult and isinstance(left, str | list | tuple) and isinstance(right, int):
        meter.built(_shallow(left) * max(0, right))
        return left * right
    if isinstance(left, set) and isinstance(right, set) and kind in _SET_OPERATIONS:
        meter.weigh([left, right])
        return _SET_OPERATIONS[kind](left, right)
    raise Fault(_mismatch(kind, left, right))


def _computed(kind: type[ast.operator], left: Any, right: Any) -> int | Decimal:
    try:
        return checked_number(_ARITHMETIC[kind](left, right))
    except ZeroDivisionError:
        raise Fault(f"{plain(left)} is divided by zero: check the divisor with if") from None
    except ArithmeticError:
        raise Fault(f"{plain(left)} {_SIGNS[kind]} {right} cannot be computed") from None


def signed(value: Any, sign: Callable[[Any], Any]) -> int | Decimal:
    if not is_number(value):
        raise Fault(f"a sign needs a number; got {plain(value)}")
    return checked_number(sign(value))


def compare(meter: Meter, kind: type[ast.cmpop], left: Any, right: Any) -> bool:
    if isinstance(left, CONTAINERS) or isinstance(right, CONTAINERS):
        meter.weigh([left, right])
    if kind in (ast.In, ast.NotIn):
        return contains(left, right) is (kind is ast.In)
    if kind in (ast.Is, ast.IsNot):
        return same(left, right) is (kind is ast.Is)
    if kind in (ast.Eq, ast.NotEq):
        return bool(left == right) is (kind is ast.Eq)
    try:
        return bool(_ORDER[kind](left, right))
    except TypeError:
        raise Fault(
            f"cannot compare {plain(left)} with {plain(right)}{_unread_hint(left, right)}"
        ) from None


def same(left: Any, right: Any) -> bool:
    if right is not None and not isinstance(right, bool):
        raise Fault("is compares with None, True or False; use ==")
    return left is right


def contains(item: Any, container: Any) -> bool:
    if isinstance(container, str):
        if not isinstance(item, str):
            raise Fault(f"only text can be in a text; got {plain(item)}")
        return item in container
    if not isinstance(container, CONTAINERS):
        raise Fault(f"in needs a list, a dict or a text; got {plain(container)}")
    if isinstance(container, dict | set):
        return as_key(item) in container
    return item in container


def as_key(value: Any) -> Any:
    """The value, if a dict or set can hold it as a key."""
    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, CONTAINERS) for part in parts):
        raise Fault(f"a key must be a text or a number; got {plain(value)}")
    return value


def item(value: Any, key: Any) -> Any:
    """value[key]"""
    if isinstance(value, dict):
        if as_key(key) not in value:
            raise Fault(_no_key(value, key))
        return value[key]
    if isinstance(value, list | tuple | str):
        position = _position(value, key)
        if not -len(value) <= position < len(value):
            size = f"has {len(value)} items" if value else "is empty"
            kind = "text" if isinstance(value, str) else "list"
            raise Fault(f"the {kind} {size}: there is no [{position}]; check len() first")
        return value[position]
    raise Fault(f"[...] needs a list, a dict or a text; got {plain(value)}")


def cut(meter: Meter, value: Any, lower: Any, upper: Any, step: Any) -> Any:
    """value[lower:upper:step]"""
    if not isinstance(value, list | tuple | str):
        raise Fault(f"[a:b] needs a list or a text; got {plain(value)}")
    bounds = [None if bound is None else whole(bound) for bound in (lower, upper, step)]
    if bounds[2] == 0:
        raise Fault("the step of [a:b:step] must not be 0")
    meter.built(_shallow(value))
    return value[slice(*bounds)]


def put(value: Any, key: Any, new: Any) -> None:
    """value[key] = new"""
    if isinstance(value, dict):
        value[as_key(key)] = new
    elif isinstance(value, list):
        item(value, key)
        value[_position(value, key)] = new
    else:
        raise Fault(f"only a list or a dict can be changed; got {plain(value)}")


def whole(value: Any) -> int:
    """The whole number that a position or a count must be."""
    if is_number(value) and value == int(value):
        return int(value)
    raise Fault(f"expected a whole number; got {plain(value)}")


def iterate(meter: Meter, value: Any) -> list[Any]:
    """What a for goes through; the keys of a dict, a set in a fixed order."""
    if isinstance(value, set):
        meter.weigh(value)
        return sorted(value, key=lambda part: (type(part).__name__, str(part)))
    if isinstance(value, list | tuple | dict | str):
        meter.built(8 * len(value))
        return list(value)
    hint = "; did you mean range(...)?" if is_number(value) else ""
    raise Fault(f"for needs a list; got {plain(value)}{hint}")


def text_of(meter: Meter, value: Any) -> str:
    """str(value); amounts are written in full, not as 1E+3."""
    if isinstance(value, CONTAINERS):
        meter.built(4 * meter.weigh(value))
        return _written(meter, value)
    if isinstance(value, str):
        return value
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def formatted(meter: Meter, value: Any, spec: str) -> str:
    """The value as an f-string shows it; `spec` was checked to be a simple one."""
    if not spec:
        return text_of(meter, value)
    if not is_number(value) and re.fullmatch(r"[<>^]?\d{0,2}s?", spec):
        return format(text_of(meter, value), spec)
    if not is_number(value):
        raise Fault(
            f"the format :{spec} needs a number; got {plain(value)}{_unread_hint(value, value)}"
        )
    spec = spec.removesuffix("s")
    if spec.endswith("d"):
        return format(whole(value), spec)
    in_full = isinstance(value, Decimal) and not spec.endswith(("f", "%"))
    return format(value, spec + "f" if in_full else spec)


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > MAX_EXPONENT:
        raise Fault(f"the exponent {exponent} is too large: at most {MAX_EXPONENT}")
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        return base**exponent
    return Decimal(base) ** Decimal(exponent)


def _floor_divide(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    return (Decimal(left) / Decimal(right)).to_integral_value(ROUND_FLOOR)


def _remainder(left: Any, right: Any) -> Any:
    return left - right * _floor_divide(left, right)


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: Decimal(left) / Decimal(right),
    ast.FloorDiv: _floor_divide,
    ast.Mod: _remainder,
    ast.Pow: _power,
}
_SET_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.Sub: operator.sub,
}
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitOr: "|",
    ast.BitAnd: "&",
}


def _mismatch(kind: type[ast.operator], left: Any, right: Any) -> str:
    said = f"cannot do {plain(left)} {_SIGNS[kind]} {plain(right)}"
    if isinstance(left, str) and kind is ast.Mod:
        return "% is not offered for text: use an f-string"
    if kind is ast.Add and isinstance(left, str) != isinstance(right, str):
        return f'{said}: to put values into a text use an f-string, f"{{name}}: {{value}}"'
    return said + _unread_hint(left, right)


def _unread_hint(left: Any, right: Any) -> str:
    if left is not None and right is not None:
        return ""
    return "; None means that it could not be read: check with `is not None` first"


def _no_key(row: dict[Any, Any], key: Any) -> str:
    if not row:
        return f"unknown key {plain(key)}: the dict is empty"
    given = f'"{key[:40]}"' if isinstance(key, str) else plain(key)
    return f"unknown key {given}; this row has: {listed(row)}"


def _position(value: Any, key: Any) -> int:
    if isinstance(key, str) and not isinstance(value, str):
        raise Fault(f'this is a list, not a row: use for row in ...: row["{key}"]')
    return whole(key)


def _shallow(value: Any) -> int:
    return len(value) if isinstance(value, str) else 16 + 8 * len(value)


def _written(meter: Meter, value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{_written(meter, k)}: {_written(meter, v)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple | set):
        parts = ", ".join(_written(meter, part) for part in iterate(meter, value))
        return f"({parts})" if isinstance(value, tuple) else f"[{parts}]"
    return repr(value) if isinstance(value, str) else text_of(meter, value)
