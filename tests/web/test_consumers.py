"""The socket of a goal: who may follow it, and that nothing is missing or doubled."""

from __future__ import annotations

import asyncio
import json

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.conf import settings

from staff import broadcast
from staff.actions import goals
from tests.web.conftest import browser_of
from web import consumers
from web.asgi import application

# Channels closes the connection between two queries: what a test makes must be committed.
pytestmark = pytest.mark.django_db(transaction=True)


class Socket(ApplicationCommunicator):
    """A browser's side of a websocket, in the words of the ASGI specification."""

    async def connect(self):
        """Whether the door was opened."""
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output(timeout=5))["type"] == "websocket.accept"

    async def say(self, text=None, raw=None):
        await self.send_input({"type": "websocket.receive", "text": text, "bytes": raw})

    async def hear(self):
        message = await self.receive_output(timeout=5)
        assert message["type"] == "websocket.send"
        return json.loads(message["text"])["events"]

    async def closed_with(self):
        message = await self.receive_output(timeout=5)
        assert message["type"] == "websocket.close"
        return message["code"]

    async def hang_up(self):
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(timeout=5)


def socket(user, path, origin="http://localhost:8000"):
    headers = [(b"origin", origin.encode()), (b"host", b"localhost:8000")]
    if user is not None:
        cookie = browser_of(user).cookies[settings.SESSION_COOKIE_NAME].value
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers}
    return Socket(application, {**scope, "subprotocols": []})


def follow(user, path, talk, **more):
    """Connect, talk, and hang up; False if the door stayed shut."""
    asked = socket(user, path, **more)

    async def run():
        if not await asked.connect():
            return False
        answer = await talk(asked)
        await asked.hang_up()
        return answer

    return async_to_sync(run)()


def stream_of(goal):
    return f"/ws/goals/{goal.pk}"


def test_a_teammate_gets_history_in_pages_then_news(teammate, done, monkeypatch):
    monkeypatch.setattr(consumers, "PAGE", 4)

    async def talk(browser):
        await browser.say('{"after": 2}')
        seen = []
        while len(seen) < done.last_seq - 2:
            page = await browser.hear()
            assert len(page) <= 4
            seen += [event["seq"] for event in page]
        await tell(done, done.last_seq + 1)
        return seen, await browser.hear()

    seen, news = follow(teammate, stream_of(done), talk)
    assert seen == list(range(3, done.last_seq + 1))
    assert [event["seq"] for event in news] == [done.last_seq + 1]


async def numbers(browser, last):
    """The numbers that the browser hears, up to the last one."""
    heard = []
    while not heard or heard[-1] < last:
        heard += [event["seq"] for event in await browser.hear()]
    return heard


@pytest.fixture
def lost(monkeypatch):
    """The broker is away: what the actions tell reaches nobody."""
    monkeypatch.setattr(broadcast._herald, "leave", lambda *news: None)


async def tell(goal, *seqs):
    events = [{"seq": seq, "kind": "goal.rated", "data": {}} for seq in seqs]
    message = {"type": "goal.events", "events": events}
    await get_channel_layer().group_send(broadcast.goal_group(goal.pk), message)


def test_lost_and_doubled_news_still_makes_a_gapless_stream(teammate, done, lost):
    last = done.last_seq

    async def talk(browser):
        await browser.say(f'{{"after": {last - 4}}}')
        heard = await numbers(browser, last)
        await tell(done, last)
        await sync_to_async(goals.rate)(done.pk, teammate, 4)
        await sync_to_async(goals.rate)(done.pk, teammate, 5)
        await tell(done, last + 2, last + 2)
        return heard + await numbers(browser, last + 2)

    assert follow(teammate, stream_of(done), talk) == list(range(last - 3, last + 3))


def test_the_very_last_news_is_lost(teammate, done, lost):
    async def talk(browser):
        await browser.say(f'{{"after": {done.last_seq}}}')
        await asyncio.sleep(0)
        await sync_to_async(goals.rate)(done.pk, teammate, 4)
        return await numbers(browser, done.last_seq + 1)

    assert follow(teammate, stream_of(done), talk) == [done.last_seq + 1]


def test_a_client_may_ask_again_from_anywhere(teammate, done):
    async def talk(browser):
        await browser.say('{"after": 0}')
        first = await numbers(browser, done.last_seq)
        await browser.say(f'{{"after": {done.last_seq - 2}}}')
        return first + await numbers(browser, done.last_seq)

    last = done.last_seq
    assert follow(teammate, stream_of(done), talk) == [*range(1, last + 1), last - 1, last]


def test_nothing_piles_up_for_a_slow_reader(teammate, done, monkeypatch):
    monkeypatch.setattr(consumers, "PAGE", 3)
    stream = consumers.GoalStream()
    stream.is_due, stream.news, stream.sent = asyncio.Event(), [], done.last_seq

    async def read_nothing():
        for seq in range(done.last_seq + 1, done.last_seq + 100):
            await stream.goal_events({"events": [{"seq": seq}]})

    async_to_sync(read_nothing)()
    assert len(stream.news) <= 3 and stream.must_look


def test_who_loses_the_seat_is_shown_out(teammate, done):
    async def talk(browser):
        await browser.say('{"after": 0}')
        await numbers(browser, done.last_seq)
        await sync_to_async(teammate.memberships.all().delete)()
        return await browser.closed_with()

    assert follow(teammate, stream_of(done), talk) == 4403


def test_a_database_that_fails_closes_the_socket_for_another_try(teammate, done, monkeypatch):
    async def talk(browser):
        monkeypatch.setattr(consumers.queries, "events_after", lambda *_: 1 / 0)
        await browser.say('{"after": 0}')
        return await browser.closed_with()

    assert follow(teammate, stream_of(done), talk) == 1011


def test_nothing_is_sent_before_it_is_asked_for(teammate, done):
    async def talk(browser):
        await tell(done, 99)
        return await browser.receive_nothing(timeout=0.2)

    assert follow(teammate, stream_of(done), talk)


@pytest.mark.parametrize("who", ["outsider", None])
def test_others_are_turned_away_with_the_reason(done, who, request):
    user = request.getfixturevalue(who) if who else None
    assert follow(user, stream_of(done), Socket.closed_with) == (4403 if who else 4401)


def test_a_goal_that_does_not_exist(boss):
    assert follow(boss, f"/ws/goals/{2**70}", Socket.closed_with) == 4403


def test_a_foreign_page_may_not_connect(boss, done):
    elsewhere = "https://elsewhere.example"
    assert not follow(boss, stream_of(done), Socket.closed_with, origin=elsewhere)


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"after": -1}', '{"after": true}', '{"after": 1e400}', "[" * 9999],
)
def test_messages_that_make_no_sense_end_the_socket(boss, done, text):
    async def talk(browser):
        await browser.say(text)
        return await browser.closed_with()

    assert follow(boss, stream_of(done), talk) == 4400


def test_bytes_end_the_socket(boss, done):
    async def talk(browser):
        await browser.say(raw=b"\0")
        return await browser.closed_with()

    assert follow(boss, stream_of(done), talk) == 4400


def test_other_sockets_are_closed(boss):
    assert follow(boss, "/ws/elsewhere", Socket.closed_with) == 4404
