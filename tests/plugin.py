"""Real services for the tests: one PostgreSQL and one Valkey in a temporary folder.

Loaded with `-p tests.plugin`, before Django's settings are. Parallel test processes inherit the
addresses from the first one; the process that started the services stops them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from deploy import services

MARK = "FORESTAFF_TEST_SERVICES"


_stop: list[Callable[[], None]] = []


def start() -> None:
    data = Path(tempfile.mkdtemp(prefix="forestaff-test-"))
    data.chmod(0o755)  # the database runs as another user where the tests run as root
    layout = services.Layout.of(data)
    os.environ[MARK] = str(data)
    os.environ["FORESTAFF_DATA"] = str(data)
    os.environ["DJANGO_SETTINGS_MODULE"] = "web.settings"
    atexit.register(shutil.rmtree, layout.runtime, ignore_errors=True)  # after the database's own
    server = services.start_postgres(layout, cleanup_mode="stop")
    url, port, password = services.valkey_address()
    valkey = subprocess.Popen(
        services.valkey_command(layout, port, password),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ["DATABASE_URL"] = services.postgres_url(server)
    os.environ["REDIS_URL"] = url
    _wait_for(port)

    def stop() -> None:
        valkey.terminate()
        valkey.wait(10)
        server.stop()
        shutil.rmtree(data, ignore_errors=True)

    _stop.append(stop)


def pytest_unconfigure() -> None:
    while _stop:
        _stop.pop()()


def _wait_for(port: int) -> None:
    import socket

    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


if MARK not in os.environ:
    start()
