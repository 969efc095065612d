"""Which folders may be watched, and what of them is ever read."""

from __future__ import annotations

import os

import pytest

from orchestrator import watching
from orchestrator.tools.base import FileProblem
from orchestrator.watching import FolderProblem


@pytest.fixture
def inbox(settings, tmp_path):
    """What workspace 1 may watch; workspace 2 has its own beside it, and /shared as a whole."""
    settings.WATCH_FOLDERS = [str(tmp_path / "inbox"), f"2={tmp_path / 'shared'}"]
    watching.check(1, "in")
    watching.check(2, str(tmp_path / "shared"))
    return tmp_path / "inbox" / "1" / "in"


def names(workspace_id, folder):
    return [file.name for file in watching.look(workspace_id, str(folder))]


def test_a_folder_is_made_where_it_is_named(inbox):
    assert inbox.is_dir()
    (inbox / "a.txt").write_text("one")
    assert names(1, "in") == names(1, inbox) == ["a.txt"]


def test_each_workspace_has_its_own(inbox, tmp_path):
    assert watching.roots_of(1) == [tmp_path / "inbox" / "1"]
    assert watching.roots_of(2) == [tmp_path / "inbox" / "2", tmp_path / "shared"]
    (inbox / "a.txt").write_text("one")
    for folder in (inbox, "../1/in", tmp_path / "inbox", tmp_path / "inbox" / "2" / ".." / "1"):
        with pytest.raises(FolderProblem):
            watching.look(2, str(folder))
    watching.check(2, "in")
    assert names(2, "in") == []


@pytest.mark.parametrize("folder", ["/etc", "..", "in/../..", "", "  ", "a\0b", "~/x/../.."])
def test_other_folders_are_refused(inbox, folder):
    with pytest.raises(FolderProblem):
        watching.check(1, folder)


def test_a_refusal_names_what_is_allowed(inbox, tmp_path):
    with pytest.raises(FolderProblem, match="FORESTAFF_WATCH") as refused:
        watching.check(1, "/etc")
    assert str(tmp_path / "inbox" / "1") in str(refused.value)


@pytest.mark.parametrize("depth", ["here", "deeper"])
def test_a_link_to_elsewhere_is_not_followed(inbox, tmp_path, depth):
    secret = tmp_path / "secret"
    (secret / "deeper").mkdir(parents=True)
    (secret / "deeper" / "key.txt").write_text("key")
    (inbox / "link").symlink_to(secret)
    folder = inbox / "link" if depth == "here" else inbox / "link" / "deeper"
    for ask in (watching.check, watching.look):
        with pytest.raises(FolderProblem, match="a link"):
            ask(1, str(folder))
    assert not (secret / "made").exists()
    with pytest.raises(FolderProblem):
        watching.check(1, str(inbox / "link" / "made"))
    assert not (secret / "made").exists()


def test_links_and_pipes_in_the_folder_are_named_not_read(inbox, tmp_path):
    (tmp_path / "secret.txt").write_text("key")
    (inbox / "link.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(inbox / "pipe")
    link, pipe = watching.look(1, "in")
    assert "a link" in link.problem and "no plain file" in pipe.problem
    for found in (link, pipe):
        with pytest.raises(FileProblem):
            watching.read(1, "in", found)


def test_a_file_that_became_a_link_after_the_look_is_not_read(inbox, tmp_path):
    (tmp_path / "secret.txt").write_text("key")
    (inbox / "a.txt").write_text("one")
    (found,) = watching.look(1, "in")
    (inbox / "a.txt").unlink()
    (inbox / "a.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(FileProblem):
        watching.read(1, "in", found)


def test_a_file_that_changed_after_the_look_is_left_for_the_next(inbox):
    (inbox / "a.txt").write_text("one")
    (found,) = watching.look(1, "in")
    assert watching.read(1, "in", found) == b"one"
    (inbox / "a.txt").write_text("one and more")
    assert watching.read(1, "in", found) is None
    (inbox / "a.txt").unlink()
    assert watching.read(1, "in", found) is None


def test_hidden_and_unfinished_files_and_folders_do_not_count(inbox):
    for name in (".hidden", "film.part", "page.CRDOWNLOAD", "~$letter.docx", "b.tmp", "ok.txt"):
        (inbox / name).write_text("x")
    (inbox / "folder").mkdir()
    assert names(1, "in") == ["ok.txt"]


def test_too_large_and_empty_files_are_named(inbox, monkeypatch):
    monkeypatch.setattr(watching, "MAX_FILE_BYTES", 3)
    (inbox / "empty.txt").touch()
    (inbox / "large.txt").write_text("four")
    (inbox / "right.txt").write_text("one")
    problems = [file.problem for file in watching.look(1, "in")]
    assert "empty" in problems[0] and "larger than" in problems[1] and problems[2] == ""


def test_a_name_that_is_no_text_is_shown_as_far_as_it_can_be(inbox):
    with open(os.fsencode(inbox) + b"/caf\xe9.txt", "wb") as file:
        file.write(b"x")
    (found,) = watching.look(1, "in")
    assert found.name == "caf�.txt" and "rename it" in found.problem


def test_a_folder_that_went_away_or_is_a_file(inbox):
    inbox.rmdir()
    with pytest.raises(FolderProblem, match="no folder in any more"):
        watching.look(1, "in")
    inbox.write_text("a file")
    with pytest.raises(FolderProblem, match="is a file or a link"):
        watching.look(1, "in")


def test_a_folder_with_too_many_files(inbox, monkeypatch):
    monkeypatch.setattr(watching, "MAX_ENTRIES", 2)
    for n in range(3):
        (inbox / f"{n}.txt").write_text("x")
    with pytest.raises(FolderProblem, match="move old ones"):
        watching.look(1, "in")
