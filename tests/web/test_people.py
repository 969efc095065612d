"""Signing in and out, passwords, tokens, and which workspace one is in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from staff import queries
from staff.actions import people
from staff.models import ApiToken
from tests.web.conftest import browser_of


def test_a_link_signs_in_once(boss):
    path = reverse("enter", args=[people.make_sign_in_link(boss)])
    first = Client()
    assert first.get(path)["Location"] == "/"
    assert first.get("/").status_code == 200
    again = Client().get(path)
    assert again.status_code == 410
    assert b"manage.py sign_in_link" in again.content
    assert first.get(path)["Location"] == "/"  # who is in already is not sent away


@pytest.mark.parametrize("secret", ["nonsense", "%00", "ü" * 300])
def test_a_link_that_never_was(db, secret):
    assert Client().get(f"/enter/{secret}").status_code == 410


def test_sign_in_by_password_and_out_again(teammate):
    client = Client()
    wrong = client.post("/sign-in", {"username": "teammate", "password": "no"})
    assert b"do not go together" in wrong.content
    right = {"username": "teammate", "password": "a long enough phrase", "next": "/staff"}
    assert client.post("/sign-in", right)["Location"] == "/staff"
    assert client.post("/sign-out")["Location"] == "/sign-in"
    assert client.get("/").status_code == 302


def test_no_redirect_to_elsewhere(teammate):
    given = {"username": "teammate", "password": "a long enough phrase"}
    answer = Client().post("/sign-in", {**given, "next": "https://elsewhere.example/"})
    assert answer["Location"] == "/"


def test_setting_a_password_keeps_one_signed_in(desk, boss):
    weak = desk.post("/settings/account", {"new_password1": "abc", "new_password2": "abc"})
    assert weak.status_code == 422 and b"too short" in weak.content
    good = {"new_password1": "quite a phrase 7", "new_password2": "quite a phrase 7"}
    assert desk.post("/settings/account", good).status_code == 302
    boss.refresh_from_db()
    assert boss.check_password("quite a phrase 7")
    assert desk.get("/").status_code == 200


def test_a_token_is_shown_once_and_works_until_revoked(desk, boss):
    made = desk.post("/settings/tokens", {"name": "report", "scope": "read", "days": "3"})
    secret = next(w for w in made.content.decode().split("<") if "fs_" in w).split(">")[1]
    assert "fs_" not in desk.get("/settings/tokens").content.decode()
    program = Client(headers={"authorization": f"Bearer {secret}"})
    assert program.get("/api/v1/goals").status_code == 200
    token = ApiToken.objects.get()
    assert token.scope == "read" and token.expires_at is not None
    assert desk.post(reverse("revoke-token", args=[token.pk])).status_code == 302
    assert program.get("/api/v1/goals").status_code == 401


def test_a_teammate_cannot_revoke_my_token(boss, office, teammate):
    people.make_token(boss, office, "mine")
    token = ApiToken.objects.get()
    answer = browser_of(teammate).post(reverse("revoke-token", args=[token.pk]))
    assert answer.status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_going_to_another_of_ones_workspaces(desk, boss, office, outsider):
    second = people.open_workspace(boss, "Second office")
    foreign = outsider.workspaces.get()
    desk.post("/workspace", {"workspace": second.pk})
    assert desk.get("/").wsgi_request.workspace == second
    desk.post("/workspace", {"workspace": foreign.pk})
    assert desk.get("/").wsgi_request.workspace == second


def test_the_use_of_a_token_is_noted_to_the_minute(boss, office, django_assert_num_queries):
    secret = people.make_token(boss, office, "often")
    first = people.find_token(secret)
    noted = ApiToken.objects.get(pk=first.pk).last_used_at
    assert noted is not None
    with django_assert_num_queries(2):  # the token, the seat; no write
        people.find_token(secret)
    ApiToken.objects.filter(pk=first.pk).update(last_used_at=noted - timedelta(minutes=2))
    people.find_token(secret)
    assert ApiToken.objects.get(pk=first.pk).last_used_at >= noted


def test_what_the_staff_should_know_is_written_corrected_and_forgotten(desk, boss, office):
    said = desk.post("/settings/about-me", {"text": "I like short answers."})
    assert said.status_code == 302
    again = desk.post("/settings/about-me", {"text": "i like short answers."})
    assert again.status_code == 422 and b"knows this already" in again.content
    kept = queries.profile_of(boss, office).get()
    assert (kept.kind, kept.trust, kept.scope.user) == ("profile", 3, boss)
    path = f"/settings/about-me/{kept.pk}"
    desk.post(path, {"text": "I like long answers."})
    assert b"I like long answers." in desk.get("/settings/about-me").content
    desk.post(path, {"text": ""})
    assert queries.profile_of(boss, office).get().text == "I like long answers."
    desk.post(path, {"text": "x", "forget": "1"})
    assert not queries.profile_of(boss, office).exists()
    refused = desk.post("/settings/about-me", {"text": "I like long answers."})
    assert refused.status_code == 422 and b"in other words" in refused.content


def test_nobody_else_sees_or_changes_it(desk, boss, office, teammate):
    desk.post("/settings/about-me", {"text": "My cat is called Tiger."})
    kept = queries.profile_of(boss, office).get()
    other = browser_of(teammate)
    assert b"Tiger" not in other.get("/settings/about-me").content
    assert other.post(f"/settings/about-me/{kept.pk}", {"forget": "1"}).status_code == 404
    assert queries.profile_of(boss, office).exists()
