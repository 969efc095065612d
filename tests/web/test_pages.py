"""Every page in every state: it answers, and brings nothing that the policy would refuse."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orchestrator import triggers
from staff.actions import nodes
from tests.web import made
from tests.web.conftest import browser_of
from web.suggestions import suggestions

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Inline(HTMLParser):
    """Gathers what a strict policy refuses, and checks that tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.found, self.open, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        bad = [name for name in names if name == "style" or name.startswith("on")]
        if bad or tag == "style" or (tag == "script" and not names.get("src")):
            self.found.append((tag, attrs))
        for name in ("src", "href", "action"):
            if (names.get(name) or "").startswith(("http:", "https:", "//", "javascript:")):
                self.found.append((tag, names[name]))
        if "id" in names:
            self.ids.append(names["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()


def check(response):
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    page = Inline()
    page.feed(response.content.decode())
    assert page.found == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids)), "an id is used twice"
    return response


def test_every_page_of_an_office_at_work(desk, boss, office, proposed, asking, done):
    failed = made.failed(boss, office)
    planning = made.given(boss, office)
    running = made.running(boss, office)
    made.lose(made.running(boss, office), "no such column")
    child = made.given(boss, office, parent=running)
    nodes.register("staff@here", 4)
    agent = office.agents.first()
    plan, file = proposed.plans.first(), done.artifacts.get(name="summary.md")
    paths = [
        reverse(name)
        for name in ("home", "goals", "new-goal", "staff", "hire", "account", "tokens", "api-docs")
    ]
    paths += ["/routines", *(f"/routines/new?trigger={kind}" for kind in made.TRIGGERS)]
    for kind in made.TRIGGERS:
        routine = made.routine(boss, office, kind)
        triggers.fire_all()
        paths += [reverse(name, args=[routine.pk]) for name in ("routine", "edit-routine")]
    paths += ["/routines"]
    paths += [reverse("failed"), reverse("nodes")]
    goals = (proposed, asking, done, failed, planning, child)
    paths += [reverse("goal", args=[g.pk]) for g in goals]
    paths += [reverse("goal", args=[running.pk]), reverse("member", args=[agent.pk])]
    paths += [reverse("edit-plan", args=[proposed.pk, plan.pk])]
    paths += [reverse("file", args=[done.pk, file.pk]), "/goals?q=invoices&state=done&page=7"]
    for path in paths:
        response = desk.get(path)
        assert response.status_code == 200, path
        check(response)


def test_pages_for_strangers(db):
    assert check(Client().get("/sign-in")).status_code == 200
    names = ("home", "goals", "failed", "new-goal", "staff", "nodes", "tokens", "account")
    for name in (*names, "routines"):
        response = Client().get(reverse(name))
        assert response.status_code == 302 and response["Location"].startswith("/sign-in")
    assert Client().get("/healthz").content == b"ok"


def test_error_pages_have_a_way_back_and_an_id(desk):
    response = check(desk.get("/goals/99999999"))
    assert response.status_code == 404
    assert b'href="/"' in response.content and b"Error id" in response.content
    assert desk.get("/goals/99999999999999999999999999").status_code == 404


def test_a_crash_shows_the_house_page_not_a_traceback(desk, monkeypatch):
    desk.raise_request_exception = False
    monkeypatch.setattr("staff.queries.figures", lambda workspace: 1 / 0)
    response = desk.get("/")
    assert response.status_code == 500
    assert b"our side" in response.content and b"ZeroDivision" not in response.content


def test_a_forged_form_is_refused_in_the_house_style(boss):
    client = Client(enforce_csrf_checks=True)
    client.force_login(boss)
    response = check(client.post("/goals/new", {"text": "x"}))
    assert response.status_code == 403
    assert b"expired" in response.content


def test_a_person_without_a_workspace_is_told_so(db):
    from staff.models import User

    response = browser_of(User.objects.create_user("alone")).get("/")
    assert response.status_code == 403
    assert b"no workspace" in response.content


def test_a_new_office_suggests_three_goals_with_their_samples(desk):
    page = desk.get("/").content.decode()
    assert len(suggestions()) == 3
    for each in suggestions():
        assert each.text in page
        assert each.paths and each.size_bytes > 0


@pytest.mark.parametrize("page", ["/", "goal"])
def test_the_number_of_queries_does_not_grow(desk, boss, office, page):
    def queries(path):
        with CaptureQueriesContext(
            connection,
        ) as caught:
            assert desk.get(path).status_code == 200
        return len(caught)

    few = made.done(boss, office, 2)
    made.asking(boss, office), made.failed(boss, office), made.proposed(boss, office)
    path = page if page == "/" else reverse("goal", args=[few.pk])
    queries(path)
    before = queries(path)
    many = made.done(boss, office, 6)
    for _ in range(3):
        made.asking(boss, office), made.failed(boss, office), made.proposed(boss, office)
    after = queries(path if page == "/" else reverse("goal", args=[many.pk]))
    assert after == before
    assert after <= 22
