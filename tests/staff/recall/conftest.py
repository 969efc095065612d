"""A small embedder that obeys the real protocol, and a way to say things."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import numpy as np
import pytest

from staff.actions import memory
from staff.actions.memory import Draft, Vectors
from staff.domain.words import terms

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class HashEmbedder:
    """Each term has a direction of its own, a synonym that of its partner."""

    name, dim = "hash", 32
    synonyms = {"dog": "greyhound", "pai": "paid"}

    def embed(self, texts):
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for term in terms(text):
                term = self.synonyms.get(term, term)
                seed = int.from_bytes(sha256(term.encode()).digest()[:4], "big")
                row += np.random.default_rng(seed).standard_normal(self.dim)
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return (rows / lengths).astype(np.float32)


@pytest.fixture
def embedder():
    return HashEmbedder()


@pytest.fixture
def scope(office):
    return memory.scope_of(office)


@pytest.fixture
def say(embedder):
    """say(scope, "Tom: I have a greyhound", days=3): remembers it, returns the memory."""

    def said(scope, line, days=0.0, **options):
        actor, _, text = line.rpartition(": ")
        draft = Draft(text, actor=actor, said_at=days_ago(days), **options)
        vectors = Vectors(embedder.name, embedder.embed([text]))
        return memory.remember(scope, [draft], vectors)[0].memory

    return said


@pytest.fixture
def fact(embedder):
    def asserted(scope, subject, attribute, value, days=0.0, **options):
        draft = Draft(
            kind="fact",
            subject=subject,
            attribute=attribute,
            value=value,
            said_at=days_ago(days),
            **options,
        )
        vectors = Vectors(embedder.name, embedder.embed([f"{attribute} {value}"]))
        return memory.assert_fact(scope, draft, vectors)

    return asserted
