"""The soaks in small: the same promises on the same harness, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.soak

CHECKOUT = Path(__file__).resolve().parents[2]


def soak(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT,
        env=os.environ | {"FORESTAFF_DATA": "/nonexistent/of-nobody"},  # it needs none of ours
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def found(*arguments: str) -> dict:
    """What a soak found; it kept its promises and left nothing behind."""
    process = soak(*arguments)
    said, _ = process.communicate(timeout=300)
    figures = json.loads(said.splitlines()[-1])
    assert process.returncode == 0 and figures["passed"], said
    assert not Path(folder_in(said)).exists(), "the folder is still there"
    return figures


def folder_in(said: str) -> str:
    return next(line.split()[-1] for line in said.splitlines() if "a house in" in line)


def test_streams_are_gapless_through_disconnects_and_a_broker_that_dies():
    figures = found("soak", "streams", "--scale", "0.02")
    assert (figures["gaps"], figures["duplicates"], figures["unequal_to_database"]) == (0, 0, 0)
    assert figures["disconnects"] == 5 * figures["clients"] == 100
    assert figures["deliveries"] > figures["clients"]


def test_a_backlog_drains_while_the_api_answers():
    figures = found("soak", "backlog", "--scale", "0.01")
    assert figures["drained"] == figures["queued"] == 100
    assert figures["api_calls"] > 10 and figures["refused"] == []
    assert figures["planned"] == figures["goals_given"]


def test_pages_ask_few_questions_of_many_goals():
    figures = found("bench", "pages", "--scale", "0.01")
    assert figures["goals"] > 500 and figures["events"] > 10_000
    assert figures["worst_queries"] <= 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_soak_leaves_nothing_behind(number):
    process = soak("soak", "streams", "--scale", "0.02")
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "clients on" in line:
            break
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    _, alive = psutil.wait_procs(family, timeout=10)
    assert family and not alive
    assert not Path(folder_in(said)).exists()


def test_an_unknown_soak_is_refused_with_the_names():
    process = soak("soak", "teapot")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and "streams" in said and "backlog" in said


def test_a_house_that_dies_again_and_again_loses_and_doubles_nothing():
    figures = found("soak", "crash", "--scale", "0.01")
    assert (figures["lost"], figures["doubled"], figures["died_by_themselves"]) == (0, 0, 0)
    assert figures["steps"] == 240 and figures["kills"] >= 4
    assert (figures["broker_kills"], figures["database_stops"], figures["freezes"]) == (1, 1, 1)
    assert figures["stale_refused"] > 0


def test_work_without_measure_stops_exactly_at_its_caps():
    figures = found("soak", "runaway", "--scale", "0.05")
    assert figures["exact_stops"] == figures["stops"] == 18
    assert figures["restarts"] > 0 and figures["asked_the_boss"] >= 16


def test_what_the_house_costs_is_measured_with_real_workers():
    process = soak("bench", "orchestration", "--scale", "0.01")
    said, _ = process.communicate(timeout=300)
    figures = json.loads(said.splitlines()[-1])  # too slow is no error here: others are at work
    assert figures["tasks"] == 48 and figures["tasks_per_s"] > 1, said
    assert 0 < figures["overhead_p50_ms"] <= figures["overhead_p95_ms"]
