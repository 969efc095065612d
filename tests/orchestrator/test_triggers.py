"""From a file, a moment or a call to a goal with its files in place."""

from __future__ import annotations

import io
from datetime import timedelta
from hashlib import sha256

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestrator import dispatch, intake, triggers, watching
from orchestrator.intake import GivenFile
from orchestrator.tasks import fire_routines
from orchestrator.tools.folder import GoalFolder
from staff.actions import routines
from staff.actions.goals import GoalRefused
from staff.actions.routines import RoutineRefused
from staff.models import Firing, Goal, Routine, Sighting
from tests.staff.actions.test_routines import made, overdue


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.GOALS_DIR = tmp_path / "goals"
    settings.WATCH_FOLDERS = [str(tmp_path / "inbox")]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture
def watch(boss, office):
    routine = Routine(workspace=office, trigger="folder")
    terms = {"name": "Scans", "text": "File {files}", "folder": "scans"}
    return triggers.save(routine, boss, **terms)


@pytest.fixture
def inbox(watch, office, tmp_path):
    return tmp_path / "inbox" / str(office.pk) / "scans"


def look(seconds=3):
    """The beat's next look, as if that long after the last."""
    for sighting in Sighting.objects.all():
        earlier = sighting.seen_at - timedelta(seconds=seconds)
        Sighting.objects.filter(pk=sighting.pk).update(seen_at=earlier)
    fire_routines()
    return Goal.objects.count()


def test_a_file_becomes_a_goal_with_the_file_attached_and_stays_where_it_is(watch, inbox):
    (inbox / "one.txt").write_text("Invoice 1")
    assert look() == 0
    assert look() == 1
    goal = Goal.objects.get()
    assert goal.text == "File one.txt"
    assert dispatch.folder_of(goal).read("one.txt") == b"Invoice 1"
    assert goal.artifacts.get().sha256 == sha256(b"Invoice 1").hexdigest()
    assert (inbox / "one.txt").read_text() == "Invoice 1"
    for _ in range(3):
        assert look() == 1


def test_a_half_written_file_waits(watch, inbox):
    with (inbox / "slow.txt").open("w") as file:
        for part in ("one ", "two ", "three"):
            file.write(part)
            file.flush()
            assert look() == 0
    assert look() == 1
    assert dispatch.folder_of(Goal.objects.get()).read("slow.txt") == b"one two three"


def test_the_same_content_fires_once_a_new_one_again(watch, inbox):
    path = inbox / "one.txt"
    path.write_text("Invoice 1")
    look(), look()
    path.unlink()
    look()
    path.write_text("Invoice 1")
    look()
    assert look() == 1
    path.write_text("Invoice 2")
    look()
    assert look() == 2
    (inbox / "copy.txt").write_text("Invoice 2")
    look()
    assert look() == 3  # another path


def test_bad_files_are_named_once_with_the_reason(watch, inbox, tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "MAX_FILE_BYTES", 9)
    (tmp_path / "secret.txt").write_text("key")
    (inbox / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inbox / "large.txt").write_text("more than nine")
    (inbox / "good.txt").write_text("good")
    look()
    assert look() == 1
    look()
    refused = dict(Firing.objects.filter(goal=None).values_list("what", "refusal"))
    assert "it is a link" in refused["link.txt"] and "larger than" in refused["large.txt"]
    assert len(refused) == 2
    assert [a.name for a in Goal.objects.get().artifacts.all()] == ["good.txt"]


def test_many_files_come_in_batches(watch, inbox, monkeypatch):
    monkeypatch.setattr(triggers, "BATCH_FILES", 3)
    for n in range(5):
        (inbox / f"{n}.txt").write_text(str(n))
    look()
    look()
    assert look() == 2
    assert [goal.artifacts.count() for goal in Goal.objects.order_by("id")] == [3, 2]


def test_batches_by_size(watch, inbox, monkeypatch):
    monkeypatch.setattr(triggers, "BATCH_BYTES", 5)
    for n in range(3):
        (inbox / f"{n}.txt").write_text("two")
    look()
    for count in (1, 2, 3):
        assert look() == count


def test_a_full_disk_loses_nothing(watch, inbox, monkeypatch, settings):
    (inbox / "one.txt").write_text("Invoice 1")
    look()
    with monkeypatch.context() as patch:

        def full(*args):
            raise OSError(28, "No space left on device")

        patch.setattr(GoalFolder, "write", full)
        assert look() == 0
    watch.refresh_from_db()
    assert "No space left" in watch.trouble and not Firing.objects.exists()
    assert not list(settings.GOALS_DIR.glob("*"))
    assert look() == 1
    watch.refresh_from_db()
    assert watch.trouble == ""


def test_a_folder_that_went_away_is_said_and_forgotten_when_it_is_back(watch, inbox):
    inbox.rmdir()
    look()
    watch.refresh_from_db()
    assert "no folder scans any more" in watch.trouble
    inbox.mkdir()
    look()
    watch.refresh_from_db()
    assert watch.trouble == ""


def test_what_came_during_a_pause_is_taken_afterwards(watch, inbox):
    routines.pause(watch.pk)
    (inbox / "one.txt").write_text("Invoice 1")
    look()
    assert look() == 0
    routines.resume(watch.pk)
    look()
    assert look() == 1


def test_one_routine_that_breaks_does_not_stop_the_others(watch, boss, office, monkeypatch):
    monkeypatch.setattr(watching, "look", lambda *_: 1 / 0)
    overdue(made(boss, office), minutes=1)
    assert triggers.fire_all() == 1


def test_run_now_takes_the_files_that_lie_there_and_they_do_not_fire_again(watch, inbox, boss):
    with pytest.raises(RoutineRefused, match="put one there first"):
        triggers.run_now(watch, boss)
    (inbox / "one.txt").write_text("Invoice 1")
    look()
    goal = triggers.run_now(watch, boss)
    assert goal.text == "File one.txt"
    assert dispatch.folder_of(goal).read("one.txt") == b"Invoice 1"
    look()
    assert look() == 1
    assert triggers.run_now(watch, boss).text == "File one.txt"


def test_a_folder_that_may_not_be_watched_is_refused_at_the_field(boss, office):
    routine = Routine(workspace=office, trigger="folder")
    with pytest.raises(RoutineRefused, match="Only folders below") as refused:
        triggers.save(routine, boss, name="x", text="x", folder="/etc")
    assert refused.value.field == "folder" and not Routine.objects.exists()


class TestDeliver:
    @pytest.fixture
    def hook(self, boss, office):
        return made(boss, office, "webhook", text="Answer {files}")

    def send(self, hook, body=b"hello", delivery=""):
        files = [GivenFile("delivery.txt", io.BytesIO(body), len(body))]
        digest = sha256(body).hexdigest()
        return triggers.deliver(hook, files, body=body.decode(), digest=digest, delivery=delivery)

    def test_the_body_is_attached(self, hook):
        firing, is_new = self.send(hook)
        assert is_new and firing.goal.text == "Answer delivery.txt"
        assert dispatch.folder_of(firing.goal).read("delivery.txt") == b"hello"

    def test_a_repetition_leaves_no_second_folder(self, hook, settings):
        first, _ = self.send(hook, delivery="7")
        assert self.send(hook, b"other words", delivery="7") == (first, False)
        assert len(list(settings.GOALS_DIR.iterdir())) == 1

    def test_a_full_disk_takes_no_delivery(self, hook, monkeypatch):
        def full(*args):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(GoalFolder, "write", full)
            with pytest.raises(intake.NoRoom, match="No space left"):
                self.send(hook, delivery="7")
        assert not Firing.objects.exists()
        assert self.send(hook, delivery="7")[1]

    def test_no_goal_comes_of_no_words(self, hook):
        Routine.objects.filter(pk=hook.pk).update(text="{body}")
        with pytest.raises(GoalRefused, match="empty"):
            self.send(hook, b"")
        assert not Firing.objects.exists()


def test_an_idle_house_asks_one_question_and_two_for_a_folder(boss, office, watch, inbox):
    (inbox / "one.txt").write_text("Invoice 1")
    look(), look()
    made(boss, office)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        fire_routines()
    questions = [q["sql"] for q in asked if "SAVEPOINT" not in q["sql"]]
    assert len(questions) == 3, questions
