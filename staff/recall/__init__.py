"""The one way to search what is remembered. No scope, no search."""

from staff.recall.pairs import Pair, alike
from staff.recall.search import Recalled, recall
from staff.recall.sight import NothingVisible, Sight, narrowed, visible_to, walled

__all__ = [
    "NothingVisible",
    "Pair",
    "Recalled",
    "Sight",
    "alike",
    "narrowed",
    "recall",
    "visible_to",
    "walled",
]
