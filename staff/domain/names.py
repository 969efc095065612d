"""Names that memories carry (who said it, what a fact is about), found again in a question."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from staff.domain.words import STOP_WORDS, fold, words

_WORD = re.compile(r"[^\W_]+")


class Names:
    """Numbers for names, and which of them a text mentions."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._parts: list[frozenset[str]] = []
        self._holding: dict[str, set[int]] = {}  # part of a name -> numbers of names

    def add(self, name: str) -> int:
        """The name's number; -1 for no name."""
        if not name:
            return -1
        number = self._numbers.setdefault(name, len(self._parts))
        if number == len(self._parts):
            parts = frozenset(part for part in words(name) if len(part) > 1)
            self._parts.append(parts)
            for part in parts - STOP_WORDS:
                self._holding.setdefault(part, set()).add(number)
        return number

    def keep(self, numbers: Collection[int]) -> None:
        """Forget the names with other numbers than these."""
        kept = set(numbers)
        gone = [name for name, number in self._numbers.items() if number not in kept]
        for name in gone:
            number = self._numbers.pop(name)
            for part in self._parts[number]:
                holding = self._holding.get(part, set())
                holding.discard(number)
                if not holding:
                    self._holding.pop(part, None)
            self._parts[number] = frozenset()

    def number(self, name: str) -> int:
        """The number of a name that was added; -1 for others."""
        return self._numbers.get(name, -1)

    def mentioned(self, text: str) -> dict[int, frozenset[str]]:
        """The names that a text mentions, with their words: by all of their words, or by one
        written with a capital. A text without capitals names people in small letters too."""
        said = frozenset(words(text))
        capitals = frozenset(
            fold(match[0]) for match in _WORD.finditer(text) if match[0][0].isupper()
        )
        eligible = capitals or said
        found: dict[int, frozenset[str]] = {}
        for word in said:
            for number in self._holding.get(word, ()):
                parts = self._parts[number]
                if word in eligible or (len(parts) > 1 and parts <= said):
                    found[number] = parts
        return found


def without(text: str, names: Iterable[frozenset[str]]) -> str:
    """The text without the words of these names; the text itself if nothing would be left."""
    parts: frozenset[str] = frozenset().union(*names)
    kept = [word for word in text.split() if not parts.intersection(words(word))]
    return " ".join(kept) or text
