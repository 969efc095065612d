"""The head of a GGUF file: what a model is, and what memory it will need, before it is loaded.

Format: ggml-org/ggml, docs/gguf.md, versions 2 and 3. Every length is checked against the file,
because files come from anywhere.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.inference.base import ModelUnavailable

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"} | {
    12: "d"
}
_STRING, _ARRAY = 8, 9
MOST_KEYS = 100_000
LONGEST_KEPT_ARRAY = 1024  # vocabularies are passed over
HALF_BYTES = 2  # of one number in the KV cache
SPARE_BYTES = 150_000_000  # llama.cpp's buffers beside weights, cache and logits


@dataclass(frozen=True)
class Header:
    """metadata: the file's keys, without its long arrays."""

    size_bytes: int
    metadata: dict[str, Any]

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def context_tokens(self) -> int:
        """What the model was trained on; 0 if the file does not say."""
        return self._number("context_length")

    def memory_bytes(self, context_tokens: int, sequences: int, rows: int) -> int:
        """About what the model takes when loaded.

        context_tokens, sequences: as the engine is given; rows: tokens of its largest batch
        """
        room = min(context_tokens, self.context_tokens or context_tokens) * sequences
        logits = rows * (self._number("vocab_size") or self._vocabulary) * 4
        return self.size_bytes + room * self._cell_bytes + logits + SPARE_BYTES

    @property
    def _vocabulary(self) -> int:
        return int(self.metadata.get("tokenizer.ggml.tokens", 0))

    @property
    def _cell_bytes(self) -> int:
        """Bytes of one token in the KV cache, keys and values of all layers."""
        heads = max(self._number("attention.head_count"), 1)
        width = self._number("embedding_length") // heads
        keys = self._number("attention.key_length") or width
        values = self._number("attention.value_length") or width
        per_layer = self.metadata.get(f"{self.architecture}.attention.head_count_kv", heads)
        layers = self._number("block_count")
        kv_heads = sum(per_layer) if isinstance(per_layer, list) else int(per_layer) * layers
        return kv_heads * (keys + values) * HALF_BYTES

    def _number(self, key: str) -> int:
        found = self.metadata.get(f"{self.architecture}.{key}", 0)
        return int(max(found, default=0) if isinstance(found, list) else found)


def read_header(path: Path) -> Header:
    """Raises ModelUnavailable if the file is no GGUF, is cut short, or contradicts itself."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return Header(len(data), _Reader(data).metadata())
    except (OSError, ValueError, struct.error, OverflowError) as reason:
        raise ModelUnavailable(
            f"{path.name} is damaged ({reason}): fetch it again, or choose another model."
        ) from reason


class _Reader:
    """Walks over the file. Raises ValueError or struct.error where it makes no sense."""

    def __init__(self, data: mmap.mmap):
        self._data = data
        self._at = 0

    def metadata(self) -> dict[str, Any]:
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not begin as a GGUF file does")
        self._at = 4
        version = self._scalar("I")
        if version not in (2, 3):
            raise ValueError(f"version {version} of the format is not known")
        _tensors, keys = self._scalar("Q"), self._scalar("Q")
        if keys > MOST_KEYS:
            raise ValueError(f"it claims to have {keys:,} keys")
        found: dict[str, Any] = {}
        for _ in range(keys):
            key = self._string()
            found[key] = self._value(self._scalar("I"))
        return found

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            raise ValueError(f"a value has the unknown type {kind}")
        return self._scalar(_SCALARS[kind])

    def _array(self) -> Any:
        """A list, or only its length if it is long."""
        kind, length = self._scalar("I"), self._scalar("Q")
        if kind in _SCALARS and length > LONGEST_KEPT_ARRAY:
            self._skip(length * struct.calcsize(_SCALARS[kind]))
            return length
        if length > len(self._data):
            raise ValueError("a list is longer than the file")
        if kind == _STRING:
            for _ in range(length):
                self._skip(self._scalar("Q"))
            return length
        return [self._value(kind) for _ in range(length)]

    def _string(self) -> str:
        length = self._scalar("Q")
        start = self._at
        self._skip(length)
        return self._data[start : self._at].decode("utf-8", "replace")

    def _scalar(self, code: str) -> Any:
        (found,) = struct.unpack_from(f"<{code}", self._data, self._at)
        self._at += struct.calcsize(f"<{code}")
        return found

    def _skip(self, length: int) -> None:
        if self._at + length > len(self._data):
            raise ValueError("it is cut short")
        self._at += length
