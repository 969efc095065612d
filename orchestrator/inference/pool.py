"""The models that one process holds: loaded when they are asked for, unloaded when idle.

Callers get a `Pooled` model, which stands for the name: it loads the weights at the next request
if they are not there. A pinned model stays. Before one is loaded, idle ones make room for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.inference.base import (
    ChatModel,
    ChatRequest,
    Completion,
    InferenceError,
    ModelUnavailable,
    Stream,
)

logger = logging.getLogger(__name__)


class Loadable(ChatModel, Protocol):
    """A model whose weights this process holds."""

    @property
    def stats(self) -> dict[str, Any]: ...

    def close(self) -> None: ...


@dataclass(eq=False)
class Held:
    """What the pool knows of one name.

    uses:   calls that are in the model's hands right now, streams not counted
    reason: why it could not be loaded, the last time
    """

    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    model: Loadable | None = None
    is_loading: bool = False
    is_unwanted: bool = False
    uses: int = 0
    used_at: float = field(default_factory=time.monotonic)
    memory_bytes: int = 0
    reason: str = ""

    @property
    def is_idle(self) -> bool:
        if self.model is None or self.uses:
            return False
        stats = self.model.stats
        return not (stats["queued"] or stats["running"])

    @property
    def state(self) -> str:
        if self.model is not None:
            return "loaded"
        if self.is_loading:
            return "loading"
        return "failed" if self.reason else "unloaded"


class Pool:
    """load:   makes the model of a name; raises InferenceError
    memory_bytes: about what a name's model will take
    free_bytes:   memory that is to be had now
    idle_s:       a model that is not pinned is unloaded after so long without a request; 0: never
    """

    def __init__(
        self,
        load: Callable[[str], Loadable],
        *,
        memory_bytes: Callable[[str], int],
        free_bytes: Callable[[], int],
        idle_s: float,
    ):
        self.pinned: frozenset[str] = frozenset()
        self._load = load
        self._memory_bytes = memory_bytes
        self._free_bytes = free_bytes
        self._idle_s = idle_s
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        self._loading = threading.Lock()  # one at a time, so that each sees what the other took

    def model(self, name: str) -> Pooled:
        """Loads it if need be. Raises what loading raises."""
        with self.using(name):
            return Pooled(self, name)

    @contextmanager
    def using(self, name: str) -> Iterator[Loadable]:
        """The loaded model, which stays at least until the block ends."""
        held = self._of(name)
        with held.lock:
            model = held.model or self._loaded(held)
            held.uses += 1
            held.used_at = time.monotonic()
        try:
            yield model
        finally:
            with held.lock:
                held.uses -= 1

    def unload(self, name: str) -> None:
        """Unload it now, or as soon as it is idle."""
        self._of(name).is_unwanted = True
        self.sweep()

    def sweep(self) -> None:
        """Unload what nobody wants, and what was idle for long."""
        now = time.monotonic()
        for held in self._all():
            is_old = 0 < self._idle_s <= now - held.used_at and held.name not in self.pinned
            if held.is_unwanted or is_old:
                self._unload(held)

    def states(self) -> list[dict[str, Any]]:
        """Of each name that was ever asked for, JSON-able."""
        return [
            {
                "name": held.name,
                "state": held.state,
                "is_pinned": held.name in self.pinned,
                "memory_bytes": held.memory_bytes if held.model else 0,
                "reason": held.reason,
                "stats": held.model.stats if held.model else {},
            }
            for held in self._all()
        ]

    def close(self) -> None:
        for held in self._all():
            with held.lock:
                model, held.model = held.model, None
            if model is not None:
                model.close()

    def _of(self, name: str) -> Held:
        with self._lock:
            return self._held.setdefault(name, Held(name))

    def _all(self) -> list[Held]:
        with self._lock:
            return list(self._held.values())

    def _loaded(self, held: Held) -> Loadable:
        """Load it; the caller holds its lock."""
        held.is_loading = True
        try:
            with self._loading:
                held.memory_bytes = self._make_room(held.name)
                held.model = self._load(held.name)
        except InferenceError as reason:
            held.reason = str(reason)
            raise
        finally:
            held.is_loading = False
        held.reason, held.is_unwanted = "", False
        return held.model

    def _make_room(self, name: str) -> int:
        """Unload idle models, the one longest unused first, until this one fits. Returns what it
        needs. Raises ModelUnavailable with the numbers if it never will."""
        needed = self._memory_bytes(name)
        idle = sorted(self._all(), key=lambda held: held.used_at)
        for held in idle:
            if needed <= self._free_bytes():
                return needed
            if held.name not in self.pinned and held.name != name:
                self._unload(held)
        if needed > (free := self._free_bytes()):
            raise ModelUnavailable(
                f"{name} needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
                "free. Unload another model, lower FORESTAFF_CONTEXT_TOKENS, or choose a smaller "
                "one."
            )
        return needed

    def _unload(self, held: Held) -> None:
        if not held.lock.acquire(blocking=False):
            return  # somebody is about to use it
        try:
            if not held.is_idle:
                return
            model, held.model, held.is_unwanted = held.model, None, False
        finally:
            held.lock.release()
        if model is not None:
            logger.info("unloading %s", held.name)
            model.close()


class Pooled:
    """A ChatModel by its name in a pool."""

    def __init__(self, pool: Pool, name: str):
        self.name = name
        self._pool = pool

    @property
    def context_tokens(self) -> int:
        with self._pool.using(self.name) as model:
            return model.context_tokens

    def stream(self, request: ChatRequest) -> Stream:
        with self._pool.using(self.name) as model:
            return model.stream(request)

    def complete(self, request: ChatRequest) -> Completion:
        return self.stream(request).completion

    def count_tokens(self, text: str) -> int:
        with self._pool.using(self.name) as model:
            return model.count_tokens(text)

    def count_prompt(self, request: ChatRequest) -> int:
        with self._pool.using(self.name) as model:
            return model.count_prompt(request)
