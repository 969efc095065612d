"""The harness itself: what it does to a house, and that it cleans up."""

from __future__ import annotations

import time

import psutil
import psycopg
import pytest
from redis import Redis

from deploy.soak.house import House, HouseFailed

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def house():
    with House() as house:
        yield house


def until(condition, within_s=30):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def count_users(house):
    with psycopg.connect(house.env["DATABASE_URL"]) as database:
        return database.execute("SELECT count(*) FROM staff_user").fetchone()


def test_a_program_that_is_killed_comes_back(house):
    house.start("relay")
    killed = house.kill("relay")
    until(lambda: any(r.name == "relay" for r in house.restarts))
    assert house.is_running("relay") and house.programs["relay"].process.pid != killed
    (restart,) = [r for r in house.restarts if r.name == "relay"]
    assert restart.exit_code == -9 and restart.started_at >= restart.died_at
    house.stop("relay")
    with pytest.raises(HouseFailed, match="nothing to kill"):
        house.kill("relay")


def test_a_program_that_is_stopped_stays_away(house):
    house.start("relay")
    house.stop("relay")
    time.sleep(1)
    assert not house.is_running("relay")


def test_a_frozen_program_lives_but_does_nothing(house):
    house.start("relay")
    process = psutil.Process(house.programs["relay"].process.pid)
    house.freeze("relay")
    until(lambda: process.status() == psutil.STATUS_STOPPED)
    house.thaw("relay")
    until(lambda: process.status() != psutil.STATUS_STOPPED)
    house.stop("relay")


def test_a_broker_that_dies_forgets_and_is_back_at_its_address(house):
    broker = Redis.from_url(house.env["REDIS_URL"])
    broker.set("word", "spoken")
    house.restart_broker()
    assert Redis.from_url(house.env["REDIS_URL"]).get("word") is None


def test_a_database_that_crashes_keeps_what_was_committed(house):
    before = count_users(house)
    with psycopg.connect(house.env["DATABASE_URL"]) as cut_off:
        house.crash_database(away_s=0.2)
        with pytest.raises(psycopg.OperationalError):
            cut_off.execute("SELECT 1")
    assert count_users(house) == before == (1,)


def test_the_ends_of_the_logs_are_at_hand(house):
    assert "Ready to accept connections" in house.last_lines()


def test_nothing_of_the_one_who_runs_it_gets_in(house, monkeypatch):
    monkeypatch.setenv("FORESTAFF_LEASE_S", "7")
    monkeypatch.setenv("MODEL", "a-model-of-mine")
    env = House(env={"FORESTAFF_SCRIPT": "a.b:c"}).env
    assert "FORESTAFF_LEASE_S" not in env and "MODEL" not in env
    assert env["FORESTAFF_SCRIPT"] == "a.b:c"


def test_a_house_that_failed_keeps_its_logs_only():
    with pytest.raises(ValueError), House() as house:
        processes = psutil.Process().children(recursive=True)
        raise ValueError("something went wrong in here")
    assert list(house.layout.logs.glob("*.log"))
    assert not house.layout.postgres.exists() and not house.layout.valkey.exists()
    assert not any(program.is_running for program in house.programs.values())
    assert processes
    import shutil

    shutil.rmtree(house.layout.data)
