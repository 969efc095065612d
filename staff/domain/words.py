"""From text to terms, the same for what is remembered and for what is asked.

Language-neutral where it can be: Unicode words without accents; scripts that put no space between
words as pairs of characters. English endings are cut by the Snowball stemmer; other languages
match on whole words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

MAX_TERM = 40  # characters; what is longer is data, and its beginning will do

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f\uac00-\ud7af]")
_KEPT_MARKS = "\u3099\u309a"  # they make another letter in Japanese
_stemmer = snowballstemmer.stemmer("english")

# Words that every second sentence holds. No word of another language that means something in
# English ("die", "war", "man") may stand here.
_STOP = """
    a about after all also am an and any are as at be because been before being but by can could
    did do does doing don down each for from further had has have having he her here hers him his
    how i if in into is it its itself just ll me more most my myself no nor not now of off on once
    only or other our ours out over own re s same she should so some such t than that the their
    theirs them themselves then there these they this those through to too under until up ve very
    was we were what when where which while who whom whose why will with would you your yours
    der das dem des ein eine einen einem einer eines und oder ist sind wird nicht mit von zu im am
    auf aus bei nach ich du er sie es wir ihr haben wie wo wer dass sich auch noch nur
    le la les un une et ou est dans avec que qui ne pas il elle nous vous
    el los las una y o es en para por se su del lo gli e di da che non si sono nel della
    de het een op te dat niet zijn voor os um uma
"""
STOP_WORDS = frozenset(_STOP.split())


def terms(text: str) -> list[str]:
    """The terms of a text, in order, repeats included; words that say nothing are left out."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


def words(text: str) -> list[str]:
    """Folded words, in order. Chinese, Japanese, Korean and Thai come as pairs of characters."""
    found: list[str] = []
    for match in _WORD.finditer(fold(text)):
        word = match[0]
        if _UNSPACED.search(word):
            found += _pairs(word)
        else:
            found.append(word[:MAX_TERM])
    return found


def fold(text: str) -> str:
    """Without case, accents and compatibility forms."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize(
        "NFC", "".join(c for c in plain if not unicodedata.combining(c) or c in _KEPT_MARKS)
    )


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """An English word without its ending; other words and numbers as they are."""
    return str(_stemmer.stemWord(word)) if word.isascii() and word.isalpha() else word


def _pairs(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(max(1, len(word) - 1))]


def gist(text: str) -> str:
    """The text without the words that say nothing; the text itself if nothing would be left."""
    kept = [word for word in text.split() if not STOP_WORDS.issuperset(words(word))]
    return " ".join(kept) or text
