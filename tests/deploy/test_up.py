import socket
from pathlib import Path

import pytest

from deploy import services
from deploy.services import Layout
from deploy.up import CannotStart, Installation


@pytest.fixture
def layout(tmp_path):
    return Layout.of(tmp_path / "data")


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_second_start_on_the_same_folder_is_refused_with_the_fix(layout):
    with Installation(layout), pytest.raises(CannotStart, match="already running"):
        Installation(layout).__enter__()
    with Installation(layout):
        pass  # the first one let go of its lock


def test_a_taken_port_is_named_with_the_fix(layout, taken_port, monkeypatch):
    monkeypatch.setenv("FORESTAFF_PORT", str(taken_port))
    with pytest.raises(CannotStart, match=f"port {taken_port} is taken"):
        Installation(layout).choose_port()


def test_a_port_that_is_none_is_named(layout, monkeypatch):
    monkeypatch.setenv("FORESTAFF_PORT", "eighty")
    with pytest.raises(CannotStart, match="eighty"):
        Installation(layout).choose_port()


def test_without_a_wish_a_free_port_is_chosen(layout, taken_port, monkeypatch):
    monkeypatch.delenv("FORESTAFF_PORT", raising=False)
    monkeypatch.setattr("deploy.up.FIRST_PORT", taken_port)
    monkeypatch.setattr("deploy.up.LAST_PORT", taken_port + 1)
    assert Installation(layout).choose_port() != taken_port


def test_a_socket_path_that_is_too_long_moves(tmp_path):
    deep = Layout.of(tmp_path / ("d" * 60) / ("e" * 60))
    assert len(str(deep.socket("supervisor.sock"))) < 100
    shallow = Layout(Path("/srv/f"))
    assert shallow.socket("a.sock") == Path("/srv/f/run/a.sock")


def test_the_addresses_are_readable_by_their_owner_only(layout):
    services.publish(layout, {"redis_url": "redis://:secret@127.0.0.1:1/0"})
    assert layout.addresses.stat().st_mode & 0o077 == 0
