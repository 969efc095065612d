"""An office of its own for a benchmark: a fresh PostgreSQL in a temporary folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dj_database_url
from django.core.management import call_command
from django.db import connections

from deploy import services
from staff.actions import people
from staff.models import User


@contextmanager
def temporary_office() -> Iterator[User]:
    """The boss of an empty installation. All database work of this process goes there."""
    data = Path(tempfile.mkdtemp(prefix="forestaff-bench-"))
    data.chmod(0o755)  # the database runs as another user where this process runs as root
    layout = services.Layout.of(data)
    server = services.start_postgres(layout, cleanup_mode="stop")
    known = connections["default"].settings_dict
    before = dict(known)
    try:
        connections.close_all()
        known.update(dj_database_url.parse(services.postgres_url(server)))
        call_command("migrate", verbosity=0)
        yield people.open_office()
    finally:
        connections.close_all()
        known.clear()
        known.update(before)
        server.stop()
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(layout.runtime, ignore_errors=True)
