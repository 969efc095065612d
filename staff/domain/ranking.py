"""What makes a memory answer a question: a few features, each from 0 to 1, added with weights.

Scores are fused, not ranks, and each kind of score is divided by its best, so that words and
meaning weigh the same however large their numbers are. Who and when are fields, not words.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Fitted on the histories of `bench memory --family dev`; see docs/LOG.md.
WEIGHTS: Mapping[str, float] = {
    "words": 1.0,  # BM25
    "meaning": 1.0,  # cosine
    "actor": 0.4,  # said by, or about, somebody whom the question names
    "when": 0.5,  # said or true in the time that the question names
    "fact": 0.1,
    "recent": 0.02,
    "outdated": -0.3,
    "pinned": 0.1,
}
DAY_S = 86_400.0
RECENT_S = 90 * DAY_S  # after which `recent` has fallen to a half


def share_of_best(values: Array, best: float) -> Array:
    """Divided by the best score there is; what is below zero counts as nothing."""
    return np.asarray(np.maximum(values, 0) / max(best, 1e-9), np.float32)


def nearness(moments: NDArray[np.float64], start_s: float, end_s: float) -> Array:
    """1 inside a span of time, falling off outside by its length (at least a day)."""
    away = np.maximum(start_s - moments, 0) + np.maximum(moments - end_s, 0)
    width = min(max(end_s - start_s, DAY_S), 30 * DAY_S)
    return np.asarray(np.where(away > 0, 0.5 * np.exp(-away / width), 1.0), np.float32)


def recency(moments: NDArray[np.float64], now_s: float) -> Array:
    """1 for now, a half for RECENT_S ago."""
    return np.asarray(RECENT_S / (RECENT_S + np.maximum(now_s - moments, 0)), np.float32)


def fused(features: Mapping[str, Array], weights: Mapping[str, float]) -> Array:
    """The weighted sum of features that are there, each (n,)."""
    some = next(iter(features.values()))
    total = np.zeros(len(some), np.float32)
    for name, values in features.items():
        total += np.float32(weights.get(name, 0.0)) * values
    return total
