"""What makes two memories the same, and which of two facts stands.

Embeddings tell a fact from another attribute, never a paraphrase from a changed value; so nothing
here looks at them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from staff.domain.words import fold, words

_ARTICLES = frozenset({"the", "a", "an"})
_MAX_SLOT_PART = 200  # characters


@dataclass(frozen=True)
class Standing:
    """How much a statement weighs against another one about the same slot."""

    trust: int
    is_tainted: bool
    is_pinned: bool = False

    def yields_to(self, other: Standing) -> bool:
        """Whether the other may replace it without asking the boss.

        Words that we need not obey never replace untainted ones, nor less trust more; what the
        boss pinned yields only to equal trust without taint.
        """
        if other.is_tainted and (self.is_pinned or not self.is_tainted):
            return False
        return other.trust >= self.trust


def clean(text: str) -> str:
    """What the database can hold: no NUL, no half of a surrogate pair; else as given."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def content_hash(text: str) -> str:
    """Equal for texts that differ in case, spaces and compatibility forms only."""
    same = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return sha256(same.encode("utf-8", "replace")).hexdigest()


def slot(subject: str, attribute: str) -> str:
    """The normalised name of what a fact is about: "Anna's" "phone_number" -> "anna|phone number".

    Raises ValueError if either has no word in it.
    """
    parts = [_slot_part(subject), _slot_part(attribute)]
    if not all(parts):
        raise ValueError("a fact needs a subject and an attribute, each with a word in it")
    return "|".join(parts)


def same_value(one: str, other: str) -> bool:
    """Whether two values differ in case, spaces, accents and punctuation only."""
    return words(one) == words(other) and _signs(one) == _signs(other)


def value_hash(slot_name: str, value: str) -> str:
    """The tombstone of a fact in whatever words it comes again."""
    return sha256(f"{slot_name}={' '.join(words(value))}{_signs(value)}".encode()).hexdigest()


def placed(moments: list[datetime], new: datetime) -> int:
    """Where a statement valid from `new` belongs among those of its slot, oldest first."""
    return sum(moment <= new for moment in moments)


def _slot_part(text: str) -> str:
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", text.replace("_", " "))
    bare = re.sub(r"['’]s\b", "", fold(apart))
    kept = [word for word in words(bare) if word not in _ARTICLES] or words(bare)
    return " ".join(kept)[:_MAX_SLOT_PART]


def _signs(value: str) -> str:
    """Signs that change what a value means: -5 is not 5, 1.5 is not 15, C++ is not C."""
    return re.sub(r"[\w\s,;:!?'’\"()]|\.(?!\d)", "", value)
