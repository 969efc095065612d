"""The goal's folder: flat, atomic, and deaf to names and links that point elsewhere."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.tools import folder as module
from orchestrator.tools.base import FileProblem, ToolError
from orchestrator.tools.folder import GoalFolder, Overlay, kind_of, safe_name

HOSTILE = [
    *("", " ", ".", "..", "../a", "a/b", "/etc/passwd", "a\\b", "..\\a", ".hidden", "~/a/b"),
    *(
        "a\0b",
        "a\nb",
        "a\x1b[31m",
        "a\u202egnp.exe",
        "a\u200b",
        "C:a",
        "CON",
        "nul.txt",
        "com1.csv",
    ),
    *("a" * 121, "ä" * 120 + ".", "é" * 121, "a.", " a", "a ", "a?b", "<a>", "a\ud800", "日" * 100),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(folder, name):
    with pytest.raises(ToolError, match="is not a file name"):
        safe_name(name)
    for attempt in (lambda: folder.write(name, b"x"), lambda: folder.read(name)):
        with pytest.raises(FileProblem):
            attempt()
    assert not folder.root.exists() or os.listdir(folder.root) == []


@given(st.text(max_size=130))
def test_a_safe_name_stays_in_the_folder(name):
    try:
        safe_name(name)
    except ToolError:
        return
    assert Path("/goal", name).parent == Path("/goal")
    assert os.path.normpath(name) == name
    assert len(os.fsencode(name)) < 255


@pytest.mark.parametrize("name", ["totals.csv", "Größe 2026 (2).md", "a'b", "-rf", "日本.txt"])
def test_ordinary_names_are_kept(folder, name):
    folder.write(name, b"content")
    assert folder.read(name) == b"content"
    assert [entry.name for entry in folder.list()] == [name]


def test_a_folder_that_was_never_written_is_empty(folder):
    assert list(folder.list()) == []
    with pytest.raises(FileProblem, match="no such file"):
        folder.read("a.txt")


def test_writing_replaces_the_whole_file_and_leaves_nothing_else(folder):
    folder.write("a.txt", b"a long first version")
    folder.write("a.txt", b"short")
    assert folder.read("a.txt") == b"short"
    assert os.listdir(folder.root) == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file(folder, monkeypatch):
    folder.write("a.txt", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.write("a.txt", b"new")
    assert folder.read("a.txt") == b"old"
    assert os.listdir(folder.root) == ["a.txt"]


def test_links_and_what_is_no_plain_file_are_neither_listed_nor_read(folder, tmp_path):
    folder.write("a.txt", b"mine")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder.root / "link").symlink_to(tmp_path / "secret")
    (folder.root / "loop").symlink_to("loop")
    (folder.root / "sub").mkdir()
    os.mkfifo(folder.root / "pipe")
    assert [entry.name for entry in folder.list()] == ["a.txt"]
    for name in ("link", "loop", "sub", "pipe"):
        with pytest.raises(FileProblem):
            folder.read(name)


def test_writing_over_a_link_replaces_the_link(folder, tmp_path):
    folder.write("a.txt", b"mine")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder.root / "link").symlink_to(tmp_path / "secret")
    folder.write("link", b"new")
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert folder.read("link") == b"new"


def test_large_files_and_a_spent_quota_are_refused(tmp_path, monkeypatch):
    small = GoalFolder(tmp_path / "small", quota_bytes=10)
    small.write("a", b"12345678")
    with pytest.raises(FileProblem, match="would take more than"):
        small.write("b", b"123")
    small.write("a", b"1234567890")  # replacing counts the new size only
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 4)
    for files in (small, Overlay(small)):
        with pytest.raises(FileProblem, match="larger than"):
            files.write("c", b"12345")
    with pytest.raises(FileProblem, match="larger than"):
        small.read("a")
    assert [entry.size_bytes for entry in small.list()] == [10]


def test_an_overlay_hides_and_adds_without_touching_what_lies_beneath(folder):
    folder.write("a.txt", b"old")
    folder.write("b.txt", b"b")
    overlay = Overlay(folder)
    overlay.write("a.txt", b"newer")
    overlay.write("c.csv", b"x\n1\n")
    assert [(e.name, e.size_bytes, e.kind) for e in overlay.list()] == [
        ("a.txt", 5, "text"),
        ("b.txt", 1, "text"),
        ("c.csv", 4, "csv"),
    ]
    assert overlay.read("a.txt") == b"newer"
    assert overlay.read("b.txt") == b"b"
    assert folder.read("a.txt") == b"old"
    with pytest.raises(FileProblem):
        overlay.write("../a", b"")


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.pdf", b"%PDF-1.7\n...", "pdf"),
        ("a.txt", b"%PDF-1.7\n...", "pdf"),
        ("a.pdf", b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "png"),
        ("a.zip", zipped("[Content_Types].xml", "word/document.xml"), "docx"),
        ("a.bin", zipped("xl/workbook.xml"), "xlsx"),
        ("a.docx", zipped("a.txt"), "zip"),
        ("a.docx", b"PK\x03\x04 cut off", "zip"),
        ("a.csv", b"a,b\n1,2\n", "csv"),
        ("a.tsv", b"a\tb\n", "csv"),
        ("a.md", b"# Title", "md"),
        ("a.txt", b'{"a": 1}', "json"),
        ("a.txt", b"{not json", "text"),
        ("a.htm", b"<!DOCTYPE html><p>", "html"),
        ("a.txt", "Größe".encode("utf-16"), "text"),
        ("a.txt", "Größe".encode("latin-1"), "text"),
        ("a.txt", bytes(range(256)) * 4, "binary"),
        ("a.txt", b"", "empty"),
    ],
)
def test_the_kind_is_told_by_the_content(folder, name, content, kind):
    assert kind_of(name, content) == kind
    folder.write(name, content)
    assert [entry.kind for entry in folder.list()] == [kind]


def test_what_a_dead_writer_has_staged_goes_with_the_next_write(tmp_path, monkeypatch):
    files = GoalFolder(tmp_path)
    with monkeypatch.context() as death:
        death.setattr(module.os, "fsync", lambda _: os._exit(0))
        if (child := os.fork()) == 0:
            files.write("a.csv", b"half")
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(tmp_path.iterdir())) == 1 and list(files.list()) == []
    files.write("b.csv", b"of another")
    files.write("a.csv", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]
    assert files.read("a.csv") == b"whole"


def test_a_writer_that_froze_does_not_finish_what_another_has_done_since(tmp_path, monkeypatch):
    files = GoalFolder(tmp_path)
    fsync = os.fsync

    def freeze(descriptor):
        monkeypatch.setattr(module.os, "fsync", fsync)
        files.write("a.csv", b"newer")

    monkeypatch.setattr(module.os, "fsync", freeze)
    with pytest.raises(FileNotFoundError):
        files.write("a.csv", b"older")
    assert files.read("a.csv") == b"newer"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
