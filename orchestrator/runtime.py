"""What a worker process holds once: its models. The only place that loads weights, lazily."""

from __future__ import annotations

import importlib
import json
import logging
import threading
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil
from django.conf import settings

from orchestrator.inference.base import ChatModel, ModelUnavailable
from orchestrator.inference.catalogue import Catalogue, hash_of
from orchestrator.inference.embedding import Embedder, WordLlamaEmbedder
from orchestrator.inference.scripted import ScriptedModel
from orchestrator.inference.shelf import PrefixShelf

logger = logging.getLogger(__name__)

WORDLLAMA = "wordllama"

_models: dict[str, ChatModel] = {}
_embedders: dict[str, Embedder] = {}
_lock = threading.Lock()


def default_model() -> str:
    """Name of the model for agents that name none: from MODEL, else by this machine's memory."""
    return settings.DEFAULT_MODEL or Catalogue.load().default(psutil.virtual_memory().total).name


def chat_model(name: str = "") -> ChatModel:
    """The model of that name, loaded on first use and shared by all threads of this process.

    Raises ModelUnknown or ModelUnavailable, each with what to do about it.
    """
    if settings.SCRIPT:
        return _scripted()
    name = name or default_model()
    with _lock:
        if name not in _models:
            _models[name] = _load(name)
        return _models[name]


@cache
def _scripted() -> ChatModel:
    """A model that answers from a function of ours: for soaks and benchmarks, which measure the
    house and not a model. FORESTAFF_SCRIPT names it, "package.module:function"."""
    module, _, function = settings.SCRIPT.partition(":")
    return ScriptedModel(getattr(importlib.import_module(module), function))


def embedder(name: str = "") -> Embedder:
    """The embedder of that name, else of EMBEDDER; loaded on first use, shared by all threads.

    The web process may call this: the default one takes 100 MB and half a second, and without it
    a search by the boss would compare words only.
    Raises ModelUnknown or ModelUnavailable, each with what to do about it.
    """
    name = name or settings.EMBEDDER
    with _lock:
        if name not in _embedders:
            _embedders[name] = WordLlamaEmbedder() if name == WORDLLAMA else _load_gguf(name)
        return _embedders[name]


def warm_up() -> None:
    """Load the default model in the background, so that the first goal need not wait for it."""

    def load() -> None:
        try:
            chat_model()
        except Exception as reason:
            logger.warning("the default model is not ready: %s", reason)

    threading.Thread(target=load, name="warm-up", daemon=True).start()


def _load(name: str) -> ChatModel:
    path = _path(name)
    from orchestrator.inference.llamacpp import LlamaCppEngine

    logger.info("loading %s", name)
    return LlamaCppEngine(
        path,
        name=name,
        context_tokens=settings.CONTEXT_TOKENS,
        threads=settings.MODEL_THREADS or None,
        gpu_layers=settings.GPU_LAYERS,
        shelf=_shelf(path),
    )


def _shelf(path: Path) -> PrefixShelf | None:
    """Where this model's prefixes outlive a restart; None if the boss wants none of it."""
    if not settings.PREFIX_CACHE_MB:
        return None
    identity = [hash_of(path), version("llama-cpp-python"), settings.GPU_LAYERS > 0]
    return PrefixShelf(
        settings.DATA_DIR / "prefixes", json.dumps(identity), settings.PREFIX_CACHE_MB * 1_000_000
    )


def _load_gguf(name: str) -> Embedder:
    path = _path(name)
    from orchestrator.inference.gguf import GgufEmbedder

    logger.info("loading %s for embedding", name)
    return GgufEmbedder(
        path,
        name=name,
        threads=settings.MODEL_THREADS or None,
        gpu_layers=settings.GPU_LAYERS,
    )


def _path(name: str) -> Path:
    path = Catalogue.load().get(name).verified_path()
    if path is None:
        raise ModelUnavailable(
            f"{name} is not on this machine. Fetch it with: python manage.py models pull {name}"
        )
    return path
