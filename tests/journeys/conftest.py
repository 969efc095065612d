"""A whole house for the journeys: what `make up` starts, in a folder of its own, with a small
real model, and a real browser to look at it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
MODEL = os.environ.get("FORESTAFF_TEST_MODEL", "smollm2-135m-instruct")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class House:
    """A running installation: its processes, its address, its command line."""

    def __init__(self, data: Path):
        self.data = data
        outside = ("DATABASE_URL", "REDIS_URL", "FORESTAFF_URL", "FORESTAFF_PORT")
        self.env = {k: v for k, v in os.environ.items() if k not in outside}
        self.env |= {"FORESTAFF_DATA": str(data), "MODEL": MODEL, "FORESTAFF_LEASE_S": "20"}
        self.start()

    def start(self) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.up"],
            cwd=CHECKOUT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if "Ctrl-C stops" in line:
                break
        else:
            pytest.fail("the house did not open:\n" + "\n".join(self.lines))
        ready = next(line for line in self.lines if "ready at " in line)
        self.url = ready.split("ready at ")[1]

    def stop(self) -> None:
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        self.process.wait(90)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, f"left behind: {alive}"

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def sign_in_link(self) -> str:
        return self.manage("sign_in_link").stdout.strip()

    def api(self) -> httpx.Client:
        token = self.manage("token", "create", "journey").stdout.strip()
        return httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    def worker(self, name: str) -> psutil.Process:
        """The supervised process of that name, once there is one: it may just be starting anew."""
        return until(lambda: self._alive(name), 60)

    def _alive(self, name: str) -> psutil.Process | None:
        listed = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisorctl", "-c"]
            + [str(self.data / "run" / "supervisord.conf"), "pid", name],
            capture_output=True,
            text=True,
        )
        with suppress(ValueError, psutil.NoSuchProcess):  # it has none, or just died
            return psutil.Process(int(listed.stdout))
        return None


def until(condition, seconds: float = 120, every: float = 0.2):
    """Wait for a condition and return its value. Fails the test when time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(every)
    pytest.fail(f"waited {seconds} s in vain")


def has_model() -> bool:
    from orchestrator.inference.catalogue import Catalogue

    return Catalogue.load().get(MODEL).verified_path() is not None


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    if not has_model():
        subprocess.run(
            [sys.executable, "manage.py", "models", "pull", MODEL], cwd=CHECKOUT, check=False
        )
    if not has_model():
        if os.environ.get("FORESTAFF_NEED_MODEL"):
            pytest.fail(f"{MODEL} cannot be had, and FORESTAFF_NEED_MODEL is set")
        pytest.skip(f"NO MODEL: {MODEL} cannot be fetched, the journeys are NOT tested")
    data = tmp_path_factory.mktemp("house")
    for folder in (data, *data.parents[:2]):
        folder.chmod(0o755)  # as root, the database runs as another user
    house = House(data)
    yield house
    house.stop()


@pytest.fixture
def browser():
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if chromium is None:
        if os.environ.get("FORESTAFF_NEED_BROWSER"):
            pytest.fail("no Chromium here, and FORESTAFF_NEED_BROWSER is set")
        pytest.skip("NO BROWSER: install Chromium; the browser journeys are NOT tested")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def last_json(output: str) -> dict:
    return json.loads(output.strip().splitlines()[-1])
