"""BM25, the score of a text for the words of a question.

Source: Robertson and Zaragoza 2009, The Probabilistic Relevance Framework: BM25 and Beyond; the
idf is the one that stays above zero.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

K1 = 1.2  # how soon repeating a term stops paying
B = 0.75  # how much a long text is marked down

Array = NDArray[np.float32]


def idf(holding: int, total: int) -> float:
    """The weight of a term that `holding` of `total` texts hold."""
    return math.log(1 + (total - holding + 0.5) / (holding + 0.5))


def term_scores(counts: ArrayLike, lengths: ArrayLike, weight: float, average: float) -> Array:
    """What one term adds to each text that holds it.

    counts, lengths: (n,) how often it stands there, and how many terms the text has
    weight: the term's idf; average: the mean length of all texts
    """
    count = np.asarray(counts, np.float32)
    length = np.asarray(lengths, np.float32)
    share = length / np.float32(max(average, 1.0))
    scored = count * (weight * (K1 + 1)) / (count + K1 * (1 - B + B * share))
    return np.asarray(scored, np.float32)


def scores(query: Sequence[str], texts: Sequence[Sequence[str]]) -> Array:
    """(n,) BM25 of each text, given as terms. The plain reading of the formula: the index gives
    the same numbers."""
    counted = [Counter(text) for text in texts]
    lengths = np.array([len(text) for text in texts], np.float32)
    total = np.zeros(len(texts), np.float32)
    average = float(lengths.mean()) if len(texts) else 0.0
    for term in set(query):
        counts = np.array([count[term] for count in counted], np.float32)
        weight = idf(int((counts > 0).sum()), len(texts))
        total += term_scores(counts, lengths, weight, average)
    return total
