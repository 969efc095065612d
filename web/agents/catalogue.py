"""What a member of the staff can be given: models and tools. Loaded when first asked for."""

from __future__ import annotations

from functools import cache


@cache
def model_names() -> tuple[str, ...]:
    from orchestrator.inference.catalogue import Catalogue

    return tuple(entry.name for entry in Catalogue.load().entries if entry.chat)


@cache
def tools() -> tuple[str, ...]:
    from orchestrator.tools.registry import all_tools  # loads every reader and writer

    return tuple(all_tools())
