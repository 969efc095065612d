"""How many threads a model may use, and how they wait for each other.

Two ggml threads meet at a barrier some hundred times per token. OpenMP's default is to spin there
for a long time: best on a quiet machine, ruinous when the other thread waits for a core that the
web server or the database is using. Sleeping at once is as bad on a quiet machine. A short spin
keeps the speed of the first and most of what can be had in the second; docs/LOG.md has the table.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

SPIN_COUNT = 3000
MOST_THREADS = 16  # beyond this, memory bandwidth is the limit
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def wait_briefly() -> None:
    """Set how OpenMP threads wait, unless the boss did. Must run before llama.cpp is loaded."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))


def usable_cores(cpu_max: Path = _CPU_MAX) -> int:
    """Cores that this process may really use: its affinity, and its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        quota, period = cpu_max.read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass  # not in a container with cgroup v2, or no quota ("max")
    return max(1, min(cores, MOST_THREADS))
