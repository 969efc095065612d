"""Rolled-up streams read as before, to the last byte."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staff import queries
from staff.actions import archive, goals, streams
from staff.models import Event, EventArchive, Goal

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
DAYS = timedelta(days=30)


@pytest.fixture
def goal(office, boss):
    return goals.create(office, boss, "An old goal")


def append(goal, *bodies):
    with transaction.atomic():
        for body in bodies:
            streams.append(goal.pk, "test.said", actor="tester", **body)


def end(goal, ago=DAYS * 2):
    Goal.objects.filter(pk=goal.pk).update(state="done", ended_at=timezone.now() - ago)


def everything(goal, ways):
    """What each reader sees of the stream, as bytes: (after, limit) -> JSON."""
    return {
        (after, limit): json.dumps(
            [streams.as_json(event) for event in queries.events_after(goal.pk, after, limit)]
        )
        for after, limit in ways
    }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bodies=st.lists(st.fixed_dictionaries({"said": values}), min_size=1, max_size=12),
    part=st.integers(1, 6),
    batches=st.lists(st.integers(1, 9), max_size=4),
    later=st.lists(st.fixed_dictionaries({"said": values}), max_size=4),
)
def test_no_reader_sees_a_difference(office, boss, bodies, part, batches, later):
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(archive, "PART", part)
        goal = goals.create(office, boss, "An old goal")
        append(goal, *bodies)
        last = 1 + len(bodies)
        ways = [(after, limit) for after in range(last + 2) for limit in (1, 2, 5, 500)]
        before = everything(goal, ways)
        end(goal)
        for most in batches:  # any split: the archive grows while the stream is read
            archive.roll_up(DAYS, most_events=most)
            assert everything(goal, ways) == before
        archive.roll_up(DAYS, most_events=10_000)
        assert everything(goal, ways) == before
        assert not Event.objects.filter(goal=goal).exists()
        append(goal, *later)
        numbers = [event.seq for event in queries.events_after(goal.pk, 0, 500)]
        assert numbers == list(range(1, last + len(later) + 1))
        transaction.set_rollback(True)


def test_only_what_ended_long_ago_is_rolled_up(goal, office, boss):
    open_goal = goals.create(office, boss, "Open")
    fresh = goals.create(office, boss, "Fresh")
    end(goal)
    end(fresh, ago=DAYS / 2)
    assert archive.roll_up(DAYS, most_events=100) == 1
    assert archive.roll_up(DAYS, most_events=100) == 0
    assert set(Event.objects.values_list("goal_id", flat=True)) == {open_goal.pk, fresh.pk}


def test_a_goal_that_is_opened_again_goes_on_after_its_archive(goal, boss):
    append(goal, {"said": 1}, {"said": 2})
    Goal.objects.filter(pk=goal.pk).update(state="failed", ended_at=timezone.now() - DAYS * 2)
    archive.roll_up(DAYS, most_events=100)
    goals.retry(goal.pk, boss)
    assert archive.roll_up(DAYS, most_events=100) == 0, "an open goal is left alone"
    kinds = [event.kind for event in queries.events_after(goal.pk, 0, 100)]
    assert kinds == ["goal.created", "test.said", "test.said", "goal.retried"]
    end(goal)
    archive.roll_up(DAYS, most_events=100)
    assert [event.kind for event in queries.events_after(goal.pk, 0, 100)] == kinds
    assert [(a.first_seq, a.last_seq) for a in EventArchive.objects.all()] == [(1, 3), (4, 4)]


def test_what_the_boss_refused_is_remembered_out_of_the_archive(goal):
    append(goal, {"said": 1})
    with transaction.atomic():
        streams.append(goal.pk, "plan.rejected", reason="too long")
    end(goal)
    archive.roll_up(DAYS, most_events=100)
    with transaction.atomic():
        streams.append(goal.pk, "plan.rejected", reason="too short")
    found = queries.events_of_kind(goal.pk, "plan.rejected")
    assert [event.data["reason"] for event in found] == ["too long", "too short"]


def test_a_long_stream_is_rolled_up_in_parts(goal, monkeypatch):
    monkeypatch.setattr(archive, "PART", 4)
    append(goal, *({"said": n} for n in range(9)))
    end(goal)
    assert archive.roll_up(DAYS, most_events=5) == 8, "whole parts, about as many as asked"
    assert archive.roll_up(DAYS, most_events=5) == 2
    assert EventArchive.objects.count() == 3


def test_the_command_says_what_it_did(goal, capsys):
    append(goal, {"said": 1})
    end(goal, ago=timedelta(hours=1))
    call_command("events", "archive")
    call_command("events", "archive", "--older-than", "0")
    assert capsys.readouterr().out.splitlines() == ["archived 0 events", "archived 2 events"]
