"""Routines as people make them in the browser, and as programs do through the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestrator import triggers
from staff.actions import firings
from staff.models import Firing, Goal, Routine
from tests.web import made
from tests.web.conftest import browser_of
from tests.web.test_api import JSON, V1, Program, error

TERMS = {"autonomy": "ask", "priority": "1", "time_zone": "Europe/Berlin"}
DAILY = {
    **TERMS,
    "trigger": "schedule",
    "name": "Morning",
    "text": "Sum up {date}",
    "cron": "0 8 * * 1-5",
    "missed": "once",
}


@pytest.fixture
def program(boss, office):
    return Program(boss, office)


class TestPages:
    def test_an_empty_office_shows_the_three_ways(self, desk, viewer):
        page = desk.get("/routines").content.decode()
        for trigger in made.TRIGGERS:
            assert f"/routines/new?trigger={trigger}" in page
        assert "no routines here yet" in browser_of(viewer).get("/routines").content.decode()

    def test_a_schedule_from_the_form_to_its_page(self, desk, boss):
        answer = desk.post("/routines/new", {**DAILY, "token_budget": "900"})
        routine = Routine.objects.get()
        assert answer["Location"] == reverse("routine", args=[routine.pk])
        assert (routine.boss, routine.cron, routine.token_budget) == (boss, "0 8 * * 1-5", 900)
        page = desk.get(answer["Location"]).content.decode()
        assert page.count("<li><time") == 5 and page.count("08:00") >= 5
        assert "0 8 * * 1-5" in desk.get("/routines").content.decode()

    @pytest.mark.parametrize(
        ("field", "value", "word"),
        [
            ("name", "", "Give the routine a name"),
            ("text", " ", "Say what you want done"),
            ("text", "{nothing}", "Nothing fills {nothing}"),
            ("cron", "0 0 30 2 *", "None of these months has a day 30"),
            ("cron", "", "Say when"),
            ("time_zone", "Mars", "no time zone"),
            ("missed", "maybe", "Select a valid choice"),
            ("token_budget", "0", "greater than or equal to 1"),
        ],
    )
    def test_errors_stand_beside_the_field_and_nothing_is_lost(self, desk, field, value, word):
        answer = desk.post("/routines/new", {**DAILY, "second_budget": "777", field: value})
        page = answer.content.decode()
        assert answer.status_code == 422 and not Routine.objects.exists()
        assert word in page and f'id="id_{field}-error"' in page and 'value="777"' in page

    def test_an_edit_keeps_what_is_not_on_the_form(self, desk, boss, office):
        routine = made.routine(boss, office)
        path = reverse("edit-routine", args=[routine.pk])
        assert "Every schedule" in desk.get(path).content.decode()
        assert desk.post(path, {**DAILY, "trigger": "webhook"}).status_code == 302
        routine.refresh_from_db()
        assert (routine.name, routine.trigger) == ("Morning", "schedule")

    def test_a_folder_is_made_and_the_files_that_lie_there_are_counted(
        self, desk, office, tmp_path
    ):
        form = {**TERMS, "trigger": "folder", "name": "Scans", "text": "{files}", "folder": "in"}
        preview = desk.post("/routines/preview", form).content.decode()
        assert "made when you save" in preview and "invoice-1.pdf, invoice-2.pdf" in preview
        assert desk.post("/routines/new", form).status_code == 302
        (tmp_path / "inbox" / str(office.pk) / "in" / "a.txt").write_text("x")
        assert "1 file lies there now" in desk.post("/routines/preview", form).content.decode()
        refused = desk.post("/routines/new", {**form, "name": "Other", "folder": "/etc"})
        assert refused.status_code == 422 and b"Only folders below these" in refused.content

    def test_the_address_of_a_webhook_is_shown_once_and_can_be_renewed(self, desk):
        form = {**TERMS, "trigger": "webhook", "name": "Calls", "text": "Answer"}
        first = address_in(desk.post("/routines/new", form))
        assert Client().post(first, "hello", content_type="text/plain").status_code == 202
        routine = Routine.objects.get()
        page = reverse("routine", args=[routine.pk])
        assert "/hooks/" not in desk.get(page).content.decode()
        second = address_in(desk.post(reverse("act-routine", args=[routine.pk, "secret"])))
        assert Client().post(first).status_code == 404
        assert Client().post(second, "hi", content_type="text/plain").status_code == 202

    def test_preview_follows_the_typing(self, desk):
        five = desk.post("/routines/preview", DAILY).content.decode()
        assert five.count("<li>") == 5 and "Europe/Berlin" in five and "Sum up 20" in five
        wrong = desk.post("/routines/preview", {**DAILY, "cron": "0 25 * * *"}).content.decode()
        assert "is no hour" in wrong and "<li>" not in wrong
        assert desk.post("/routines/preview", {"trigger": "schedule"}).status_code == 200
        assert desk.post("/routines/preview", {"trigger": "moon"}).status_code == 404
        assert desk.get("/routines/new?trigger=moon").status_code == 404

    def test_buttons(self, desk, boss, office):
        routine = made.routine(boss, office)

        def do(verb):
            return desk.post(reverse("act-routine", args=[routine.pk, verb]))

        goal_page = do("run")["Location"]
        goal = Goal.objects.get()
        assert goal_page == reverse("goal", args=[goal.pk])
        assert "Every schedule" in desk.get(goal_page).content.decode()
        do("pause")
        page = desk.get(reverse("routine", args=[routine.pk])).content.decode()
        assert "Paused" in page and "None while it is paused" in page and goal.title in page
        do("resume")
        routine.refresh_from_db()
        assert routine.is_active and routine.next_at
        assert do("fly").status_code == 404
        assert do("delete")["Location"] == "/routines"
        assert not Routine.objects.exists() and Goal.objects.exists()

    def test_a_routine_that_is_deleted_this_moment(self, desk, boss, office, monkeypatch):
        routine = made.routine(boss, office)
        find = "web.routines.views._routine_or_404"
        gone = Routine.objects.get()
        monkeypatch.setattr(find, lambda *_: gone)
        Routine.objects.all().delete()
        for verb in ("run", "pause", "resume", "delete"):
            path = reverse("act-routine", args=[routine.pk, verb])
            assert desk.post(path).status_code == 404
        path = reverse("edit-routine", args=[routine.pk])
        assert desk.post(path, DAILY).status_code == 404

    def test_a_refusal_is_said_on_the_page(self, desk, boss, office):
        routine = made.routine(boss, office, "folder")
        path = reverse("act-routine", args=[routine.pk, "run"])
        assert "put one there first" in desk.post(path, follow=True).content.decode()

    def test_trouble_and_what_was_left_out_are_shown(self, desk, boss, office):
        routine = made.routine(boss, office)
        Routine.objects.update(next_at=timezone.now() - timedelta(days=3), trouble="The disk!")
        assert "The disk!" in desk.get("/routines").content.decode()
        firings.fire_due(routine.pk)
        page = desk.get(reverse("routine", args=[routine.pk])).content.decode()
        assert "Left out" in page and "policy for missed runs" in page

    def test_a_viewer_may_look_but_not_act(self, viewer, boss, office):
        routine = made.routine(boss, office)
        client = browser_of(viewer)
        assert client.get(reverse("routine", args=[routine.pk])).status_code == 200
        assert "Run now" not in client.get(reverse("routine", args=[routine.pk])).content.decode()
        for path in ("/routines/new", reverse("edit-routine", args=[routine.pk])):
            assert client.get(path).status_code == 403
            assert client.post(path, DAILY).status_code == 403
        assert client.post("/routines/preview", DAILY).status_code == 403
        assert client.post(reverse("act-routine", args=[routine.pk, "run"])).status_code == 403
        assert not Goal.objects.exists()

    def test_the_list_asks_the_same_number_of_questions_however_long_it_is(
        self, desk, boss, office, django_assert_max_num_queries
    ):
        for n in range(12):
            routine = made.routine(boss, office, name=f"R{n}")
            triggers.run_now(routine, boss)
        with django_assert_max_num_queries(10):
            desk.get("/routines")


class TestApi:
    given = {"name": "Morning", "text": "Sum up", "trigger": "schedule", "cron": "30 2 * * *"}

    def test_the_way_of_a_routine(self, program):
        made_one = program.post(
            "/routines", {**self.given, "time_zone": "Europe/Berlin", "priority": "high"}
        )
        assert made_one.status_code == 201, made_one.content
        body = made_one.json()
        assert len(body["next_runs"]) == 5 and all("T0" in run for run in body["next_runs"])
        assert (body["priority"], body["hook_url"], body["last_firing"]) == ("high", "", None)
        path = f"/routines/{body['id']}"
        goal = program.post(f"{path}/run")
        assert goal.status_code == 201 and goal.json()["text"] == "Sum up"
        assert program.get(path).json()["last_firing"]["goal"] == goal.json()["id"]
        assert program.get(f"{path}/firings").json()["results"][0]["what"] == "run by boss"
        paused = program.post(f"{path}/pause").json()
        assert (paused["is_active"], paused["next_runs"]) == (False, [])
        assert program.post(f"{path}/resume").json()["is_active"]
        changed = program.patch(path, {"cron": "0 9 * * *", "missed": "all"}).json()
        assert (changed["cron"], changed["missed"], changed["text"]) == (
            "0 9 * * *",
            "all",
            "Sum up",
        )
        assert [row["id"] for row in program.get("/routines").json()["results"]] == [body["id"]]
        assert program.client.delete(V1 + path).status_code == 204
        assert program.get(path).status_code == 404

    def test_a_webhook_is_given_its_address_once(self, program):
        body = program.post("/routines", {"name": "C", "text": "A", "trigger": "webhook"}).json()
        assert Client().post(body["hook_url"], "x", content_type="text/plain").status_code == 202
        path = f"/routines/{body['id']}"
        assert "hook" not in program.get(path).content.decode().replace("webhook", "")
        renewed = program.post(f"{path}/secret").json()["hook_url"]
        assert Client().post(body["hook_url"]).status_code == 404
        assert Client().post(renewed, "y", content_type="text/plain").status_code == 202

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"cron": "never"}, "cron"),
            ({"cron": "x" * 200}, "cron"),
            ({"time_zone": "Mars"}, "time_zone"),
            ({"text": ""}, "text"),
            ({"text": "{body}"}, "text"),
            ({"text": "\ud800"}, "text"),
            ({"trigger": "moon"}, "trigger"),
            ({"trigger": "folder"}, "folder"),
            ({"trigger": "folder", "folder": "/etc"}, "folder"),
            ({"token_budget": -1}, "token_budget"),
            ({"priority": "extreme"}, "priority"),
            ({"name": ["a"]}, "name"),
        ],
    )
    def test_refusals_name_the_field(self, program, change, field):
        answer = program.post("/routines", {**self.given, **change})
        assert answer.status_code == 400, answer.content
        assert field in error(answer)["fields"] and not Routine.objects.exists()

    def test_what_sets_it_off_stays(self, program, boss, office):
        routine = made.routine(boss, office)
        answer = program.patch(f"/routines/{routine.pk}", {"trigger": "webhook"})
        assert "trigger" in error(answer)["fields"]
        assert program.patch(f"/routines/{routine.pk}", {"trigger": "schedule"}).status_code == 200
        for body in ("[]", "null", '"x"', "{"):
            path = f"{V1}/routines/{routine.pk}"
            assert program.client.patch(path, body, **JSON).status_code == 400

    def test_too_many_open_goals_are_a_conflict(self, program, boss, office, monkeypatch):
        monkeypatch.setattr(firings, "MAX_OPEN", 0)
        routine = made.routine(boss, office)
        answer = program.post(f"/routines/{routine.pk}/run")
        assert answer.status_code == 409 and error(answer)["code"] == "not_now"
        assert program.post(f"/routines/{routine.pk}/secret").status_code == 400

    def test_who_may_do_what(self, boss, office, viewer):
        routine = made.routine(boss, office)
        for program in (Program(viewer, office), Program(boss, office, scope="read")):
            assert program.get(f"/routines/{routine.pk}").status_code == 200
            for verb in ("run", "pause", "resume", "secret"):
                assert program.post(f"/routines/{routine.pk}/{verb}").status_code == 403
            assert program.post("/routines", self.given).status_code == 403
            assert program.client.delete(f"{V1}/routines/{routine.pk}").status_code == 403
        assert Firing.objects.count() == 0

    def test_the_schema_knows_the_routines(self, db):
        schema = Client().get(f"{V1}/schema?format=json").json()
        operations = {o["operationId"] for m in schema["paths"].values() for o in m.values()}
        assert {"list_routines", "make_routine", "run_routine", "renew_hook"} <= operations
        shape = schema["components"]["schemas"]["RoutineShown"]["properties"]
        assert shape["next_runs"]["type"] == "array" and "digest" not in shape


def address_in(response) -> str:
    page = response.content.decode()
    assert response.status_code == 200, page
    return page.split('id="secret">')[1].split("<")[0]
