"""A goal's folder with a tool context over it, and the bound functions of our own tools."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.tools import registry
from orchestrator.tools.base import ToolContext
from orchestrator.tools.folder import GoalFolder


def no_model(purpose: str, request: object) -> Any:
    raise AssertionError("these tools ask no model")


@pytest.fixture
def folder(tmp_path: Path) -> GoalFolder:
    return GoalFolder(tmp_path / "goal")


@pytest.fixture
def context(folder: GoalFolder) -> ToolContext:
    return ToolContext(files=folder, model=no_model, goal_text="", today=date(2026, 11, 24))


@pytest.fixture
def call(context: ToolContext) -> dict[str, Callable[..., Any]]:
    """The tools of tables, calendar and writing, bound to `context`."""
    tools = {}
    for module in ("tables", "calendar", "writing"):
        tools |= registry.tools_of(f"orchestrator.tools.{module}")
    return registry.bind(tools, context)
