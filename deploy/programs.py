"""The command lines of the house's programs, the same under `make up` and in a soak."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CELERY = [sys.executable, "-m", "celery", "-A", "orchestrator"]


def web(port: int, host: str = "127.0.0.1") -> list[str]:
    return (
        [sys.executable, "-m", "uvicorn", "web.asgi:application", "--host", host]
        + ["--port", str(port), "--ws-max-size", "65536"]
        + ["--no-access-log", "--timeout-graceful-shutdown", "3"]
    )


def relay() -> list[str]:
    return [sys.executable, "manage.py", "relay"]


def beat(schedule: Path) -> list[str]:
    return [*CELERY, "beat", "-l", "WARNING", "-s", str(schedule)]


def worker(queue: str, name: str, threads: int) -> list[str]:
    """A Celery worker on one queue; `name` is "QUEUE@HOST", and a successor takes it over."""
    return [*CELERY, "worker", "--without-gossip", "--without-mingle", "-l", "INFO"] + [
        "-Q",
        queue,
        "-P",
        "threads",
        "-c",
        str(threads),
        "-n",
        name,
    ]
