"""Signed-in browsers for the cast, and an office with goals in every state."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.web import made


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path):
    """Row ids come again in every test; their folders must not."""
    settings.GOALS_DIR = tmp_path / "goals"
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    settings.WATCH_FOLDERS = [str(tmp_path / "inbox")]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def browser_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def desk(boss):
    """The boss's browser."""
    return browser_of(boss)


@pytest.fixture
def viewer(office):
    from staff.models import Membership, User

    user = User.objects.create_user("viewer")
    Membership.objects.create(workspace=office, user=user, role="viewer")
    return user


@pytest.fixture
def proposed(boss, office):
    return made.proposed(boss, office)


@pytest.fixture
def asking(boss, office):
    return made.asking(boss, office)


@pytest.fixture
def done(boss, office):
    return made.done(boss, office)
