"""What a worker does with its messages, and the relay with the outbox, on the real broker."""

from __future__ import annotations

import logging
from unittest.mock import MagicMock

import psycopg
import pytest
from celery.signals import celeryd_after_setup
from django.db import OperationalError, connection
from django.utils import timezone

from orchestrator import execution, relay, tasks
from orchestrator.celery import app
from orchestrator.relay import relay_once
from staff.actions import goals, outbox, queue
from staff.domain.lifecycle import TaskState
from staff.models import Event, Outbox
from tests.steps import step, task_of


@pytest.mark.parametrize("wrong", [None, "7", -1, 0, True, 2**70, {"id": 1}, "'; DROP TABLE"])
@pytest.mark.django_db
def test_a_malformed_message_is_ignored_with_a_line_in_the_log(wrong, caplog):
    with caplog.at_level(logging.WARNING):
        tasks.run_task(wrong)
        tasks.plan_goal(wrong)
    assert len([r for r in caplog.records if "ignored a message" in r.message]) == 2


@pytest.mark.django_db
def test_a_message_for_what_does_not_exist_does_nothing(caplog):
    tasks.run_task(987654321)
    tasks.plan_goal(987654321)
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_a_replayed_message_has_no_second_effect(give, monkeypatch):
    goal = give(step("a"))
    done = []
    monkeypatch.setattr(execution, "carry_out", lambda held: done.append(held.task_id))
    for _ in range(3):
        tasks.run_task(task_of(goal, "a").pk)
    assert done == [task_of(goal, "a").pk]


@pytest.mark.django_db
def test_a_message_wakes_a_worker_which_takes_what_is_most_pressing(give, monkeypatch):
    low, urgent = give(step("a"), priority=0), give(step("a"), priority=3)
    done = []
    monkeypatch.setattr(execution, "carry_out", lambda held: done.append(held.goal_id))
    tasks.run_task(task_of(low, "a").pk)
    assert done == [urgent.pk, low.pk]


@pytest.mark.django_db
def test_the_relay_sends_ids_and_nothing_else(office, boss):
    goal = goals.create(office, boss, "Do it")
    with app.connection_or_acquire() as connection:
        connection.default_channel.queue_purge("staff")
    assert relay_once() == 1 and relay_once() == 0
    with app.connection_or_acquire() as connection:
        message = connection.default_channel.basic_get("staff", no_ack=True)
    assert message.headers["task"] == "orchestrator.tasks.plan_goal"
    args, kwargs, _ = message.decode()
    assert (args, kwargs) == ([goal.pk], {})
    assert Outbox.objects.get().sends == 1


@pytest.mark.django_db(transaction=True)
def test_the_relay_outlives_its_connection(monkeypatch):
    class TriesAgain(Exception):
        pass

    def wait(timeout_s):
        pid = connection.connection.info.backend_pid
        with psycopg.connect(
            **connection.get_connection_params() | {"cursor_factory": None}
        ) as one:
            one.execute("SELECT pg_terminate_backend(%s)", [pid])
        really_wait(timeout_s)

    really_wait = relay._wait
    monkeypatch.setattr(relay, "_wait", wait)
    monkeypatch.setattr(relay.time, "sleep", MagicMock(side_effect=TriesAgain))
    with pytest.raises(TriesAgain):
        relay.run()


@pytest.mark.django_db(transaction=True)
def test_a_worker_takes_back_what_died_with_its_name_before_it_does_anything_else(
    give, monkeypatch
):
    goal, other = give(step("a")), give(step("a"))
    dead = queue.claim("staff@1", 60, task_of(goal, "a").pk)
    for _ in range(7):
        Outbox.objects.update(due_at=timezone.now())
        outbox.take_due(64)  # sent again and again: the workers were busy
    answers = iter([OperationalError("it recovers"), None])

    def register(name, threads):
        if reason := next(answers):
            raise reason

    monkeypatch.setattr(tasks.nodes, "register", register)
    monkeypatch.setattr(tasks, "WAIT_S", 0)
    for part in ("connection", "heartbeat", "runtime", "counter"):
        monkeypatch.setattr(tasks, part, MagicMock())
    celeryd_after_setup.send("staff@1", instance=MagicMock(concurrency=4), conf={})
    assert not queue.holds(dead) and task_of(goal, "a").state == TaskState.READY
    tasks.heartbeat.start.assert_called_once()
    due = [subject_id for _, subject_id in outbox.take_due(64)]
    assert sorted(due) == sorted([task_of(goal, "a").pk, task_of(other, "a").pk])
