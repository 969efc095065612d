"""Taking the words of something forgotten out of other texts.

Found are runs of five words of it (all, if it has fewer), however they are spaced, punctuated or
written, and sentences that cite it by its number: a model may have put those into other words. In
a text that holds such a place, its numbers and codes go too, wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from staff.domain.words import STOP_WORDS

MARK = "[forgotten]"
RUN = 5  # words in a row that count as a copy
PROBE = 3  # words in a row by which the database looks for candidates
SPECIFIC_CHARS = 5  # of a single word with a digit in it, such as a number of a contract

_WORD = re.compile(r"\w+")


class Forgotten:
    """What is to be taken out.

    texts:   what was remembered, and the values of facts
    numbers: of the memories, as texts cite them ("[m12]")
    """

    def __init__(self, texts: Iterable[str], numbers: Iterable[int] = ()):
        self._runs: dict[int, set[tuple[str, ...]]] = {}
        self._probes: set[tuple[str, ...]] = set()
        self._each: list[tuple[int, set[tuple[str, ...]]]] = []  # size and runs of each text
        self._codes: set[str] = set()
        for text in texts:
            words = [match[0].casefold() for match in _WORD.finditer(text)]
            if _is_specific(words):
                self._add(words)
                self._codes |= {word for word in words if _is_specific([word])}
        marks = "|".join(str(number) for number in numbers)
        self._marks = rf"\[m(?:{marks})\]" if marks else ""
        # A sentence: up to a stop that a space or the end follows.
        inside = r"(?:[^.!?\n]|[.!?](?!\s|$))*"
        self._citing = marks and re.compile(rf"{inside}{self._marks}{inside}[.!?]*")

    def __bool__(self) -> bool:
        return bool(self._runs or self._marks)

    @property
    def pattern(self) -> str:
        """A regular expression of PostgreSQL that each text that holds something of it matches."""
        runs = [r"\W{1,6}".join(map(re.escape, run)) for run in sorted(self._probes)]
        codes = [re.escape(code) for code in sorted(self._codes)]
        return "|".join([*runs, *codes, *([self._marks] if self._marks else [])])

    def is_within(self, text: str) -> bool:
        """Whether a text holds half or more of one of the texts."""
        words = [match[0].casefold() for match in _WORD.finditer(text)]
        return any(2 * len(runs & _runs(words, size)) >= len(runs) for size, runs in self._each)

    def out_of(self, text: str) -> str:
        """The text with MARK in place of what it holds of it."""
        if self._citing:
            text = self._citing.sub(
                lambda found: re.sub(r"^(\s*).*$", rf"\1{MARK}", found[0], flags=re.DOTALL), text
            )
        parts, end = [], 0
        for start, stop in self._spans(text):
            parts += [text[end:start], MARK]
            end = stop
        text = "".join([*parts, text[end:]])
        if MARK not in text:
            return text
        return _WORD.sub(lambda word: MARK if word[0].casefold() in self._codes else word[0], text)

    def out_of_json(self, value: Any) -> Any:
        """The same for every text in plain data, keys included."""
        if isinstance(value, str):
            return self.out_of(value)
        if isinstance(value, list):
            return [self.out_of_json(item) for item in value]
        if isinstance(value, dict):
            return {self.out_of(key): self.out_of_json(item) for key, item in value.items()}
        return value

    def _add(self, words: list[str]) -> None:
        size = min(RUN, len(words))
        runs = _runs(words, size)
        telling = {run for run in runs if size < RUN or len(set(run) - STOP_WORDS) > 1}
        self._runs.setdefault(size, set()).update(telling)
        self._each.append((size, runs))
        size = min(PROBE, len(words))  # every RUN holds one of those that begin at each third word
        for at in range(0, len(words) - size + 1, PROBE):
            self._probes.add(tuple(words[at : at + size]))

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where copies begin and end, in order, those that touch as one."""
        found = list(_WORD.finditer(text))
        words = [match[0].casefold() for match in found]
        marked = [False] * len(words)
        for size, runs in self._runs.items():
            for at in range(len(words) - size + 1):
                if tuple(words[at : at + size]) in runs:
                    marked[at : at + size] = [True] * size
        at = 0
        while at < len(words):
            start = at
            while at < len(words) and marked[at]:
                at += 1
            if at > start:
                yield found[start].start(), found[at - 1].end()
            at += 1


def _runs(words: list[str], size: int) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def _is_specific(words: list[str]) -> bool:
    """Whether these words, wherever they stand, can only come from there."""
    if len(words) == 1:
        return len(words[0]) >= SPECIFIC_CHARS and any(char.isdigit() for char in words[0])
    return len(set(words) - STOP_WORDS) > 1
