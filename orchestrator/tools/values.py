"""Plain values as programs hold them, as JSON keeps them, and as people read them.

A program's values are None, bool, int, Decimal, str, and lists and dicts of these; dates are ISO
text. JSON has no Decimal, so an amount is kept as {"$number": "12.50"} and comes back exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from orchestrator.tools.base import ToolError

NUMBER_MARK = "$number"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
SHOWN_CHARS = 400
SHOWN_ITEMS = 5


def canonical(value: Any) -> Any:
    """The JSON form of a value, which `restore` turns back into an equal one.

    Sets become sorted lists, tuples lists, dates ISO text. Characters that no database or file
    can hold (NUL, lone surrogates) become U+FFFD. Raises ToolError for anything that is not data.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Decimal | float):
        return {NUMBER_MARK: str(value)}
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key): canonical(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [canonical(item) for item in sorted(value, key=_set_order)]
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    raise ToolError(f"expected plain data; got a {type(value).__name__}")


def restore(value: Any) -> Any:
    """The value that `canonical` was given, with lists for tuples and sets."""
    if isinstance(value, list):
        return [restore(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {NUMBER_MARK}:
            return Decimal(value[NUMBER_MARK])
        return {key.removeprefix("$"): restore(item) for key, item in value.items()}
    return value


def shown(value: Any) -> Any:
    """JSON for people to look at: amounts as text, long texts and lists cut, which it says."""
    if isinstance(value, str):
        text = clean_text(value)
        return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {clean_text(str(key)): shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=_set_order) if isinstance(value, set | frozenset) else value
        cut = [shown(item) for item in list(items)[:SHOWN_ITEMS]]
        more = len(value) - len(cut)
        return [*cut, f"… {more} more"] if more else cut
    return str(value)


def plain(value: Any) -> str:
    """A value in a few words for an error message: 'the text "acme.pdf"', 'a list of 3'."""
    if value is None:
        return "None (nothing)"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return f'the text "{value if len(value) <= 40 else value[:40] + "…"}"'
    if isinstance(value, int | float | Decimal):
        return f"the number {value}"
    if isinstance(value, Mapping):
        return f"a dict with the keys {listed(value)}" if value else "an empty dict"
    if isinstance(value, list | tuple | set):
        return f"a list of {len(value)}" if value else "an empty list"
    return f"a {type(value).__name__}"


def listed(names: Any, most: int = 12) -> str:
    """Names for a sentence: 'vendor, total', cut after `most`."""
    texts = [str(name)[:40] for name in names]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def clean_text(text: str) -> str:
    """The text without what cannot be stored: NUL and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def _key(key: Any) -> str:
    text = clean_text(str(key))
    return "$" + text if text.startswith("$") else text


def _set_order(item: Any) -> tuple[str, str]:
    return type(item).__name__, str(item)
