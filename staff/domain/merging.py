"""Whether two facts in different words are one.

Likeness in meaning does not tell a paraphrase from a changed value, so it decides nothing here:
value, numbers, dates, names and negations do. Where only the wording of the attribute or of the
subject is in doubt, somebody is asked who can read.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from staff.domain.dates import find_dates
from staff.domain.words import STOP_WORDS, fold, terms, words

Verdict = Literal["same", "ask", "apart"]

# Words that add nothing to an attribute: a phone is a phone number.
_PLAIN = frozenset(terms("number no name date day value current new exact full main the of"))
_NOT = {"no", "not", "never", "none", "without", "nobody", "nothing", "neither", "nor", "cannot"}
_NOT |= {"kein", "keine", "nicht", "nie"}
_YES = {"yes", "no", "true", "false", "done", "open", "ja", "nein", "oui", "non"}
_DIGITS = re.compile(r"\d+(?:[ .,'’\u00a0]\d{3})*(?:[.,]\d+)?")
_CAPITAL = re.compile(r"(?<![.!?:\"“]\s)(?<!^)\b[^\W\d_a-z]\w+")


@dataclass(frozen=True)
class Statement:
    """A fact as it was said."""

    subject: str
    attribute: str
    value: str
    text: str


def verdict(one: Statement, other: Statement) -> Verdict:
    """Whether two statements of one scope are the same fact, or who is to say."""
    if value_key(one.value) != value_key(other.value):
        return "apart"
    if _numbers(one.text) != _numbers(other.text) or _denies(one.text) != _denies(other.text):
        return "apart"
    return _worst(
        _compared(_parts(one.subject), _parts(other.subject), frozenset()),
        _of_names(one, other),
        _of_attributes(one, other),
    )


def value_key(value: str) -> tuple[frozenset[str], ...]:
    """What two values have in common that mean the same: their dates, numbers, words, and whether
    they deny."""
    dates = find_dates(value)
    plain = value
    for written in dates:
        plain = plain.replace(written.text, " ")
    days = {str(day) for written in dates for day in (written.day_first, written.month_first)}
    plain = re.sub(r"(?<=\w)-(?=\w)", " ", plain)
    bare = _DIGITS.sub(" ", plain)
    signs = re.sub(r"[\w\s.,;:!?'’\"()/]", "", bare)
    rest = terms(bare) or words(bare)
    return (
        frozenset(days),
        frozenset(_numbers(plain)),
        frozenset([*rest, *signs]),
        frozenset(["not"] if _denies(value) else []),
    )


def _worst(*verdicts: Verdict) -> Verdict:
    return max(verdicts, key=("same", "ask", "apart").index)


def _compared(one: set[str], other: set[str], plain: Collection[str]) -> Verdict:
    """Equal but for plain words: the same; one within the other: to be asked; else apart."""
    mine, theirs = one - other - set(plain), other - one - set(plain)
    if not mine and not theirs:
        return "same"
    return "apart" if mine and theirs else "ask"


def _of_attributes(one: Statement, other: Statement) -> Verdict:
    """A telephone is a phone, who knows; but a home address is no work address."""
    mine, theirs = set(terms(one.attribute)), set(terms(other.attribute))
    verdict = _compared(mine, theirs, _PLAIN)
    if verdict == "apart" and mine & theirs:
        return "apart"
    if verdict != "same" and _says_little(one.value):
        return "apart"
    return "same" if verdict == "same" else "ask"


def _says_little(value: str) -> bool:
    """Whether two properties may well have this value by chance: a yes, or a bare small number."""
    said = set(words(value))
    return said <= _YES or (len(said) == 1 and value.strip().isdigit() and len(value.strip()) < 4)


def _of_names(one: Statement, other: Statement) -> Verdict:
    return _compared(_names(one), _names(other), frozenset())


def _names(fact: Statement) -> set[str]:
    """Words with a capital inside the sentence, without the subject and the value."""
    known = _parts(fact.subject) | set(words(fact.value)) | set(words(fact.attribute))
    return {fold(name) for name in _CAPITAL.findall(fact.text)} - known - STOP_WORDS


def _parts(subject: str) -> set[str]:
    said = words(re.sub(r"['’]s\b", "", subject))
    return set(said) - STOP_WORDS or set(said)


def is_rare(value: str) -> bool:
    """Whether two different properties hardly share this value by chance: an address, a long
    number, several words."""
    if find_dates(value):
        return False
    digits = sum(char.isdigit() for char in value)
    return "@" in value or digits >= 6 or len(set(terms(_DIGITS.sub(" ", value)))) >= 3


def _numbers(text: str) -> set[str]:
    """Numbers, however they are grouped; those of dates as their days."""
    dates = find_dates(text)
    found = {str(written.day_first or written.month_first) for written in dates}
    for written in dates:
        text = text.replace(written.text, " ")
    for number in _DIGITS.findall(re.sub(r"(?<=\w)-(?=\w)", " ", text)):
        plain = re.sub(r"[ .,'’\u00a0](?=\d{3}(?:\D|$))", "", number).replace(",", ".")
        found.add(plain.rstrip("0").rstrip(".") if "." in plain else plain)
    return found


def _denies(text: str) -> bool:
    said = words(re.sub(r"n['’]t\b", " not", text))
    return sum(word in _NOT for word in said) % 2 == 1
