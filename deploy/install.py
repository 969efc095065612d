"""Set up `.venv`: everything from wheels at once, llama.cpp compiled meanwhile.

Run by make with the system's Python: `python3 deploy/install.py [--dev] [--worldmodel]`; the tests
need the world model's PyTorch, so --dev brings it. A stamp file makes the
second run a matter of milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
LLAMA = "llama-cpp-python"
# Only libllama and ggml are used: without the vision and command-line parts the build takes a
# fifth of the time. Add flags for a GPU through CMAKE_ARGS; see docs/gpu.md.
LEAN_BUILD = f"-DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama.cpp_INCLUDE={CHECKOUT}/deploy/lean.cmake"


class CannotInstall(Exception):
    """Something on this machine is missing; the message says what to install."""


def say(text: str) -> None:
    print(f"forestaff: {text}", flush=True)


def main() -> int:
    groups = ["worldmodel"] if {"--dev", "--worldmodel"} & set(sys.argv) else []
    groups += ["dev"] if "--dev" in sys.argv else []
    try:
        install(groups)
    except CannotInstall as reason:
        say(str(reason))
        return 1
    return 0


def install(groups: list[str]) -> None:
    if sys.version_info < (3, 11):
        raise CannotInstall(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    kinds = ["base", "worldmodel", "dev"]  # each holds what stands before it
    kind = kinds[len(groups)]
    wanted = fingerprint()
    stamps = [VENV / f".installed-{better}" for better in kinds[kinds.index(kind) :]]
    if any(stamp.exists() and stamp.read_text() == wanted for stamp in stamps):
        return
    started = time.monotonic()
    make_venv()
    build = None if llama_is_there() else LlamaBuild()
    say("installing packages ...")
    requirements = VENV / "requirements.txt"
    requirements.write_text("\n".join(dependencies(groups)) + "\n")
    pip("install", "-r", str(requirements))
    if build:
        build.finish()
        pip("install", "--find-links", str(build.wheels), llama_requirement())
        shutil.rmtree(build.wheels, ignore_errors=True)
    stamps[0].write_text(wanted)
    say(f"installed in {time.monotonic() - started:.0f} s")


def fingerprint() -> str:
    return hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes()).hexdigest()


def make_venv() -> None:
    if PYTHON.exists():
        return
    say("making .venv ...")
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise CannotInstall(
            "Python cannot make virtual environments here. On Debian and Ubuntu: "
            f"apt install python3-venv python3-dev.\n{(done.stderr or done.stdout).strip()}"
        )
    pip("install", "--upgrade", "pip>=25.1")


def project() -> dict:
    import tomllib

    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


def llama_requirement() -> str:
    return next(d for d in project()["project"]["dependencies"] if d.startswith(LLAMA))


def dependencies(groups: list[str]) -> list[str]:
    """All requirements but llama-cpp-python, which is compiled beside them."""
    wanted = [d for d in project()["project"]["dependencies"] if not d.startswith(LLAMA)]
    return wanted + [d for group in groups for d in project()["dependency-groups"][group]]


def llama_is_there() -> bool:
    version = llama_requirement().partition("==")[2]
    code = f"import importlib.metadata as m; assert m.version('{LLAMA}') == '{version}'"
    return subprocess.run([str(PYTHON), "-c", code], capture_output=True).returncode == 0


def pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments, "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CannotInstall(
            "pip could not install the packages; is the package index in reach?\n"
            + "\n".join(done.stderr.strip().splitlines()[-15:])
        )


class LlamaBuild:
    """Compiles llama-cpp-python in the background and says how far it is."""

    def __init__(self) -> None:
        if not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++")):
            raise CannotInstall(
                "a C++ compiler is needed for llama.cpp. On Debian and Ubuntu: "
                "apt install g++ make git. On macOS: xcode-select --install."
            )
        say("compiling llama.cpp in the background (once; two to five minutes on two cores) ...")
        self.wheels = VENV / "llama-wheel"
        self.log = VENV / "llama-build.log"
        self.done = 0
        self.total = 0
        cores = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        self.process = subprocess.Popen(
            [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "wheel", "-v", "--no-deps"]
            + ["-w", str(self.wheels), llama_requirement()],
            env=os.environ
            | {
                "CMAKE_ARGS": f"{LEAN_BUILD} {os.environ.get('CMAKE_ARGS', '')}",
                "CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", cores),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.reader = threading.Thread(target=self.follow, daemon=True)
        self.reader.start()

    def follow(self) -> None:
        """Keep the log and the counter of compiled files (ninja's [n/m], or make's [ n%])."""
        with self.log.open("w") as log:
            for line in self.process.stdout or ():
                log.write(line)
                if found := re.search(r"\[(\d+)/(\d+)\]", line):
                    self.done, self.total = int(found[1]), int(found[2])
                elif found := re.search(r"\[ *(\d+)%\]", line):
                    self.done, self.total = int(found[1]), 100

    def finish(self) -> None:
        shown = -1
        while self.process.poll() is None:
            if self.total and self.done != shown:
                shown = self.done
                end = "\r" if sys.stdout.isatty() else "\n"
                print(f"forestaff: compiling llama.cpp: {shown}/{self.total}", end=end, flush=True)
            time.sleep(1 if sys.stdout.isatty() else 15)
        self.reader.join(10)
        if self.process.returncode:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
            raise CannotInstall(f"llama.cpp did not compile; the log is {self.log}:\n{tail}")


if __name__ == "__main__":
    sys.exit(main())
