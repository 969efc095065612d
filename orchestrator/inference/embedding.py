"""What the rest of the house knows of an embedder, and the small one that is always here.

Nothing here imports an engine; a GGUF embedding model is in `gguf.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.base import ModelUnavailable

Vectors = NDArray[np.float32]
MAX_CHARS = 8000  # of one text that are read; a vector of more says nothing in particular


class Embedder(Protocol):
    """Texts to points: close ones mean alike. May be called from many threads at once."""

    name: str
    dim: int

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(N, dim) for N texts, each of unit length; zeros for a text without any known word."""


class WordLlamaEmbedder:
    """Static token vectors of WordLlama, averaged; the 16 MB of weights come in its wheel.

    It takes 0.05 ms a text and 100 MB of memory, knows no word order, and reads English best.
    Source: Lee Miller 2024, WordLlama, github.com/dleemiller/WordLlama.
    """

    name = "wordllama-256"
    dim = 256

    def __init__(self) -> None:
        import wordllama

        folder = Path(wordllama.__file__).parent
        try:
            self._model = wordllama.WordLlama.load(
                dim=self.dim, cache_dir=folder, disable_download=True
            )
        except (OSError, ValueError) as reason:
            raise ModelUnavailable(
                f"the vectors in the wordllama package cannot be read ({reason}); install it again"
            ) from reason
        self._lock = threading.Lock()  # its tokenizer changes its padding while it works

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        with self._lock:
            vectors = self._model.embed([text[:MAX_CHARS] or " " for text in texts], norm=False)
        return unit(vectors)


def unit(vectors: Vectors) -> Vectors:
    """(N, D) scaled to length one; zeros stay zeros."""
    vectors = np.nan_to_num(np.asarray(vectors, np.float32))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
