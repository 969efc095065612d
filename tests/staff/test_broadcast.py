"""News travels in one message a group, by a thread that no action waits for."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from deploy.services import free_port
from staff import broadcast

pytestmark = pytest.mark.django_db(transaction=True)


def leave(group, *seqs):
    for seq in seqs:
        broadcast.after_commit(group, "goal.events", {"seq": seq})


def heard(group, act, messages=1):
    """What a subscriber of the group is told while `act` runs in a thread of its own."""

    async def listen():
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        await asyncio.get_running_loop().run_in_executor(None, act)
        told = [await asyncio.wait_for(layer.receive(channel), 10) for _ in range(messages)]
        await layer.flush()
        return told

    return async_to_sync(listen)()


def commit(act):
    with transaction.atomic():
        act()


def test_a_transaction_is_told_in_one_message_without_what_was_taken_back():
    def act():
        with transaction.atomic():
            leave("goal.1", 1, 2)
            try:
                with transaction.atomic():
                    leave("goal.1", 66)
                    raise ValueError
            except ValueError:
                pass
            leave("goal.1", 3)

    (told,) = heard("goal.1", act)
    assert told == {"type": "goal.events", "events": [{"seq": 1}, {"seq": 2}, {"seq": 3}]}


def test_a_group_hears_only_its_own():
    def act():
        leave("goal.2", 1)
        leave("goal.3", 7)

    assert heard("goal.3", act)[0]["events"] == [{"seq": 7}]


def test_nothing_is_told_of_a_transaction_that_failed(monkeypatch):
    left = []
    monkeypatch.setattr(broadcast._herald, "leave", lambda *news: left.append(news))
    with pytest.raises(ValueError), transaction.atomic():
        leave("goal.1", 1)
        raise ValueError
    assert not left


def test_a_forked_process_tells_too():
    leave("goal.0", 1)  # this process has its thread already
    assert broadcast.flush(5)

    def act():
        child = os.fork()
        if child == 0:
            leave("goal.4", 5)
            os._exit(0 if broadcast.flush(5) else 1)
        assert os.waitpid(child, 0)[1] == 0

    assert heard("goal.4", act)[0]["events"] == [{"seq": 5}]


@pytest.fixture
def no_broker(settings):
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [f"redis://127.0.0.1:{free_port()}/0"]},
        }
    }


def test_without_a_broker_no_action_waits(no_broker, caplog, monkeypatch):
    monkeypatch.setattr(broadcast, "SEND_TIMEOUT_S", 0.2)
    monkeypatch.setattr(broadcast, "COMPLAIN_EVERY_S", -1)
    monkeypatch.setattr(broadcast, "MOST_WAITING", 50)
    started = time.monotonic()
    commit(lambda: leave("goal.1", *range(120)))
    assert time.monotonic() - started < 1
    assert broadcast.flush(10)
    dropped = [record.args[0] for record in caplog.records if "were not told" in record.message]
    assert sum(dropped) == 120
