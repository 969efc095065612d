"""Every file that a worker puts into a goal's folder, one line each, outside the product.

The workers of a soak import this (`celery worker -I deploy.soak.journal`). A line is written when
the file is in place: folder, name, digest of the content, process. A process that is killed in
between leaves a file without a line, never a line without a file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.tools.folder import GoalFolder

JOURNAL = "SOAK_JOURNAL"  # the environment names the file


@dataclass(frozen=True)
class Performed:
    folder: str
    name: str
    sha256: str
    pid: int


def keep(path: str) -> None:
    line_by_line = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    write = GoalFolder.write

    def written_down(self: GoalFolder, name: str, content: bytes) -> None:
        write(self, name, content)
        digest = hashlib.sha256(content).hexdigest()
        line = f"{self.root.name}\t{name}\t{digest}\t{os.getpid()}\n"
        os.write(line_by_line, line.encode())

    GoalFolder.write = written_down  # type: ignore[method-assign]


def read(path: Path) -> Iterator[Performed]:
    for line in path.read_text().splitlines():
        folder, name, digest, pid = line.split("\t")
        yield Performed(folder, name, digest, int(pid))


if path := os.environ.get(JOURNAL):
    keep(path)
