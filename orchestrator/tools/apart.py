"""Read a file in a process of its own: one that hangs, eats memory or breaks a library ends alone.

`python -m orchestrator.tools.apart PATH NAME` prints the reading as JSON, or {"problem": "..."}.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from orchestrator.tools.formats import Unreadable
from orchestrator.tools.structure import Reading, read
from staff.domain.passages import Block

logger = logging.getLogger(__name__)

TIMEOUT_S = 120.0
MEMORY_BYTES = 2 * 2**30
CHECKOUT = Path(__file__).resolve().parents[2]


def read_apart(path: Path, name: str, timeout_s: float = TIMEOUT_S) -> Reading:
    """What the file at `path` says, `name` being what the boss calls it.

    Raises Unreadable with a plain reason, also where the reader took too long or died.
    """
    command = [sys.executable, "-m", "orchestrator.tools.apart", str(path), name]
    try:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise Unreadable(
            f"reading it took longer than {timeout_s:.0f} seconds; split it, or save it anew."
        ) from None
    try:
        told = json.loads(done.stdout)
    except ValueError:
        logger.warning("a reader ended with %s: %s", done.returncode, done.stderr[-2000:].decode())
        raise Unreadable(
            "reading it broke the reader, or took more memory than there is for one document; "
            "split it, or save it anew."
        ) from None
    if problem := told.get("problem"):
        raise Unreadable(problem)
    blocks = [Block(**row | {"heading": tuple(row["heading"])}) for row in told.pop("blocks")]
    return Reading(blocks=blocks, **told)


def main(path: str, name: str) -> None:
    os.nice(5)  # the staff at work goes first
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(TIMEOUT_S), int(TIMEOUT_S)))  # if nobody waits
    sys.setrecursionlimit(3_000)
    try:
        told = asdict(read(name, Path(path).read_bytes()))
    except Unreadable as why:
        told = {"problem": str(why)}
    except RecursionError:
        told = {"problem": "its parts lie too deep in each other; save it anew in a plain form."}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
