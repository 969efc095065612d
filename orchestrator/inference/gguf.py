"""Any GGUF embedding model, through llama.cpp. Import it from `orchestrator/runtime.py` only."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from orchestrator.inference import threads as cores
from orchestrator.inference.base import InferenceError, ModelUnavailable
from orchestrator.inference.embedding import MAX_CHARS, Vectors, unit

cores.wait_briefly()

import llama_cpp  # noqa: E402  OpenMP reads its settings when llama.cpp is loaded

from orchestrator.inference.llamacpp import AUTO, usable_layers  # noqa: E402

MAX_TOKENS = 512  # of one text; the rest of it is not read


class GgufEmbedder:
    """An Embedder that runs a GGUF file on this machine, one batch at a time.

    A model that was not made for embedding gives the mean of its last layer: it works, badly.
    Raises ModelUnavailable if the file cannot be loaded.
    """

    def __init__(
        self, path: Path, *, name: str, threads: int | None = None, gpu_layers: int = AUTO
    ):
        self.name = name
        self._lock = threading.Lock()
        self._threads, self._gpu_layers = threads or cores.usable_cores(), usable_layers(gpu_layers)
        self._model = self._load(path, llama_cpp.LLAMA_POOLING_TYPE_UNSPECIFIED)
        if int(self._model.pooling_type()) == llama_cpp.LLAMA_POOLING_TYPE_NONE:
            self._model.close()
            self._model = self._load(path, llama_cpp.LLAMA_POOLING_TYPE_MEAN)
        self.dim = int(self._model.n_embd())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(N, dim), of unit length. Raises InferenceError if llama.cpp cannot compute it."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        with self._lock:
            try:
                vectors = self._model.embed([text[:MAX_CHARS] or " " for text in texts])
            except RuntimeError as reason:
                raise InferenceError(f"{self.name} could not embed the text: {reason}") from reason
        return unit(np.asarray(vectors, np.float32))

    def close(self) -> None:
        self._model.close()

    def _load(self, path: Path, pooling: int) -> llama_cpp.Llama:
        try:
            return llama_cpp.Llama(
                os.fspath(path),
                embedding=True,
                pooling_type=pooling,
                n_ctx=MAX_TOKENS,
                n_batch=MAX_TOKENS,
                n_ubatch=MAX_TOKENS,
                n_threads=self._threads,
                n_threads_batch=self._threads,
                n_gpu_layers=self._gpu_layers,
                verbose=False,
            )
        except (ValueError, RuntimeError) as reason:
            raise ModelUnavailable(f"{path.name} cannot be loaded: {reason}") from reason
