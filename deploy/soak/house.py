"""A whole house in a temporary folder, every process of it in our hands.

    with House(workers=2, has_web=True) as house:
        house.kill("staff@1")          # kill -9; it is started again, as a supervisor would
        house.restart_broker()         # kill -9, and what it held is gone
        house.crash_database()         # immediate stop, then recovery

Nothing here touches the installation that `make up` runs. The folder goes when the house closes,
also after Ctrl-C; after a failure its logs stay.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy import programs, services
from deploy.programs import CHECKOUT
from deploy.services import Layout

LOOK_EVERY_S = 0.05
RESTART_AFTER_S = 0.5  # a program that dies again and again is not started more often than this
STOP_WITHIN_S = 20.0
OUTSIDE = ("DATABASE_URL", "REDIS_URL", "MODEL")  # not ours; nor is anything FORESTAFF_...


class HouseFailed(Exception):
    """The house cannot start, or did not come to a state in time; the message says which."""


@dataclass
class Restart:
    """A program that died and was started again, in seconds of `time.monotonic`."""

    name: str
    died_at: float
    started_at: float
    exit_code: int


@dataclass
class Program:
    """A program of the house. `stop_signal` is its polite one; `is_wanted`: start it again."""

    name: str
    command: list[str]
    stop_signal: signal.Signals = signal.SIGTERM
    is_wanted: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    started_at: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class House:
    """
    workers:   how many staff workers (staff@1, staff@2, ...), each with `threads` threads
    has_web:   whether a real uvicorn answers at `web_url`
    env:       more environment for every process, such as {"FORESTAFF_LEASE_S": "20"}
    is_durable: whether the broker keeps what it holds when it is restarted
    restarts:  every program that died and came back
    """

    def __init__(
        self,
        *,
        workers: int = 0,
        threads: int = 4,
        has_web: bool = False,
        env: Mapping[str, str] = {},
        is_durable: bool = False,
        keep: bool = False,
    ):
        self.layout = Layout.of(_public_folder())
        atexit.register(shutil.rmtree, self.layout.runtime, ignore_errors=True)
        self.keep = keep
        self.restarts: list[Restart] = []
        self.programs: dict[str, Program] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        redis_url, self.broker_port, password = services.valkey_address()
        self.web_port = services.free_port()
        self.web_url = f"http://127.0.0.1:{self.web_port}"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in OUTSIDE and not name.startswith("FORESTAFF_")
        }
        self.env = inherited | {
            "FORESTAFF_DATA": str(self.layout.data),
            "FORESTAFF_PORT": str(self.web_port),
            "FORESTAFF_URL": self.web_url,
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "web.settings",
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        valkey = services.valkey_command(
            self.layout, self.broker_port, password, is_durable=is_durable
        )
        self._add("valkey", valkey)
        self._add("relay", programs.relay())
        self._add("beat", programs.beat(self.layout.run / "beat"))
        self._add("office", programs.worker("office", "office@1", 2), signal.SIGQUIT)
        for number in range(1, workers + 1):
            name = f"staff@{number}"
            self._add(name, programs.worker("staff", name, threads), signal.SIGQUIT)
        if has_web:
            self._add("web", programs.web(self.web_port))

    # Opening and closing

    def __enter__(self) -> House:
        try:
            self._open()
        except BaseException:
            self.keep = True
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _open(self) -> None:
        self._supervisor.start()
        self.database = services.start_postgres(self.layout, cleanup_mode="stop")
        self.env["DATABASE_URL"] = services.postgres_url(self.database)
        self.start("valkey")
        self.until("the broker answers", lambda: _answers(self.broker_port), 10)
        self.manage("migrate", "--verbosity", "0")
        self.manage("open_office")

    def start_all(self) -> None:
        """Start every program; returns when the web answers, if there is one."""
        for name in self.programs:
            self.start(name)
        if "web" in self.programs:
            self.until("the web answers", self.web_answers, 60)

    def __exit__(self, kind: Any = None, reason: Any = None, trace: Any = None) -> None:
        self._closing.set()
        for program in reversed(self.programs.values()):
            if program.is_running:
                self._signal(program, signal.SIGCONT)
                self._signal(program, signal.SIGKILL)
        for program in self.programs.values():
            if program.process:
                program.process.wait(STOP_WITHIN_S)
        if database := getattr(self, "database", None):
            database.stop()
        if self.keep or (kind is not None and kind is not KeyboardInterrupt):
            for folder in (self.layout.postgres, self.layout.valkey):
                shutil.rmtree(folder, ignore_errors=True)
        else:
            shutil.rmtree(self.layout.data, ignore_errors=True)

    # What can be done to a program

    def start(self, name: str) -> None:
        """Start a program and keep it alive from now on."""
        with self._lock:
            program = self.programs[name]
            program.is_wanted = True
            if not program.is_running:
                self._spawn(program)

    def stop(self, name: str, within_s: float = STOP_WITHIN_S) -> None:
        """Ask a program to end, and wait until it has. It is not started again."""
        program = self.programs[name]
        with self._lock:
            program.is_wanted = False
            self._signal(program, program.stop_signal)
        try:
            if program.process:
                program.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise HouseFailed(f"{name} did not stop within {within_s:.0f} s") from None

    def kill(self, name: str, *, stays_dead: bool = False) -> int:
        """kill -9. Unless it stays dead, it is started again. Returns the pid that was killed."""
        with self._lock:
            program = self.programs[name]
            if not program.is_running or program.process is None:
                raise HouseFailed(f"{name} does not run: nothing to kill")
            program.is_wanted = not stays_dead
            self._signal(program, signal.SIGKILL)
            return program.process.pid

    def freeze(self, name: str) -> None:
        """SIGSTOP: it lives but does nothing, as on a machine that swaps or sleeps."""
        self._signal(self.programs[name], signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._signal(self.programs[name], signal.SIGCONT)

    def is_running(self, name: str) -> bool:
        return self.programs[name].is_running

    # What can be done to the services

    def restart_broker(self, *, away_s: float = 0.0) -> None:
        """kill -9 of the broker, and a new one at the same address after a while. What it held is
        lost unless it is durable. Returns when the new one answers."""
        program = self.programs["valkey"]
        self.kill("valkey", stays_dead=True)
        assert program.process is not None
        program.process.wait(STOP_WITHIN_S)
        time.sleep(away_s)
        self.start("valkey")
        self.until("the broker is back", lambda: _answers(self.broker_port), 10)

    def crash_database(self, *, away_s: float = 0.0) -> None:
        """Immediate stop of the database; returns when it has recovered."""
        services.crash_postgres(self.database)
        time.sleep(away_s)
        services.restart_postgres(self.database)

    # What can be asked of the house

    def web_answers(self) -> bool:
        return _answers(self.web_port)

    def manage(self, *arguments: str, timeout_s: float = 300) -> str:
        """The output of a manage.py command. Raises HouseFailed with its error."""
        done = self.run([sys.executable, "manage.py", *arguments], timeout_s)
        if done.returncode:
            raise HouseFailed(f"manage.py {arguments[0]}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def run(self, command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=CHECKOUT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def until(self, what: str, condition: Callable[[], Any], within_s: float) -> float:
        """Wait for a condition. Returns the seconds that took. Raises HouseFailed."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > within_s:
                raise HouseFailed(f"waited {within_s:.0f} s in vain until {what}")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - started

    def use_here(self) -> None:
        """Let this process be one of the house: Django's settings are read after this."""
        os.environ.update(self.env)
        import django

        django.setup()

    def last_lines(self, count: int = 12) -> str:
        """The end of every log, for whoever asks why it failed."""
        parts = []
        for path in sorted(self.layout.logs.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-count:]
            parts.append("\n".join([f"--- {path}", *lines]))
        return "\n".join(parts)

    # Inside

    def _add(
        self, name: str, command: list[str], stop_signal: signal.Signals = signal.SIGTERM
    ) -> None:
        self.programs[name] = Program(name, command, stop_signal)

    def _spawn(self, program: Program) -> None:
        with (self.layout.logs / f"{program.name}.log").open("ab") as log:
            program.process = subprocess.Popen(
                program.command,
                cwd=CHECKOUT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # our Ctrl-C is not theirs
            )
        program.started_at = time.monotonic()

    def _signal(self, program: Program, number: signal.Signals) -> None:
        if program.is_running and program.process:
            program.process.send_signal(number)

    def _supervise(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            with self._lock:
                for program in list(self.programs.values()):
                    if program.is_wanted and not program.is_running and not self._closing.is_set():
                        self._start_again(program)

    def _start_again(self, program: Program) -> None:
        now = time.monotonic()
        if program.process is None or now - program.started_at < RESTART_AFTER_S:
            return
        code = program.process.returncode
        self._spawn(program)
        self.restarts.append(Restart(program.name, now, program.started_at, code))


def _public_folder() -> Path:
    """A temporary folder that the database can reach when it runs as another user."""
    folder = Path(tempfile.mkdtemp(prefix="forestaff-soak-"))
    folder.chmod(0o755)
    return folder


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
