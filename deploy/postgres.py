"""`python -m deploy.postgres`: the embedded PostgreSQL, as long as this process runs."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import psutil

from deploy.services import Layout, start_postgres


def main() -> int:
    layout = Layout.of(Path(os.environ["FORESTAFF_DATA"]))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    server = start_postgres(layout)
    print("PostgreSQL is ready", flush=True)
    while not stopping.wait(0.5):
        if not psutil.pid_exists(server.get_pid()):
            print("PostgreSQL died; the supervisor starts it again", flush=True)
            return 1
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
