"""The list of goals, walked from end to end and back."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from staff.actions import goals
from staff.models import Goal
from web.goals import views
from web.paging import page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(office, boss):
    return [goals.create(office, boss, f"Goal {n}").pk for n in range(10)]


def walk(size, step):
    """All pages from the newest to the oldest, and back."""
    pages = [page_of(Goal.objects.all(), {}, size)]
    while pages[-1].older:
        pages.append(page_of(Goal.objects.all(), {"before": str(pages[-1].older)}, size))
    back = [pages[-1]]
    while back[-1].newer:
        back.append(page_of(Goal.objects.all(), {"after": str(back[-1].newer)}, size))
    return pages, back


@pytest.mark.parametrize("size", [1, 3, 5, 9, 10, 11])
def test_every_goal_is_on_one_page_there_and_seen_again_on_the_way_back(many, size):
    there, back = walk(size, 1)
    assert [pk for page in there for pk in page.ids] == many[::-1]
    assert {pk for page in back for pk in page.ids} == set(many)
    assert back[-1].ids == there[0].ids, "the way back ends at the front"
    assert there[0].newer is None and there[-1].older is None


@pytest.mark.parametrize("nonsense", ["", "x", "-1", "1e3", "9" * 30, "²", str(2**63)])
def test_nonsense_shows_the_front(many, nonsense):
    front = page_of(Goal.objects.all(), {}, 3)
    assert page_of(Goal.objects.all(), {"before": nonsense}, 3) == front
    assert page_of(Goal.objects.all(), {"after": nonsense}, 3) == front


def test_past_the_oldest_there_is_a_way_back(many):
    page = page_of(Goal.objects.all(), {"before": str(many[0])}, 3)
    assert page.ids == [] and page.older is None
    assert page_of(Goal.objects.all(), {"after": str(page.newer)}, 3).ids == many[:3][::-1]


def test_the_page_leads_to_older_and_newer_goals_and_keeps_the_search(desk, many, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 4)
    first = desk.get("/goals?q=goal").content.decode()
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
    assert 'rel="prev"' not in first
    second = desk.get("/goals" + older.replace("&amp;", "&")).content.decode()
    assert "Goal 5" in second and "Goal 6" not in second
    (newer,) = re.findall(r'rel="prev" href="([^"]+)"', second)
    assert "Goal 9" in desk.get("/goals" + newer.replace("&amp;", "&")).content.decode()


def test_the_api_counts_and_pages(desk, many):
    page = desk.get("/api/v1/goals?limit=3&offset=8").json()
    assert (page["count"], [goal["id"] for goal in page["results"]]) == (10, many[:2][::-1])


@pytest.mark.parametrize("path", ["/", "/goals", "/goals?q=goal", "/staff", "/api/v1/goals"])
def test_a_page_asks_no_more_questions_for_more_goals(desk, office, boss, path):
    def questions():
        desk.get(path)
        with CaptureQueriesContext(connection) as asked:
            assert desk.get(path).status_code == 200
        return len(asked)

    goals.create(office, boss, "Goal 0")
    of_one = questions()
    for n in range(1, 20):
        goals.create(office, boss, f"Goal {n}")
    assert questions() == of_one
