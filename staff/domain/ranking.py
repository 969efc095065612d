"""What makes a memory answer a question: a few features, each from 0 to 1, added with weights.

Scores are fused, not ranks, and each kind of score is divided by its best, so that words and
meaning weigh the same however large their numbers are. Who and when are fields, not words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Fitted on the dev histories of `manage.py bench memory`; the last three by judgement.
WEIGHTS: Mapping[str, float] = {
    "words": 1.0,  # BM25
    "meaning": 1.9,  # cosine
    "actor": 1.4,  # said by, or about, somebody whom the question names
    "when": 2.6,  # said or true in the time that the question names
    "recent": 0.3,
    "fact": 0.3,
    "pinned": 0.3,
    "outdated": -1.0,
}
DAY_S = 86_400.0
RECENT_S = 90 * DAY_S  # after which `recent` has fallen to a half
NEAR_COVER = 0.15  # of the question's words that a memory holds to be near it
NEAR_COSINE = 0.35  # the same by meaning; half of either is enough for who or when was asked for
PRIOR = 200  # memories that count as having the mean of zero, so that a few have no say


def share_of_best(values: Array, best: float) -> Array:
    """Divided by the best score there is; what is below zero counts as nothing."""
    return np.asarray(np.maximum(values, 0) / max(best, 1e-9), np.float32)


def mean_vector(sums: Sequence[Array], count: int) -> Array:
    """What all memories have in common, from the sums of their vectors."""
    total = np.sum(np.stack(sums), axis=0)
    return np.asarray(total / (count + PRIOR), np.float32)


def centred_cosines(with_query: Array, with_mean: Array, query: Array, mean: Array) -> Array:
    """(n,) cosines after taking away what all memories have in common, which says nothing.

    with_query, with_mean: (n,) dot products of the memories, of length one, with both
    Source: Mu and Viswanath 2018, All-but-the-Top, arXiv:1702.01417, the first step only.
    """
    apart = query - mean
    length = float(np.linalg.norm(apart))
    square = float(mean @ mean)
    lengths = np.sqrt(np.maximum(1 - 2 * with_mean + square, 1e-6))
    inner = with_query - with_mean - float(mean @ query) + square
    return np.asarray(inner / (lengths * max(length, 1e-6)), np.float32)


def nearness(moments: NDArray[np.float64], start_s: float, end_s: float) -> Array:
    """1 inside a span of time, falling off outside by its length (a day to a month)."""
    away = np.maximum(start_s - moments, 0) + np.maximum(moments - end_s, 0)
    width = min(max(end_s - start_s, DAY_S), 30 * DAY_S)
    return np.asarray(np.where(away > 0, 0.5 * np.exp(-away / width), 1.0), np.float32)


def recency(moments: NDArray[np.float64], now_s: float) -> Array:
    """1 for now, a half for RECENT_S ago."""
    return np.asarray(RECENT_S / (RECENT_S + np.maximum(now_s - moments, 0)), np.float32)


def fused(features: Mapping[str, Array], weights: Mapping[str, float]) -> Array:
    """The weighted sum of features, each (n,); those without a weight do not count."""
    some = next(iter(features.values()))
    total = np.zeros(len(some), np.float32)
    for name, values in features.items():
        if name in weights:
            total += np.float32(weights[name]) * values
    return total


def is_near(features: Mapping[str, float]) -> bool:
    """Whether a memory has to do with the question at all, and is not only the best there is.

    features: of one memory; `cover` is the share of the question's words that it holds, by weight,
    `cosine` the likeness in meaning, both not divided by the best
    """
    cover, cosine = features.get("cover", 0.0), features.get("cosine", 0.0)
    is_who, is_then = bool(features.get("actor")), features.get("when", 0.0) >= 1
    if is_who and is_then:
        return True
    if is_who or is_then:
        return cover >= NEAR_COVER / 2 or cosine >= NEAR_COSINE / 2
    return cover >= NEAR_COVER or cosine >= NEAR_COSINE


def interleaved(first: Sequence[int], second: Sequence[int], k: int) -> list[int]:
    """k of the first list, its lower half shared in turns with the second; nothing twice."""
    places = set(range(max(1, k // 2), k, 2))
    queue, rest = list(dict.fromkeys(first)), list(dict.fromkeys(second))
    merged: list[int] = []
    while len(merged) < k and (queue or rest):
        source = rest if rest and (len(merged) in places or not queue) else queue
        item = source.pop(0)
        if item not in merged:
            merged.append(item)
    return merged
