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


@pytest.fixture
def give(office, boss):
    """give(step("a"), step("b", "a"), priority=3) -> a goal that runs these steps."""
    from staff.actions import goals, planning

    def make(*steps, **options):
        goal = goals.create(office, boss, "Do it", **options)
        fence = planning.claim(goal.pk, 60)
        body = {"source": "model", "summary": "", "steps": list(steps)}
        planning.propose(goal.pk, fence, [planning.RankedPlan(body, 1.0, "")])
        goals.approve_plan(goal.pk, boss)
        goal.refresh_from_db()
        return goal

    return make
