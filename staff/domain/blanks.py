"""Blanks in a routine's text: {date}, {time}, {files}, {body}, filled in when it fires.

They are replaced once, as plain text: what a blank is filled with is never looked at again, and
a blank can name nothing but these four.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MAX_BODY_CHARS = 2000
MAX_FILES_NAMED = 20

ALWAYS = frozenset({"date", "time"})
OFFERED = {
    "schedule": ALWAYS,
    "folder": ALWAYS | {"files"},
    "webhook": ALWAYS | {"files", "body"},
}
_BLANK = re.compile(r"\{([A-Za-z_][A-Za-z_0-9]*)\}")


class BlankRefused(Exception):
    """The text has a blank that nothing fills; the message says which are known."""


def check(text: str, trigger: str) -> None:
    """Raises BlankRefused for a blank that this trigger cannot fill."""
    for name in _BLANK.findall(text):
        if name not in OFFERED[trigger]:
            known = ", ".join(f"{{{each}}}" for each in sorted(OFFERED[trigger]))
            raise BlankRefused(
                f"Nothing fills {{{name[:40]}}} here. There are {known}; "
                "for the word itself leave the braces out."
            )


def takes_body(text: str) -> bool:
    return "body" in _BLANK.findall(text)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its blanks filled; what has no value stays as it is."""
    return _BLANK.sub(lambda found: values.get(found[1], found[0]), text)


def listed(names: Sequence[str]) -> str:
    """File names as {files} holds them: all of a few, the first of many."""
    shown = ", ".join(names[:MAX_FILES_NAMED])
    more = len(names) - MAX_FILES_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
