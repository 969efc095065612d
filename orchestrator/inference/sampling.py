"""From logits to the next token: greedy, or top-k, top-p and temperature, under a grammar.

Testing a whole vocabulary against a grammar costs tens of milliseconds a token. So the token is
drawn first and only this one is tested; if it is refused, the draw is repeated among those of the
best candidates that the grammar admits, in widening circles. For the distribution this is the
same as masking first: rejected mass is spread over what is admitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.base import InferenceError

Logits = NDArray[np.float32]
Ids = NDArray[np.int32]

TOP_K = 40
TOP_P = 0.95
CIRCLES = (64, 2048)  # candidates tested against the grammar before the whole vocabulary is


class Grammar(Protocol):
    """Where an answer stands in its grammar."""

    def admits(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of these tokens may come next. An end token may if the answer is complete."""

    def accept(self, token: int) -> None:
        """Move on by one token, which must have been admitted."""

    def close(self) -> None: ...


def choose(
    logits: Logits, temperature: float, rng: np.random.Generator, grammar: Grammar | None = None
) -> int:
    """The next token's id.

    logits: (V,) of the whole vocabulary; -inf for tokens that must not be chosen
    temperature: 0 is greedy, and `rng` is not used
    Raises InferenceError if no token fits the grammar.
    """
    if temperature <= 0:
        pick = int(logits.argmax())
    else:
        pick = _draw(logits, best(logits, TOP_K), temperature, rng)
    if grammar is None or grammar.admits(np.array([pick], dtype=np.int32))[0]:
        return pick
    for ids in _circles(logits):
        admitted = ids[grammar.admits(ids)]
        if admitted.size:
            return _draw(logits, admitted, temperature, rng)
    raise InferenceError(
        "The grammar came to a point where no token of this model fits. "
        "Widen the grammar there, or let the answer end."
    )


def _circles(logits: Logits) -> Iterator[Ids]:
    for size in CIRCLES:
        if size < logits.size:
            yield best(logits, size)
    yield best(logits, logits.size)


def log_chances(logits: Logits) -> NDArray[np.float64]:
    """(V,) log probabilities, before temperature and grammar."""
    shifted = logits.astype(np.float64) - float(logits.max())
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def best(logits: Logits, size: int) -> Ids:
    """Ids of the `size` largest finite logits, in no order."""
    if size <= 0:
        return np.zeros(0, np.int32)
    everyone = size >= logits.size
    ids = np.arange(logits.size) if everyone else np.argpartition(logits, -size)[-size:]
    return ids[np.isfinite(logits[ids])].astype(np.int32)


def _draw(logits: Logits, ids: Ids, temperature: float, rng: np.random.Generator) -> int:
    """One of `ids`: the best at temperature 0, else drawn after top-k, top-p and temperature."""
    if temperature <= 0:
        return int(ids[logits[ids].argmax()])
    ids = ids[np.argsort(-logits[ids], kind="stable")][:TOP_K]
    mass = np.cumsum(_softmax(logits[ids].astype(np.float64)))
    nucleus = np.sort(ids[: int(np.searchsorted(mass, TOP_P)) + 1])  # steadier than rank order
    chances = _softmax(logits[nucleus].astype(np.float64) / temperature)
    return int(rng.choice(nucleus, p=chances))


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())
