"""What a worker process holds once: its models. The only place that loads weights, lazily."""

from __future__ import annotations

import importlib
import json
import logging
import threading
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings

from orchestrator.inference import probe
from orchestrator.inference.base import ChatModel, InferenceError, ModelUnavailable
from orchestrator.inference.catalogue import Catalogue, hash_of
from orchestrator.inference.embedding import Embedder, WordLlamaEmbedder
from orchestrator.inference.engine import CHUNK
from orchestrator.inference.header import read_header
from orchestrator.inference.pool import Loadable, Pool
from orchestrator.inference.remote import OpenAICompatible
from orchestrator.inference.scripted import ScriptedModel
from orchestrator.inference.shelf import PrefixShelf

logger = logging.getLogger(__name__)

WORDLLAMA = "wordllama"
SEQUENCES = 8  # answers of one model at once

_embedders: dict[str, Embedder] = {}
_lock = threading.Lock()


def default_model() -> str:
    """Name of the model for agents that name none: from MODEL, else by this machine's memory."""
    return settings.DEFAULT_MODEL or Catalogue.load().default(psutil.virtual_memory().total).name


def chat_model(name: str = "") -> ChatModel:
    """The model of that name, loaded on first use and shared by all threads of this process.

    "SERVER/MODEL" is a model of one of the servers in FORESTAFF_SERVERS.
    Raises ModelUnknown or ModelUnavailable, each with what to do about it.
    """
    if settings.SCRIPT:
        return _scripted()
    name = name or default_model()
    server, _slash, model = name.partition("/")
    if server in settings.MODEL_SERVERS:
        return _remote(server, model)
    return pool().model(name)


@cache
def _remote(server: str, model: str) -> ChatModel:
    url, key = settings.MODEL_SERVERS[server], settings.MODEL_SERVER_KEYS.get(server, "")
    return OpenAICompatible(url, model, name=f"{server}/{model}", key=key)


@cache
def pool() -> Pool:
    """The models in this process's memory."""
    return Pool(
        _load,
        memory_bytes=_memory_bytes,
        free_bytes=lambda: psutil.virtual_memory().available,
        idle_s=settings.UNLOAD_AFTER_S,
    )


def model_states() -> list[dict[str, Any]]:
    """The models of this node: those in memory, those on disk, those in quarantine. JSON-able."""
    if settings.SCRIPT:
        return []
    states = {state["name"]: state for state in pool().states()}
    for entry in Catalogue.load().entries:
        if not entry.path.is_file():
            continue
        state = states.setdefault(entry.name, _unloaded(entry.name))
        if reason := probe.quarantine_reason(entry.path):
            state |= {"state": "quarantined", "reason": reason}
    return sorted(states.values(), key=lambda state: str(state["name"]))


def _unloaded(name: str) -> dict[str, Any]:
    is_pinned = name in pool().pinned
    return {"name": name, "state": "unloaded", "is_pinned": is_pinned, "reason": ""} | {
        "memory_bytes": 0,
        "stats": {},
    }


def keep(pins: Iterable[str]) -> None:
    """Pin these models and no others, and load what is pinned and not here; the rest is unloaded
    when it has been idle for long."""
    if settings.SCRIPT:
        return
    held = pool()
    held.pinned = frozenset(pins)
    held.sweep()
    loaded = {state["name"] for state in held.states() if state["state"] != "unloaded"}
    for name in held.pinned - loaded:
        load_soon(name)


def tend(verb: str, name: str) -> None:
    """What an admin asks of a model here: "load", "unload", or "retry" one in quarantine."""
    if verb == "retry":
        probe.forget(Catalogue.load().get(name).path)
    if verb == "unload":
        threading.Thread(target=pool().unload, args=(name,), daemon=True).start()
    else:
        load_soon(name)


def load_soon(name: str) -> None:
    """Load a model in the background. What goes wrong is in its state."""

    def load() -> None:
        try:
            pool().model(name)
        except InferenceError as reason:
            logger.warning("%s is not ready: %s", name, reason)
        except Exception:
            logger.exception("%s could not be loaded", name)

    threading.Thread(target=load, name=f"load {name}", daemon=True).start()


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
    if not settings.SCRIPT and "/" not in default_model():
        load_soon(default_model())


def _memory_bytes(name: str) -> int:
    header = read_header(_path(name))
    return header.memory_bytes(settings.CONTEXT_TOKENS, SEQUENCES, CHUNK + SEQUENCES)


def _load(name: str) -> Loadable:
    path = _path(name)
    probe.check(path)
    from orchestrator.inference.llamacpp import LlamaCppEngine

    logger.info("loading %s", name)
    return LlamaCppEngine(
        path,
        name=name,
        context_tokens=settings.CONTEXT_TOKENS,
        sequences=SEQUENCES,
        threads=settings.MODEL_THREADS or None,
        gpu_layers=settings.GPU_LAYERS,
        shelf=_shelf(path),
    )


def _shelf(path: Path) -> PrefixShelf | None:
    """Where this model's prefixes outlive a restart; None if the boss wants none of it."""
    if not settings.PREFIX_CACHE_MB:
        return None
    identity = [hash_of(path), version("llama-cpp-python"), settings.GPU_LAYERS]
    return PrefixShelf(
        settings.DATA_DIR / "prefixes", json.dumps(identity), settings.PREFIX_CACHE_MB * 1_000_000
    )


def _load_gguf(name: str) -> Embedder:
    path = _path(name)
    probe.check(path)
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
