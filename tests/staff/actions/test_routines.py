"""Routines in the database: saving, due runs and missed ones, files, deliveries."""

from datetime import timedelta

import pytest
from django.utils import timezone

from staff import queries
from staff.actions import firings, routines
from staff.actions.firings import NotNow, Occasion, no_files
from staff.actions.routines import RoutineRefused
from staff.domain.schedules import Missed
from staff.models import Event, Firing, Goal, Outbox, Routine


def made(boss, office, trigger="schedule", **changes):
    given = {"name": f"Every {trigger}", "text": "Do it on {date}"}
    given |= {"schedule": {"cron": "0 * * * *"}, "folder": {"folder": "in"}}.get(trigger, {})
    return routines.save(Routine(workspace=office, trigger=trigger), boss, **given | changes)


def overdue(routine, **ago):
    """As if it had been due then, and nobody was there."""
    due = timezone.now() - timedelta(**ago)
    Routine.objects.filter(pk=routine.pk).update(next_at=due.replace(second=0, microsecond=0))
    routine.refresh_from_db()
    return routine


@pytest.fixture
def hourly(boss, office):
    return made(boss, office)


@pytest.fixture
def every_minute(boss, office):
    return made(boss, office, cron="* * * * *")


class TestSave:
    def test_a_schedule_knows_when_it_is_due(self, hourly):
        assert timezone.now() < hourly.next_at <= timezone.now() + timedelta(hours=1)
        assert hourly.next_at.minute == 0

    @pytest.mark.parametrize(
        ("changes", "field", "word"),
        [
            ({"name": "  "}, "name", "a name"),
            ({"text": " \n"}, "text", "Say what"),
            ({"text": "{files}"}, "text", "Nothing fills {files}"),
            ({"cron": "0 0 30 2 *"}, "cron", "day 30"),
            ({"time_zone": "Moon"}, "time_zone", "no time zone"),
        ],
    )
    def test_refusals_name_the_field_and_leave_nothing(self, boss, office, changes, field, word):
        with pytest.raises(RoutineRefused, match=word) as refused:
            made(boss, office, **changes)
        assert refused.value.field == field
        assert not Routine.objects.exists()

    def test_names_are_unique_in_the_office_only(self, boss, office, outsider, hourly):
        with pytest.raises(RoutineRefused, match="of this name"):
            made(boss, office, name=hourly.name.upper())
        assert made(outsider, outsider.workspaces.get(), name=hourly.name).pk

    def test_a_name_that_was_taken_this_moment(self, boss, office, hourly, monkeypatch):
        monkeypatch.setattr(routines, "_check", lambda routine: None)
        with pytest.raises(RoutineRefused, match="of this name") as refused:
            made(boss, office, name=hourly.name)
        assert refused.value.field == "name" and Routine.objects.count() == 1

    def test_whoever_may_write_into_the_goal_may_not_have_it_done_unseen(self, boss, office):
        open_door = {"text": "Answer this: {body}", "autonomy": "act"}
        with pytest.raises(RoutineRefused, match="show its plan first") as refused:
            made(boss, office, "webhook", **open_door)
        assert refused.value.field == "autonomy"
        assert made(boss, office, "webhook", **open_door | {"autonomy": "ask"}).pk

    def test_an_edit_of_the_text_leaves_the_next_run_alone_one_of_the_schedule_does_not(
        self, boss, hourly
    ):
        overdue(hourly, hours=3)
        same = routines.save(hourly, boss, text="Something else")
        assert same.next_at == hourly.next_at
        moved = routines.save(hourly, boss, time_zone="Asia/Kolkata")
        assert moved.next_at > timezone.now()

    def test_a_stale_copy_of_the_page_does_not_turn_the_clock_back(self, boss, hourly):
        stale = Routine.objects.get(pk=hourly.pk)
        overdue(hourly, minutes=1)
        assert firings.fire_due(hourly.pk) == 1
        saved = routines.save(stale, boss, name="Renamed")
        assert saved.next_at > timezone.now()

    def test_a_cap_on_how_many(self, boss, office, monkeypatch):
        monkeypatch.setattr(routines, "MAX_ROUTINES", 1)
        first = made(boss, office)
        with pytest.raises(RoutineRefused, match="delete one first"):
            made(boss, office, name="Second")
        assert routines.save(first, boss, name="Still fine").name == "Still fine"


class TestDue:
    def test_a_due_run_gives_one_goal_with_its_event_and_its_nudge(self, boss, hourly):
        due = overdue(hourly, minutes=1).next_at
        Outbox.objects.all().delete()
        assert queries.armed_routines() == [hourly]
        assert firings.fire_due(hourly.pk) == 1
        goal = Goal.objects.get()
        assert (goal.boss, goal.text) == (boss, f"Do it on {due:%Y-%m-%d}")
        assert list(Event.objects.values_list("kind", flat=True)) == [
            "goal.created",
            "routine.fired",
        ]
        assert Outbox.objects.count() == 1
        firing = Firing.objects.get()
        assert (firing.goal, firing.due_at, firing.refusal) == (goal, due, "")
        assert queries.armed_routines() == []
        assert firings.fire_due(hourly.pk) == 0

    def test_the_goal_has_the_terms_of_the_routine(self, boss, office):
        terms = {"priority": 3, "autonomy": "act", "token_budget": 900, "second_budget": 60}
        routine = overdue(made(boss, office, **terms), minutes=1)
        firings.fire_due(routine.pk)
        goal = Goal.objects.get()
        assert (goal.priority, goal.autonomy) == (3, "act")
        assert (goal.budget.token_cap, goal.budget.second_cap) == (900, 60)

    def test_the_date_is_that_of_the_zone(self, boss, office):
        zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")  # 25 hours apart
        for zone in zones:
            overdue(made(boss, office, name=zone, time_zone=zone), minutes=1)
        for routine in queries.armed_routines():
            firings.fire_due(routine.pk)
        first, second = Goal.objects.values_list("text", flat=True)
        assert first != second

    def test_nothing_is_given_before_its_time(self, hourly):
        assert firings.fire_due(hourly.pk) == 0
        assert queries.armed_routines() == []

    def test_a_moment_that_fired_does_not_fire_again_whatever_next_at_says(self, hourly):
        due = overdue(hourly, minutes=1).next_at
        firings.fire_due(hourly.pk)
        Routine.objects.filter(pk=hourly.pk).update(next_at=due)
        assert firings.fire_due(hourly.pk) == 0
        assert Goal.objects.count() == 1

    def test_too_many_open_goals_and_the_run_is_left_out_with_the_reason(self, hourly, monkeypatch):
        monkeypatch.setattr(firings, "MAX_OPEN", 0)
        overdue(hourly, minutes=1)
        assert firings.fire_due(hourly.pk) == 0
        assert "still open" in Firing.objects.get().refusal
        hourly.refresh_from_db()
        assert hourly.is_active and hourly.next_at > timezone.now()

    def test_a_boss_without_a_seat_gives_nothing_and_the_routine_is_held(self, hourly, teammate):
        hourly = routines.save(hourly, teammate)
        teammate.memberships.update(role="viewer")
        overdue(hourly, minutes=1)
        assert firings.fire_due(hourly.pk) == 0
        hourly.refresh_from_db()
        assert not hourly.is_active and "teammate" in hourly.trouble
        assert "may not act here" in Firing.objects.get().refusal
        with pytest.raises(RoutineRefused, match="your own name"):
            routines.resume(hourly.pk)

    def test_saving_takes_a_routine_over(self, boss, hourly, teammate):
        hourly = routines.save(hourly, teammate)
        teammate.memberships.all().delete()
        hourly = routines.save(hourly, boss)
        overdue(hourly, minutes=1)
        firings.fire_due(hourly.pk)
        assert Goal.objects.get().boss == boss


class TestMissed:
    def test_once_makes_up_with_one_goal_and_says_what_was_left_out(self, hourly):
        overdue(hourly, hours=5)
        assert firings.fire_due(hourly.pk) == 1
        fired, left_out = Firing.objects.order_by("id")
        assert fired.goal and timezone.now() - fired.due_at < timedelta(hours=1)
        assert left_out.what in ("4 missed", "5 missed") and "away or busy" in left_out.refusal

    def test_skip_gives_nothing_that_is_late(self, boss, office):
        daily = made(boss, office, cron="0 0 1 1 *", missed=Missed.SKIP)
        Routine.objects.filter(pk=daily.pk).update(next_at="2020-01-01T00:00Z")
        assert firings.fire_due(daily.pk) == 0
        assert Goal.objects.count() == 0
        assert "2020-01-01 00:00 to " in Firing.objects.get().refusal
        daily.refresh_from_db()
        assert daily.next_at > timezone.now()

    def test_skip_gives_what_is_on_time(self, boss, office):
        routine = overdue(made(boss, office, cron="* * * * *", missed=Missed.SKIP), minutes=3)
        assert firings.fire_due(routine.pk) == 1

    def test_all_gives_each_up_to_the_cap(self, boss, office):
        routine = made(boss, office, missed=Missed.ALL, text="It is {date} {time}")
        overdue(routine, hours=50)
        assert firings.fire_due(routine.pk) == 24
        assert Goal.objects.values("text").distinct().count() == 24
        left_out = Firing.objects.get(goal=None)
        assert left_out.what in ("26 missed", "27 missed")

    def test_a_year_of_minutes_is_not_counted_one_by_one(self, every_minute):
        overdue(every_minute, days=365)
        assert firings.fire_due(every_minute.pk) == 1
        assert Firing.objects.get(goal=None).what == "1000 or more missed"


class TestHold:
    def test_a_paused_routine_sleeps_and_counts_from_now_when_it_wakes(self, hourly):
        overdue(hourly, hours=2)
        routines.pause(hourly.pk)
        assert firings.fire_due(hourly.pk) == 0 and queries.armed_routines() == []
        routines.resume(hourly.pk)
        hourly.refresh_from_db()
        assert hourly.next_at > timezone.now()
        assert firings.fire_due(hourly.pk) == 0 and not Firing.objects.exists()

    def test_run_now_works_while_paused_and_in_the_name_of_who_asks(self, hourly, teammate):
        routines.pause(hourly.pk)
        goal = firings.run_now(hourly.pk, teammate)
        assert goal.boss == teammate
        assert Firing.objects.get().what == "run by teammate"
        assert firings.run_now(hourly.pk, teammate) != goal

    def test_delete_takes_the_history_and_leaves_the_goals(self, boss, hourly):
        goal = firings.run_now(hourly.pk, boss)
        routines.delete(hourly.pk)
        goal.refresh_from_db()
        assert not Firing.objects.exists() and not goal.firings.exists()


def seen(routine, **files):
    return firings.sight(routine.pk, {f"{name}.txt": facts for name, facts in files.items()})


def later(routine, **time):
    """As if the sightings so far were that old."""
    for sighting in routine.sightings.all():
        routine.sightings.filter(pk=sighting.pk).update(
            seen_at=sighting.seen_at - timedelta(**time)
        )


class TestFolder:
    @pytest.fixture
    def watch(self, boss, office):
        return made(boss, office, "folder", text="Read {files}")

    def test_two_like_looks_some_time_apart_and_a_file_is_whole(self, watch):
        assert seen(watch, a=(1, 10)) == []
        assert seen(watch, a=(1, 10)) == []  # another beat, at the same moment
        later(watch, seconds=3)
        assert seen(watch, a=(2, 11)) == []  # it grew
        later(watch, seconds=3)
        assert seen(watch, a=(2, 11)) == ["a.txt"]

    def test_what_is_copied_together_comes_together(self, watch):
        seen(watch, a=(1, 1))
        later(watch, seconds=3)
        assert seen(watch, a=(1, 1), b=(1, 1)) == []
        later(watch, seconds=3)
        assert seen(watch, a=(1, 1), b=(1, 1)) == ["a.txt", "b.txt"]

    def test_a_file_that_never_rests_holds_the_others_up_for_a_while_only(self, watch):
        seen(watch, a=(1, 1))
        later(watch, seconds=31)
        assert seen(watch, a=(1, 1), log=(9, 9)) == ["a.txt"]

    def test_a_file_fires_once_and_again_with_another_content(self, watch):
        seen(watch, a=(1, 1))
        first = Occasion("file:1", "a.txt", files=("a.txt",), seen=(1, 1))
        goal = firings.fire_files(watch.pk, [first], no_files)
        assert goal.text == "Read a.txt"
        later(watch, seconds=3)
        assert seen(watch, a=(1, 1)) == []
        assert firings.fire_files(watch.pk, [first], no_files) is None
        assert seen(watch, a=(1, 2)) == []  # touched
        later(watch, seconds=3)
        assert seen(watch, a=(1, 2)) == ["a.txt"]
        same = Occasion("file:1", "a.txt", files=("a.txt",), seen=(1, 2))
        assert firings.fire_files(watch.pk, [same], no_files) is None
        assert seen(watch, a=(1, 2)) == []
        other = Occasion("file:2", "a.txt", files=("a.txt",), seen=(1, 2))
        assert firings.fire_files(watch.pk, [other], no_files) is not None

    def test_a_file_that_changed_while_it_was_read_is_looked_at_again(self, watch):
        seen(watch, a=(1, 1))
        later(watch, seconds=3)
        seen(watch, a=(2, 2))  # another beat saw it grow
        old = Occasion("file:1", "a.txt", files=("a.txt",), seen=(1, 1))
        firings.fire_files(watch.pk, [old], no_files)
        later(watch, seconds=3)
        assert seen(watch, a=(2, 2)) == ["a.txt"]

    def test_new_files_share_a_goal_and_bad_ones_are_named(self, watch):
        good = [Occasion(f"file:{n}", n, files=(n,), seen=(1, 1)) for n in ("a", "b")]
        bad = Occasion("problem:1", "c", files=("c",), seen=(1, 1), problem="it is a link")
        goal = firings.fire_files(watch.pk, [*good, bad], no_files)
        assert goal.text == "Read a, b"
        assert list(goal.firings.order_by("id").values_list("what", flat=True)) == ["a", "b"]
        assert Firing.objects.get(goal=None).refusal == "it is a link"
        assert firings.fire_files(watch.pk, [bad], no_files) is None
        assert Firing.objects.count() == 3

    def test_files_wait_while_too_many_goals_are_open(self, watch, monkeypatch):
        monkeypatch.setattr(firings, "MAX_OPEN", 0)
        seen(watch, a=(1, 1))
        later(watch, seconds=3)
        with pytest.raises(NotNow, match="still open"):
            one = Occasion("file:1", "a.txt", files=("a.txt",), seen=(1, 1))
            firings.fire_files(watch.pk, [one], no_files)
        assert seen(watch, a=(1, 1)) == ["a.txt"] and not Firing.objects.exists()


class TestDelivery:
    @pytest.fixture
    def hook(self, boss, office):
        return made(boss, office, "webhook", text="Look into this: {body}")

    def deliver(self, hook, key="id:1", body="hello", has_id=True):
        return firings.deliver(hook.pk, Occasion(key), no_files, body=body, has_id=has_id)

    def test_a_delivery_counts_once(self, hook):
        firing, is_new = self.deliver(hook)
        assert is_new and firing.goal.text == "Look into this: hello"
        again, is_new = self.deliver(hook)
        assert again == firing and not is_new
        assert self.deliver(hook, "id:2")[1]

    def test_a_body_without_an_id_counts_once_in_ten_minutes(self, hook):
        first, _ = self.deliver(hook, "body:1", has_id=False)
        assert self.deliver(hook, "body:1", has_id=False) == (first, False)
        early = timezone.now() - firings.SAME_BODY
        Firing.objects.update(fired_at=early, key=f"body:1:{int(early.timestamp())}")
        assert self.deliver(hook, "body:1", has_id=False)[1]

    def test_a_paused_hook_says_so_but_still_knows_what_it_did(self, hook):
        first, _ = self.deliver(hook)
        routines.pause(hook.pk)
        assert self.deliver(hook) == (first, False)
        with pytest.raises(NotNow, match="paused"):
            self.deliver(hook, "id:2")

    def test_too_many_in_a_minute(self, hook, monkeypatch):
        monkeypatch.setattr(firings, "MAX_DELIVERIES", 2)
        for n in range(2):
            self.deliver(hook, f"id:{n}")
        with pytest.raises(NotNow, match="slow down") as refused:
            self.deliver(hook, "id:3")
        assert refused.value.retry_after_s == 60
        assert self.deliver(hook, "id:1")[1] is False

    def test_the_secret_is_not_kept_and_a_new_one_voids_the_old(self, hook):
        first = routines.new_secret(hook.pk)
        assert routines.find_hook(first) == hook
        second = routines.new_secret(hook.pk)
        assert routines.find_hook(first) is None and routines.find_hook(second) == hook
        kept = Routine.objects.filter(pk=hook.pk).values().get()
        assert second not in str(kept)

    def test_other_routines_have_no_secret(self, hourly):
        with pytest.raises(RoutineRefused):
            routines.new_secret(hourly.pk)
        assert routines.find_hook("") is None

    def test_what_the_database_cannot_hold_is_left_out_of_the_text(self, hook):
        firing, _ = self.deliver(hook, body="a\0b" + "x" * 5000)
        assert firing.goal.text.startswith("Look into this: abxxx")
        assert len(firing.goal.text) < 2100
