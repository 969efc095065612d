"""The methods that texts, lists, dicts and sets have in programs; `syntax.METHODS` names them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from orchestrator.agent.builtin import called, ordered, update
from orchestrator.agent.meter import Meter
from orchestrator.agent.operations import as_key, is_number, iterate, whole
from orchestrator.agent.syntax import METHODS, Fault
from orchestrator.tools.values import plain


def _join(meter: Meter, text: str, values: Any) -> str:
    parts = iterate(meter, values)
    odd = [part for part in parts if not isinstance(part, str)]
    if odd:
        raise Fault(f"join needs texts; got {plain(odd[0])}: use str(...) on each")
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
    items[:] = ordered(meter, items, key, bool(reverse))


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
    (dict, "update"): update,
    (set, "add"): _add,
}
_COMPARING = ("index", "count", "remove")


def call_method(meter: Meter, owner: Any, name: str, args: list[Any], named: dict[str, Any]) -> Any:
    """owner.name(...), for the methods in syntax.METHODS and no others."""
    kind = type(owner)
    if name not in METHODS.get(kind, ()):
        raise Fault(_no_method(owner, name))
    own = _OWN.get((kind, name))
    if own is not None:
        return called(f".{name}", own, (meter, owner, *args), named)
    if name in _COMPARING:
        meter.weigh([owner, *args])
    meter.built(len(owner) if isinstance(owner, str) or name == "copy" else 8)
    plain_args = [int(a) if isinstance(a, Decimal) and a == int(a) else a for a in args]
    result = called(f".{name}", getattr(kind, name), (owner, *plain_args), named)
    if isinstance(result, list):
        meter.built(8 * len(result))
    return result


def _no_method(owner: Any, name: str) -> str:
    hint = ""
    if owner is None:
        hint = "; None means that it could not be read: check with `is not None` first"
    elif is_number(owner):
        hint = "; it is a number, not a text: use str(...)"
    elif names := METHODS.get(type(owner)):
        hint = f"; it has: {', '.join(names)}"
    return f"{plain(owner)} has no .{name}(){hint}"
