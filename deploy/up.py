"""`make up`: start everything on this machine under one supervisor, and stop it on Ctrl-C.

The order matters only at the start: database and broker, then migrations, then the office (web,
relay, beat, workers). After that supervisord keeps each process alive.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy import programs, services
from deploy.programs import CHECKOUT
from deploy.services import Layout

FIRST_PORT, LAST_PORT = 8000, 8099
STAFF_THREADS = 8
OFFICE_THREADS = 2


class CannotStart(Exception):
    """The installation cannot start; the message says what to do."""


def say(text: str) -> None:
    print(f"forestaff: {text}", flush=True)


def main() -> int:
    layout = Layout.of(Path(os.environ.get("FORESTAFF_DATA", CHECKOUT / ".forestaff")))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Installation(layout) as installation:
            installation.start()
            return installation.wait()
    except KeyboardInterrupt:
        return 0
    except CannotStart as reason:
        say(str(reason))
        return 1


class Installation:
    """One running installation: its lock, its supervisor, its addresses."""

    def __init__(self, layout: Layout):
        self.layout = layout
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.env = os.environ | {
            "FORESTAFF_DATA": str(layout.data),
            "DJANGO_SETTINGS_MODULE": "web.settings",
            "PYTHONUNBUFFERED": "1",
        }

    def __enter__(self) -> Installation:
        self.lock = (self.layout.run / "lock").open("a+")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                f"already running on {self.layout.data}. Stop it with Ctrl-C in its window, "
                "or set FORESTAFF_DATA to another folder."
            ) from None
        self.layout.addresses.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one Ctrl-C is enough
        if self.supervisor and self.supervisor.poll() is None:
            say("stopping ...")
            self.supervisor.terminate()
            try:
                self.supervisor.wait(60)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
        self.layout.addresses.unlink(missing_ok=True)
        self.lock.close()
        say("stopped")

    def start(self) -> None:
        port = self.choose_port()
        web_url = os.environ.get("FORESTAFF_URL", f"http://127.0.0.1:{port}")
        redis_url, valkey_port, password = services.valkey_address()
        embedded = []
        if "DATABASE_URL" not in os.environ:
            embedded.append("postgres")
        if "REDIS_URL" in os.environ:
            redis_url = os.environ["REDIS_URL"]
        else:
            embedded.append("valkey")
        self.env["FORESTAFF_PORT"] = str(port)
        self.write_configuration(port, services.valkey_command(self.layout, valkey_port, password))
        self.supervisor = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-s", "-c", self.configuration],
            cwd=CHECKOUT,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.until("the supervisor answers", lambda: self.rpc().getState() is not None, 20)
        for name in embedded:
            self.rpc().startProcess(name, False)
        say(f"starting {' and '.join(embedded) or 'with external services'} ...")
        database_url = os.environ.get("DATABASE_URL") or self.embedded_database()
        services.publish(
            self.layout, {"database_url": database_url, "redis_url": redis_url, "web_url": web_url}
        )
        self.env |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        self.manage("migrate", "--verbosity", "0")
        self.manage("open_office")
        for name in ("web", "relay", "beat", "office"):
            self.rpc().startProcess(name, False)
        self.fetch_model()
        self.rpc().startProcess("staff", False)
        self.until(f"{web_url} answers", lambda: answers(port), 60)
        say(f"ready at {web_url}")
        say("sign in with this link (it works once): " + self.manage("sign_in_link").strip())
        say(f"logs are in {self.layout.logs}. Ctrl-C stops everything.")

    def wait(self) -> int:
        """Watch until Ctrl-C; say once when a process cannot be kept alive."""
        assert self.supervisor is not None
        reported: set[str] = set()
        while self.supervisor.poll() is None:
            time.sleep(2)
            try:
                for process in self.rpc().getAllProcessInfo():
                    if process["statename"] == "FATAL" and process["name"] not in reported:
                        reported.add(process["name"])
                        say(f"{process['name']} keeps failing; its log ends:")
                        print(tail(self.layout.logs / f"{process['name']}.log"), flush=True)
            except (OSError, xmlrpc.client.Error):
                continue
        return 1

    def choose_port(self) -> int:
        if given := os.environ.get("FORESTAFF_PORT"):
            try:
                return services.free_port(int(given))
            except (OSError, ValueError):
                raise CannotStart(
                    f"port {given} is taken or not a port. Set FORESTAFF_PORT to a free one, "
                    "or leave it out to have one chosen."
                ) from None
        for port in range(FIRST_PORT, LAST_PORT):
            try:
                return services.free_port(port)
            except OSError:
                continue
        return services.free_port()

    @property
    def configuration(self) -> str:
        return str(self.layout.run / "supervisord.conf")

    def write_configuration(self, port: int, valkey: list[str]) -> None:
        bind = os.environ.get("FORESTAFF_BIND", "127.0.0.1")
        celery = {"stopsignal": "QUIT"}
        commands: dict[str, tuple[list[str], dict[str, str]]] = {
            "postgres": ([sys.executable, "-m", "deploy.postgres"], {"priority": "1"}),
            "valkey": (valkey, {"priority": "2"}),
            "relay": (programs.relay(), {}),
            "beat": (programs.beat(self.layout.run / "beat"), {}),
            "office": (programs.worker("office", "office@%%h", OFFICE_THREADS), celery),
            "staff": (programs.worker("staff", "staff@%%h", STAFF_THREADS), celery),
            "web": (programs.web(port, bind), {}),
        }
        common = {
            "directory": str(CHECKOUT),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": "2",
            "startretries": "10",
            "stopwaitsecs": "20",
            "stopasgroup": "false",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "2",
        }
        socket = self.layout.socket("supervisor.sock")
        lines = [
            "[supervisord]",
            f"logfile={self.layout.logs / 'supervisord.log'}",
            f"pidfile={self.layout.run / 'supervisord.pid'}",
            f"childlogdir={self.layout.logs}",
            "[unix_http_server]",
            f"file={socket}",
            "chmod=0600",
            "[supervisorctl]",
            f"serverurl=unix://{socket}",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for name, (command, options) in commands.items():
            log = {"stdout_logfile": str(self.layout.logs / f"{name}.log")}
            settings = {"command": shlex.join(command)} | common | log | options
            lines += [f"[program:{name}]", *(f"{key}={value}" for key, value in settings.items())]
        Path(self.configuration).write_text("\n".join(lines) + "\n")

    def rpc(self) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        socket = self.layout.socket("supervisor.sock")
        transport = SupervisorTransport(None, None, f"unix://{socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def embedded_database(self) -> str:
        """Attach to the server that the supervisor is starting; whoever is first starts it."""
        try:
            return services.postgres_url(services.start_postgres(self.layout))
        except Exception as reason:
            raise CannotStart(
                f"PostgreSQL does not start ({reason}). See {self.layout.postgres / 'log'}."
            ) from reason

    def until(self, what: str, condition: Callable[[], Any], seconds: float) -> None:
        """Wait for a condition. Raises CannotStart with the newest log lines when time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except (OSError, xmlrpc.client.Error):
                pass
            time.sleep(0.1)
        raise CannotStart(f"waited {seconds:.0f} s until {what}. See {self.layout.logs}.")

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.env,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise CannotStart(f"manage.py {arguments[0]} failed:\n{done.stderr.strip()[-2000:]}")
        return done.stdout

    def fetch_model(self) -> None:
        """Fetch the default model with its progress bar. Without it the office still opens."""
        done = subprocess.run(
            [sys.executable, "manage.py", "models", "pull"], cwd=CHECKOUT, env=self.env
        )
        if done.returncode:
            say("the model is not there yet: the office opens, but goals wait until it is.")


def answers(port: int) -> bool:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as response:
        return bool(response.status == 200)


def tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


if __name__ == "__main__":
    sys.exit(main())
