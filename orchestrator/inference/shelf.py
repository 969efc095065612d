"""Prefixes on disk: what the staff's prompts have in common is computed once, not at each start.

A file holds the tokens of one prefix and the state of the KV cache after them. Files are for one
model file, one version of llama.cpp and one layout of the cache; together they obey a size, and
the least recently used go first. A file that is damaged is removed with a line in the log.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import struct
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestrator.inference.sequences import common_prefix

logger = logging.getLogger(__name__)

MAGIC = b"FSKV0001"
_LENGTH = struct.Struct("<I")
MOST_TOKENS = 1_000_000


class Damaged(Exception):
    """A file of the shelf is not what it should be."""


@dataclass(frozen=True)
class Prefix:
    tokens: tuple[int, ...]
    path: Path


class PrefixShelf:
    """The prefixes of one model.

    folder:      shared by all models; each has a folder in it, named by the digest of `identity`
    identity:    whatever decides whether a state fits: model hash, library version, layout
    limit_bytes: of all files in `folder` together
    """

    def __init__(self, folder: Path, identity: str, limit_bytes: int):
        self._all = folder
        self._folder = folder / hashlib.sha256(identity.encode()).hexdigest()[:32]
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="shelf")
        self._prefixes = [prefix for path in self._files(self._folder) if (prefix := _read(path))]

    def longest(self, prompt: Sequence[int]) -> int:
        return max((common_prefix(p.tokens, prompt) for p in self._known()), default=0)

    def take(self, prompt: Sequence[int]) -> tuple[Sequence[int], bytes] | None:
        best = max(self._known(), key=lambda p: common_prefix(p.tokens, prompt), default=None)
        if best is None:
            return None
        try:
            state = _state(best.path)
            os.utime(best.path)
        except (OSError, Damaged) as reason:
            logger.warning("the prefix %s is dropped: %s", best.path.name, reason)
            self._drop(best)
            return None
        return best.tokens, state

    def put(self, tokens: Sequence[int], state: bytes) -> None:
        """Write in the background; the prefix counts as kept at once, so it is written once."""
        kept = tuple(tokens)
        digest = hashlib.sha256(np.asarray(kept, np.int32).tobytes()).hexdigest()
        prefix = Prefix(kept, self._folder / f"{digest[:32]}.kv")
        with self._lock:
            self._prefixes.append(prefix)
        self._writer.submit(self._write, prefix, state)

    def close(self) -> None:
        """Wait for what is being written."""
        self._writer.shutdown(wait=True)

    def _known(self) -> list[Prefix]:
        with self._lock:
            return list(self._prefixes)

    def _write(self, prefix: Prefix, state: bytes) -> None:
        staged = prefix.path.with_suffix(f".{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            header = {"tokens": len(prefix.tokens), "sha256": hashlib.sha256(state).hexdigest()}
            head = json.dumps(header).encode()
            with open(os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                file.write(MAGIC + _LENGTH.pack(len(head)) + head)
                file.write(np.asarray(prefix.tokens, np.int32).tobytes())
                file.write(state)
            os.replace(staged, prefix.path)
            self._make_room()
        except OSError as reason:
            logger.warning("a prefix could not be kept in %s: %s", self._folder, reason)
            staged.unlink(missing_ok=True)
            self._drop(prefix)

    def _make_room(self) -> None:
        """Remove the least recently used files of all models until the rest fits."""
        aged = sorted(
            (path for folder in self._all.iterdir() for path in self._files(folder)),
            key=lambda path: path.stat().st_mtime_ns,
            reverse=True,
        )
        total = 0
        for path in aged:
            total += path.stat().st_size
            if total > self._limit_bytes:
                path.unlink(missing_ok=True)
                with self._lock:
                    self._prefixes = [p for p in self._prefixes if p.path != path]

    def _drop(self, prefix: Prefix) -> None:
        with self._lock:
            self._prefixes = [p for p in self._prefixes if p is not prefix]
        prefix.path.unlink(missing_ok=True)

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        return sorted(folder.glob("*.kv")) if folder.is_dir() else []


def _read(path: Path) -> Prefix | None:
    """The prefix without its state; None, and the file removed, if it is damaged."""
    try:
        tokens, _header, _offset = _head(path)
        return Prefix(tokens, path)
    except (OSError, Damaged) as reason:
        logger.warning("the prefix %s is dropped: %s", path.name, reason)
        path.unlink(missing_ok=True)
        return None


def _head(path: Path) -> tuple[tuple[int, ...], dict[str, object], int]:
    """(tokens, header, offset of the state). Raises Damaged."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise Damaged("it does not begin as such a file does")
        try:
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            header = json.loads(file.read(min(length, 4096)))
            count = int(header["tokens"])
            if not 0 < count <= MOST_TOKENS:
                raise ValueError("an impossible number of tokens")
            raw = file.read(4 * count)
            tokens = tuple(np.frombuffer(raw, np.int32).tolist())
            if len(tokens) != count or not isinstance(header["sha256"], str):
                raise ValueError("it is cut short")
        except (struct.error, ValueError, KeyError, TypeError) as reason:
            raise Damaged(str(reason)) from reason
        return tokens, header, file.tell()


def _state(path: Path) -> bytes:
    _tokens, header, offset = _head(path)
    with path.open("rb") as file:
        file.seek(offset)
        state = file.read()
    if hashlib.sha256(state).hexdigest() != header["sha256"]:
        raise Damaged("its state is not what was written")
    return state
