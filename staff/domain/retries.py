"""Whether failed work is tried again, and when: it depends on whose failure it was."""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    MODEL = "model"  # what the model made does not stand
    TOOL = "tool"  # a tool or a file did not do what it should
    NODE = "node"  # the worker died, or cannot run the model
    OURS = "ours"  # a mistake of this program


# seconds before each further try; after the last of them the task is a dead letter
BACKOFF_S: dict[FailureKind, tuple[float, ...]] = {
    FailureKind.MODEL: (0, 0),
    FailureKind.TOOL: (2, 10, 60),
    FailureKind.NODE: (0, 5, 15, 60, 300),
    FailureKind.OURS: (2, 10),
}


def delay_s(kind: FailureKind, failures: int) -> float | None:
    """How long to wait before the next try. None: no further try.

    failures: how often the task failed in this way, this time included (1, 2, ...)
    """
    waits = BACKOFF_S[kind]
    return waits[failures - 1] if 1 <= failures <= len(waits) else None
