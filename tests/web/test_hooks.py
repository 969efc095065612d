"""The webhook: what programs send, what they are told, and that nothing they send breaks it."""

from __future__ import annotations

import io
import json
import logging

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator import dispatch, triggers
from orchestrator.tools.folder import GoalFolder
from staff.actions import firings
from staff.models import Firing, Goal, Routine
from tests.web import made
from web.routines import bodies

JSON = {"content_type": "application/json"}


@pytest.fixture
def hook(boss, office):
    return made.routine(boss, office, "webhook", text="Answer: {body}")


@pytest.fixture
def address(hook):
    return f"/hooks/{triggers.new_secret(hook.pk)}"


def error(answer):
    body = answer.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message"}
    return body["error"]


def files_of(answer):
    assert answer.status_code == 202, answer.content
    goal = Goal.objects.get(pk=answer.json()["goal"])
    return {a.name: dispatch.folder_of(goal).read(a.name) for a in goal.artifacts.all()}


def test_json_becomes_a_goal_with_the_body_attached(address, boss):
    answer = Client(enforce_csrf_checks=True).post(address, b'{"id": 7}', **JSON)
    assert answer.status_code == 202 and answer.json()["replayed"] is False
    assert files_of(answer) == {"delivery.json": b'{"id": 7}'}
    goal = Goal.objects.get()
    assert (goal.text, goal.boss) == ('Answer: {"id": 7}', boss)
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("kind", "body", "name"),
    [
        ("text/plain", b"hello", "delivery.txt"),
        ("text/plain; charset=latin-1", "caf\xe9".encode("latin-1"), "delivery.txt"),
        ("text/csv", b"a,b\n1,2\n", "delivery.csv"),
        ("application/xml", b"<a/>", "delivery.xml"),
        ("application/vnd.api+json", b"[1]", "delivery.json"),
        ("", b"hello", "delivery.txt"),
        ("", b'{"a": 1}', "delivery.json"),
        ("application/x-www-form-urlencoded", b"hello", "delivery.txt"),
        ("application/x-www-form-urlencoded", b'{"a": "b=c"}', "delivery.json"),
    ],
)
def test_other_bodies_are_attached_as_they_are(address, kind, body, name):
    answer = Client().generic("POST", address, body, content_type=kind)
    assert files_of(answer) == {name: body}


def test_a_form_becomes_json(address):
    kind = "application/x-www-form-urlencoded"
    answer = Client().post(address, "name=Ada&tag=x&tag=y", content_type=kind)
    (content,) = files_of(answer).values()
    assert json.loads(content) == {"name": "Ada", "tag": ["x", "y"]}


def test_a_form_with_files(address):
    file = io.BytesIO(b"scan")
    file.name = "scan.pdf"
    files = files_of(Client().post(address, {"from": "Ada", "file": file}))
    assert files["scan.pdf"] == b"scan" and b'"Ada"' in files["delivery.json"]


def test_a_call_without_a_body(address):
    Routine.objects.update(text="Look around")
    assert files_of(Client().post(address)) == {}


@pytest.mark.parametrize("header", ["Idempotency-Key", "X-Delivery", "X-GitHub-Delivery"])
def test_a_delivery_that_is_sent_again_gives_no_second_goal(address, header):
    headers = {header: "abc-1"}
    first = Client().post(address, b'{"n": 1}', headers=headers, **JSON)
    again = Client().post(address, b'{"n": 2}', headers=headers, **JSON)
    assert again.status_code == 202
    assert again.json() == {"goal": first.json()["goal"], "replayed": True}
    assert Goal.objects.count() == 1
    other = Client().post(address, b'{"n": 1}', headers={header: "abc-2"}, **JSON)
    assert other.json()["replayed"] is False


def test_without_an_id_the_same_body_counts_once(address):
    answers = [Client().post(address, b'{"n": 1}', **JSON).json() for _ in range(3)]
    assert [answer["replayed"] for answer in answers] == [False, True, True]
    assert Client().post(address, b'{"n": 2}', **JSON).json()["replayed"] is False


@pytest.mark.parametrize("secret", ["nonsense", "%00", "%FF", "ü" * 300, "a b"])
def test_an_unknown_address(db, secret):
    answer = Client().post(f"/hooks/{secret}", b"{}", **JSON)
    assert answer.status_code == 404 and error(answer)["code"] == "not_found"


def test_only_post(address):
    for method in ("get", "put", "delete", "patch"):
        answer = getattr(Client(), method)(address)
        assert answer.status_code == 405 and answer["Allow"] == "POST"
        error(answer)


def test_bodies_that_are_too_large(address):
    large = b"x" * (bodies.MAX_BODY_BYTES + 1)
    answer = Client().generic("POST", address, large, content_type="text/plain")
    assert answer.status_code == 413 and "1024 kB" in error(answer)["message"]
    assert not Goal.objects.exists()
    exact = Client().generic("POST", address, large[1:], content_type="text/plain")
    assert exact.status_code == 202


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"\xff", 400),
        ("application/json", b"[" * 100_000, 400),
        ("image/png", b"\x89PNG", 415),
        ("multipart/form-data", b"no boundary", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 202),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 5000), 400),
    ],
)
def test_bodies_that_cannot_be_read(address, kind, body, status):
    answer = Client().generic("POST", address, body, content_type=kind)
    assert answer.status_code == status, answer.content
    if status != 202:
        error(answer)
        assert not Goal.objects.exists()


def test_a_long_id(address):
    answer = Client().post(address, b"{}", headers={"X-Delivery": "x" * 201}, **JSON)
    assert answer.status_code == 400 and "200 characters" in error(answer)["message"]


def test_paused_and_deleted(address, hook):
    triggers.pause(hook.pk)
    answer = Client().post(address, b"{}", **JSON)
    assert answer.status_code == 409 and "paused" in error(answer)["message"]
    triggers.delete(hook.pk)
    assert Client().post(address, b"{}", **JSON).status_code == 404


def test_too_many_at_once(address, monkeypatch):
    monkeypatch.setattr(firings, "MAX_DELIVERIES", 3)
    statuses = []
    for n in range(5):
        answer = Client().post(address, json.dumps({"n": n}), **JSON)
        statuses.append(answer.status_code)
    assert statuses == [202, 202, 202, 429, 429]
    assert answer["Retry-After"] == "60" and "slow down" in error(answer)["message"]


def test_the_boss_left(address, teammate, hook):
    Routine.objects.update(boss=teammate)
    teammate.memberships.all().delete()
    answer = Client().post(address, b"{}", **JSON)
    assert answer.status_code == 409 and "may not act here" in error(answer)["message"]


def test_a_full_disk_can_be_tried_again(address, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(GoalFolder, "write", full)
        answer = Client().post(address, b"{}", **JSON)
        assert answer.status_code == 503 and answer["Retry-After"]
    assert not Firing.objects.exists()
    assert Client().post(address, b"{}", **JSON).json()["replayed"] is False


def test_the_database_away(address, monkeypatch):
    def away(*args):
        raise OperationalError("gone")

    monkeypatch.setattr("staff.actions.routines.find_hook", away)
    assert error(Client().post(address, b"{}", **JSON))["code"] == "unavailable"


def test_the_secret_stays_out_of_the_log(address, hook, caplog):
    triggers.pause(hook.pk)
    secret = address.rsplit("/", 1)[1]
    with caplog.at_level(logging.DEBUG):
        Client().post(address, b"{}", **JSON)
    assert "/hooks/***" in caplog.text and secret not in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("size", "status"), [(bodies.MAX_BODY_BYTES + 9, 413), (9, 202)])
def test_a_body_of_unstated_length_over_the_real_protocol(hook, size, status):
    secret = triggers.new_secret(hook.pk)

    async def send():
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/hooks/{secret}",
            "query_string": b"",
            "headers": [(b"content-type", b"text/plain"), (b"host", b"localhost")],
        }
        call = ApplicationCommunicator(get_asgi_application(), scope)
        for start in range(0, size, 2**16):
            part = b"x" * min(2**16, size - start)
            more = start + 2**16 < size
            await call.send_input({"type": "http.request", "body": part, "more_body": more})
        answer = await call.receive_output(30)
        await call.receive_output(30)
        await call.wait(30)
        return answer["status"]

    assert async_to_sync(send)() == status
    assert Goal.objects.count() == (status == 202)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(
        [
            "application/json",
            "text/plain; charset=nonsense",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; charset=utf-16",
            "x",
            "",
        ]
    ),
    body=st.binary(max_size=200)
    | st.binary(max_size=60).map(
        lambda b: (
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
            + b
            + b"\r\n--x--\r\n"
        )
    ),
    key=st.text(st.characters(max_codepoint=255), max_size=20),
)
def test_whatever_is_sent_nothing_breaks(address, monkeypatch, kind, body, key):
    monkeypatch.setattr(firings, "MAX_DELIVERIES", 10**6)
    monkeypatch.setattr(firings, "MAX_OPEN", 10**6)
    headers = {"X-Delivery": key}
    answer = Client().generic("POST", address, body, content_type=kind, headers=headers)
    assert answer.status_code in (202, 400, 413, 415), answer.content
    if answer.status_code != 202:
        error(answer)
