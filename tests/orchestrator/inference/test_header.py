"""What is known of a model before it is loaded; and files that are not what they claim to be."""

from __future__ import annotations

import contextlib
import random
import struct

import pytest

from orchestrator.inference.base import ModelUnavailable
from orchestrator.inference.header import read_header


def test_the_small_model(small_model_path):
    header = read_header(small_model_path)
    assert header.architecture == "llama"
    assert header.context_tokens >= 2048
    small = header.memory_bytes(1024, 1, 64)
    assert small > header.size_bytes
    cells = header.memory_bytes(2048, 1, 64) - small
    assert cells == 1024 * 30 * 2 * 3 * 64 * 2, "30 layers, 3 heads of 64, keys and values"
    room = header.context_tokens
    assert header.memory_bytes(10 * room, 1, 64) == header.memory_bytes(room, 1, 64)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty|damaged"),
        (b"PK\x03\x04" + bytes(100), "does not begin"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "keys"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62), "cut short"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 8, 2**50), "longer"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 77), "unknown type"),
    ],
)
def test_nonsense_is_refused_plainly(tmp_path, data, why):
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelUnavailable, match=why):
        read_header(path)


def test_mutations_never_do_worse_than_a_refusal(small_model_path, tmp_path):
    whole = small_model_path.read_bytes()[:3_000_000]
    dice = random.Random(4)
    path = tmp_path / "mutated.gguf"
    for _ in range(60):
        data = bytearray(whole[: dice.choice([200, 2000, len(whole)])])
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(4, min(len(data), 2000))] = dice.randrange(256)
        path.write_bytes(data)
        with contextlib.suppress(ModelUnavailable):
            read_header(path).memory_bytes(1024, 8, 264)
