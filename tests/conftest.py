"""One cast for all tests: a boss with an office, a teammate in it, an outsider in another."""

from __future__ import annotations

import pytest


@pytest.fixture
def boss(db):
    from staff.actions import people

    return people.open_office()


@pytest.fixture
def office(boss):
    return boss.workspaces.get()


@pytest.fixture
def teammate(office):
    from staff.models import Membership, User

    user = User.objects.create_user("teammate", password="a long enough phrase")
    Membership.objects.create(workspace=office, user=user)
    return user


@pytest.fixture
def outsider(db):
    from staff.actions import people
    from staff.models import User

    user = User.objects.create_user("outsider", password="another long phrase")
    people.open_workspace(user, "Elsewhere")
    return user
