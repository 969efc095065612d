"""Two beats, each in a process of its own, on one real database: every occasion fires once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from orchestrator import triggers, watching
from orchestrator.intake import GivenFile
from staff.models import Event, Firing, Goal, Outbox, Routine, Sighting

CHECKOUT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("FORESTAFF_ROUNDS", "12"))
ROUTINES = 10
BEAT = """
import sys, django
django.setup()
from orchestrator import triggers
print("ready", flush=True)
given = 0
for line in sys.stdin:
    given += triggers.fire_all()
    print(given, flush=True)
"""

pytestmark = pytest.mark.django_db(transaction=True)


class Beat:
    """A process that fires whatever is due each time it is told to."""

    def __init__(self, tmp_path):
        url = django_settings.DATABASE_URL.replace("/forestaff?", f"/{self.database()}?")
        env = {
            **os.environ,
            "DATABASE_URL": url,
            "FORESTAFF_DATA": str(tmp_path),
            "FORESTAFF_WATCH": str(tmp_path / "inbox"),
            "FORESTAFF_LOG_LEVEL": "ERROR",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEAT],
            cwd=CHECKOUT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout and self.process.stdin
        assert self.process.stdout.readline() == "ready\n"

    @staticmethod
    def database() -> str:
        return str(connection.settings_dict["NAME"])

    def look(self) -> None:
        self.process.stdin.write("look\n")
        self.process.stdin.flush()

    def given(self) -> int:
        """How many goals it gave so far, once it has looked."""
        return int(self.process.stdout.readline())


def both_look(beats) -> list[int]:
    """Both at once; how many goals each gave so far."""
    for beat in beats:
        beat.look()
    return [beat.given() for beat in beats]


@pytest.fixture
def beats(tmp_path, settings):
    settings.GOALS_DIR = tmp_path / "goals"
    settings.WATCH_FOLDERS = [str(tmp_path / "inbox")]
    pair = [Beat(tmp_path), Beat(tmp_path)]
    yield pair
    for beat in pair:
        beat.process.kill()
        beat.process.wait(10)


def due(boss, office, number):
    """Routines that all fall due at one moment, and then not for a year."""
    at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=1)
    cron = f"{at.minute} {at.hour} {at.day} {at.month} *"
    Routine.objects.bulk_create(
        Routine(
            workspace=office,
            boss=boss,
            name=f"{number}.{n}",
            text="Do it",
            trigger="schedule",
            cron=cron,
            next_at=at,
        )
        for n in range(ROUTINES)
    )


def test_schedules_fire_once_with_two_beats_in_step(beats, boss, office):
    for number in range(ROUNDS):
        due(boss, office, number)
        given = both_look(beats)
    assert Goal.objects.count() == ROUNDS * ROUTINES == sum(given)
    fired = Counter(Firing.objects.exclude(goal=None).values_list("routine", flat=True))
    assert set(fired.values()) == {1} and len(fired) == ROUNDS * ROUTINES
    assert Event.objects.filter(kind="goal.created").count() == ROUNDS * ROUTINES
    assert Outbox.objects.count() == ROUNDS * ROUTINES
    assert not Routine.objects.filter(next_at__lte=timezone.now()).exists()
    print(f"two beats: {given[0]} + {given[1]} goals for {ROUNDS * ROUTINES} occasions")
    assert min(given) > 0, "only one of them ever fired: this proves nothing"


def test_files_fire_once_with_two_beats_in_step(beats, boss, office, tmp_path):
    routine = Routine(workspace=office, trigger="folder")
    triggers.save(routine, boss, name="Scans", text="Read {files}", folder="in")
    inbox = tmp_path / "inbox" / str(office.pk) / "in"
    for number in range(6):
        for n in range(3):
            (inbox / f"{number}.{n}.txt").write_text(f"{number}.{n}")
        for _ in range(3):
            both_look(beats)
            old = timezone.now() - timedelta(seconds=40)
            Sighting.objects.update(seen_at=old)
    attached = Counter(Goal.objects.values_list("artifacts__name", flat=True))
    assert set(attached.values()) == {1} and len(attached) == 18
    assert Firing.objects.count() == 18


def test_a_delivery_that_comes_eight_times_at_once_counts_once(boss, office, settings, tmp_path):
    settings.GOALS_DIR = tmp_path / "goals"
    hook = Routine(workspace=office, trigger="webhook")
    hook = triggers.save(hook, boss, name="Calls", text="Answer")
    answers, gate = [], threading.Barrier(8)

    def send():
        try:
            gate.wait(10)
            files = [GivenFile("delivery.txt", io.BytesIO(b"hello"), 5)]
            digest = sha256(b"hello").hexdigest()
            answers.append(triggers.deliver(hook, files, body="hello", digest=digest))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 8
    assert sum(is_new for _, is_new in answers) == 1
    assert len({firing.goal_id for firing, _ in answers}) == 1 == Goal.objects.count()
    assert len(list(settings.GOALS_DIR.iterdir())) == 1


def test_a_beat_that_dies_before_it_commits_leaves_the_run_to_the_other(
    boss, office, settings, tmp_path, monkeypatch
):
    """The goal, the firing and the next moment are one transaction: all of them, or none."""
    settings.GOALS_DIR = tmp_path / "goals"
    due(boss, office, 1)

    def dies(*_, **__):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("staff.domain.schedules.next_after", dies)
        with pytest.raises(SystemExit):
            triggers.fire_all()
    assert not Goal.objects.exists() and not Firing.objects.exists()
    end = time.monotonic() + 10
    while Goal.objects.count() < ROUTINES and time.monotonic() < end:
        triggers.fire_all()
    assert Goal.objects.count() == ROUTINES
    assert watching.roots_of(office.pk)
