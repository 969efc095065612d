"""The suggested first goals and the sample files that belong to them."""

from __future__ import annotations

import io
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.dispatch import GivenFile

SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class Suggestion:
    """A goal that can be given at once. folder: its sample set, a folder beside goals.toml."""

    title: str
    text: str
    folder: str

    @property
    def paths(self) -> list[Path]:
        inside = (SAMPLES / self.folder).iterdir()
        return sorted(path for path in inside if path.is_file() and path.name[0] != ".")

    @property
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.paths)

    def files(self) -> list[GivenFile]:
        """The sample files with their content."""
        read = [(path.name, path.read_bytes()) for path in self.paths]
        return [GivenFile(name, io.BytesIO(content), len(content)) for name, content in read]


@cache
def suggestions() -> tuple[Suggestion, ...]:
    with (SAMPLES / "goals.toml").open("rb") as file:
        return tuple(Suggestion(**goal) for goal in tomllib.load(file)["goals"])


def suggestion(folder: str) -> Suggestion | None:
    """The suggestion with that sample set."""
    return next((each for each in suggestions() if each.folder == folder), None)
