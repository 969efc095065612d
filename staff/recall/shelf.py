"""What a process keeps of a scope to rank it fast: one row for each memory, no words.

A shelf follows its scope by the version counter: a search reads only the rows that changed since
the last one. It decides order, never access: what was found is read again from the database,
behind the wall, before anybody sees it.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection
from numpy.typing import NDArray

from staff.domain.names import Names
from staff.models import Memory, Scope

logger = logging.getLogger(__name__)

KINDS = {kind: code for code, kind in enumerate(Memory.Kind.values)}
STATES = {state: code for code, state in enumerate(Memory.State.values)}
ROW = np.dtype(
    [
        ("id", "i8"),
        ("said", "f8"),  # seconds since 1970, as all times here
        ("last_said", "f8"),
        ("start", "f8"),
        ("end", "f8"),  # infinite while it holds
        ("actor", "i4"),  # numbers in `names`; -1 for nobody
        ("subject", "i4"),
        ("thread", "i4"),
        ("scale", "f4"),  # of the vector's numbers; 0 without one
        ("kind", "i1"),
        ("state", "i1"),
        ("trust", "i1"),
        ("is_pinned", "?"),
        ("is_outdated", "?"),
    ]
)
_BATCH = 5000  # rows from the database at a time
_BLOCK = 256  # vectors at a time: they fit a cache, and BLAS starts no threads for so few
_CHANGED = """
    SELECT m.id, extract(epoch FROM m.said_at)::float8, extract(epoch FROM m.last_said_at)::float8,
           extract(epoch FROM m.valid_from)::float8,
           coalesce(extract(epoch FROM m.valid_to)::float8, 'Infinity'),
           m.actor, m.subject, m.thread, m.kind, m.state, m.trust, m.is_pinned, m.is_outdated,
           halfvec_send(v.vector)
    FROM staff_memory m
    LEFT JOIN staff_memoryvector v ON v.memory_id = m.id AND v.model = %s
    WHERE m.scope_id = %s AND m.version > %s
    ORDER BY m.id
"""


@dataclass(frozen=True)
class View:
    """A shelf as it is at one moment, whatever is added beside.

    rows: (n,) of ROW, ordered by id; codes: (at least n, D)
    sum: (D,) of all vectors
    """

    rows: NDArray[Any]
    codes: NDArray[np.int8]
    sum: NDArray[np.float32]
    names: Names

    def products(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, m) dot products of each memory with m vectors (m, D); 0 where there is none."""
        result = np.zeros((len(self.rows), len(vectors)), np.float32)
        if self.codes.shape[1] != vectors.shape[1]:
            return result
        turned = np.ascontiguousarray(vectors.T)
        for start in range(0, len(result), _BLOCK):
            block = result[start : start + _BLOCK]
            np.dot(self.codes[start : start + len(block)].astype(np.float32), turned, out=block)
        result *= self.rows["scale"][:, None]
        return result

    def at(self, ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of these memories; -1 for those that are not here."""
        wanted = np.asarray(ids, np.int64)
        if not len(self.rows):
            return np.full(len(wanted), -1)
        found = np.minimum(np.searchsorted(self.rows["id"], wanted), len(self.rows) - 1)
        return np.where(self.rows["id"][found] == wanted, found, -1)


class Shelf:
    """The memories of one scope in columns, vectors as bytes with a scale for each."""

    def __init__(self, scope_id: int, model: str):
        self.scope_id, self.model = scope_id, model
        self.names = Names()
        self._threads: dict[str, int] = {}
        self._version = 0
        self._count = 0
        self._rows = np.zeros(0, ROW)
        self._codes = np.zeros((0, 0), np.int8)
        self._sum = np.zeros(0, np.float32)
        self._lock = threading.Lock()

    @property
    def view(self) -> View:
        return View(self._rows[: self._count], self._codes, self._sum, self.names)

    @property
    def size_bytes(self) -> int:
        return self._rows.nbytes + self._codes.nbytes

    def follow(self, version: int) -> None:
        """Take in what changed up to this version of the scope."""
        if version <= self._version:
            return
        with self._lock:
            if version <= self._version:
                return
            with connection.chunked_cursor() as cursor:  # a large scope comes in pieces
                cursor.execute(_CHANGED, [self.model, self.scope_id, self._version])
                while batch := cursor.fetchmany(_BATCH):
                    self._take(batch)
            self._version = version

    def _take(self, batch: Sequence[tuple[Any, ...]]) -> None:
        rows = np.array([self._row(values) for values in batch], ROW)
        codes = self._quantised(rows, [values[-1] for values in batch])
        places = self.view.at(rows["id"])
        is_known = places >= 0
        known = places[is_known]
        before = _summed(self._rows[known], self._codes[known])
        self._sum = self._sum + _summed(rows, codes) - before
        self._rows[known] = rows[is_known]
        self._codes[known] = codes[is_known]
        self._append(rows[~is_known], codes[~is_known])
        if (rows["state"] == STATES[Memory.State.FORGOTTEN]).any():
            there = self.view.rows
            self.names.keep(np.union1d(there["actor"], there["subject"]).tolist())

    def _row(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        identity, said, last, start, end, actor, subject, thread, kind, state, *rest = values
        trust, is_pinned, is_outdated, _ = rest
        return (
            *(identity, said, last, start, end),
            self.names.add(actor),
            self.names.add(subject),
            self._threads.setdefault(thread, len(self._threads)) if thread else -1,
            *(0.0, KINDS[kind], STATES[state], trust, is_pinned, is_outdated),
        )

    def _quantised(self, rows: NDArray[Any], sent: Sequence[Any]) -> NDArray[np.int8]:
        """Vectors as PostgreSQL sends them (dimension, unused, numbers of two bytes) to bytes;
        sets the rows' scales."""
        dims = {len(each) // 2 - 2 for each in sent if each is not None}
        if not dims:
            return np.zeros((len(rows), self._codes.shape[1]), np.int8)
        (dim,) = dims
        has = np.array([each is not None for each in sent])
        numbers = np.frombuffer(b"".join(bytes(s) for s in sent if s is not None), ">f2")
        vectors = numbers.reshape(-1, dim + 2)[:, 2:].astype(np.float32)
        scales = np.abs(vectors).max(axis=1) / 127
        codes = np.zeros((len(rows), dim), np.int8)
        codes[has] = np.rint(vectors / np.maximum(scales, 1e-12)[:, None])
        rows["scale"][has] = scales
        if self._codes.shape[1] != dim:
            self._codes = np.zeros((len(self._rows), dim), np.int8)
            self._sum = np.zeros(dim, np.float32)
        return codes

    def _append(self, rows: NDArray[Any], codes: NDArray[np.int8]) -> None:
        needed = self._count + len(rows)
        if needed > len(self._rows):
            room = max(needed, len(self._rows) * 5 // 4, 64)
            self._rows = _grown(self._rows, self._count, (room,))
            self._codes = _grown(self._codes, self._count, (room, codes.shape[1]))
        self._rows[self._count : needed] = rows
        self._codes[self._count : needed] = codes
        self._count = needed


def _summed(rows: NDArray[Any], codes: NDArray[np.int8]) -> NDArray[np.float32]:
    return np.asarray(rows["scale"] @ codes.astype(np.float32), np.float32)


def _grown(array: NDArray[Any], used: int, shape: tuple[int, ...]) -> NDArray[Any]:
    larger = np.zeros(shape, array.dtype)
    larger[:used] = array[:used]
    return larger


class Shelves:
    """The shelves of this process, the least recently used dropped beyond a number of bytes."""

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self._shelves: OrderedDict[tuple[int, str], Shelf] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, scopes: Sequence[Scope], model: str) -> list[View]:
        """The shelves of these scopes, each up to its version. Reads the database."""
        with self._lock:
            found = []
            for scope in scopes:
                key = (scope.pk, model)
                found.append(self._shelves.setdefault(key, Shelf(scope.pk, model)))
                self._shelves.move_to_end(key)
        for scope, shelf in zip(scopes, found, strict=True):
            shelf.follow(scope.version)
        self._drop(keep=len(found))
        return [shelf.view for shelf in found]

    def clear(self) -> None:
        with self._lock:
            self._shelves.clear()

    def _drop(self, keep: int) -> None:
        with self._lock:
            while len(self._shelves) > keep and self.size_bytes > self.max_bytes:
                self._shelves.popitem(last=False)

    @property
    def size_bytes(self) -> int:
        return sum(shelf.size_bytes for shelf in self._shelves.values())


shelves = Shelves(settings.RECALL_CACHE_MB * 2**20)
