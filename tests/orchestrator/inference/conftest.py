from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.inference.catalogue import Catalogue
from orchestrator.inference.llamacpp import LlamaCppEngine

SMALL = "smollm2-135m-instruct"


@pytest.fixture(scope="session")
def small_model_path() -> Path:
    path = Catalogue.load().get(SMALL).verified_path()
    if path is None:
        pytest.skip(f"NOT TESTED: {SMALL} is absent; python manage.py models pull {SMALL}")
    return path


@pytest.fixture(scope="session")
def small_model(small_model_path: Path) -> Iterator[LlamaCppEngine]:
    """The smallest real model, shared by the tests that need one."""
    engine = LlamaCppEngine(small_model_path, name=SMALL, context_tokens=2048, sequences=6)
    yield engine
    engine.close()
