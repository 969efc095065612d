"""Cron in time zones: what is refused, and what happens when clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staff.domain import schedules
from staff.domain.schedules import Missed, ScheduleRefused

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(cron, zone, after, count=3):
    runs = schedules.next_runs(cron, zone, after, count)
    return [run.isoformat(timespec="minutes") for run in runs]


def test_runs_are_told_in_the_zone_of_the_routine():
    assert shown("0 8 * * 1-5", "Europe/Berlin", utc("2026-11-27T12:00")) == [
        "2026-11-30T08:00+01:00",
        "2026-12-01T08:00+01:00",
        "2026-12-02T08:00+01:00",
    ]


def test_a_fixed_time_in_the_skipped_hour_runs_right_after_it():
    eve = datetime(2027, 3, 27, 12, tzinfo=BERLIN)
    assert shown("30 2 * * *", "Europe/Berlin", eve) == [
        "2027-03-28T03:00+02:00",
        "2027-03-29T02:30+02:00",
        "2027-03-30T02:30+02:00",
    ]


def test_a_fixed_time_in_the_doubled_hour_runs_once_the_first_time():
    eve = datetime(2027, 10, 30, 12, tzinfo=BERLIN)
    assert shown("30 2 * * *", "Europe/Berlin", eve) == [
        "2027-10-31T02:30+02:00",
        "2027-11-01T02:30+01:00",
        "2027-11-02T02:30+01:00",
    ]


@pytest.mark.parametrize("minute", [15, 29, 30, 31])
def test_asked_within_the_second_of_the_doubled_hours_it_does_not_look_back(minute):
    second = datetime(2027, 10, 31, 2, minute, tzinfo=BERLIN, fold=1)
    after = schedules.next_after("30 2 * * *", "Europe/Berlin", second)
    assert after == utc("2027-11-01T01:30")


def test_every_hour_follows_real_time_through_both_changes():
    spring = shown("0 * * * *", "Europe/Berlin", datetime(2027, 3, 28, 0, 30, tzinfo=BERLIN))
    assert spring[:2] == ["2027-03-28T01:00+01:00", "2027-03-28T03:00+02:00"]
    autumn = shown("0 * * * *", "Europe/Berlin", datetime(2027, 10, 31, 1, 30, tzinfo=BERLIN))
    assert autumn[:2] == ["2027-10-31T02:00+02:00", "2027-10-31T02:00+01:00"]


def test_a_change_of_half_an_hour():
    eve = utc("2027-10-02T00:00")  # Lord Howe Island skips 2:00 to 2:30 on the 3rd
    assert shown("15 2 * * *", "Australia/Lord_Howe", eve, 2) == [
        "2027-10-03T02:30+11:00",
        "2027-10-04T02:15+11:00",
    ]


@pytest.mark.parametrize(
    ("cron", "word"),
    [
        ("", "five parts"),
        ("* * * *", "five parts"),
        ("0 0 8 * * *", "five parts"),
        ("@daily", "five parts"),
        ("60 * * * *", "“60” is no minute: it takes 0 to 59"),
        ("0 24 * * *", "“24” is no hour"),
        ("0 0 32 * *", "“32” is no day of month"),
        ("0 0 * 13 *", "“13” is no month"),
        ("0 0 * * 8", "“8” is no day of week"),
        ("*/0 * * * *", "“*/0” is no minute"),
        ("5-1 * * * *", "is no minute"),
        ("-1 * * * *", "is no minute"),
        ("², * * * *", "is no minute"),
        ("٣ * * * *", "is no minute"),
        ("0 0 30 2 *", "None of these months has a day 30"),
        ("0 0 31 4,6,9,11 *", "None of these months has a day 31"),
        ("0 0 */40 * MON#5", "never comes"),
        ("1," * 100 + "1 * * * *", "five parts"),
    ],
)
def test_what_is_no_schedule_is_said_with_the_part_that_is_meant(cron, word):
    with pytest.raises(ScheduleRefused) as refused:
        schedules.first_run(cron, "UTC", utc("2026-01-01T00:00"))
    assert word in str(refused.value) and refused.value.field == "cron"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Europe", "localtime"])
def test_what_is_no_zone(zone):
    with pytest.raises(ScheduleRefused) as refused:
        schedules.first_run("0 8 * * *", zone, utc("2026-01-01T00:00"))
    assert refused.value.field == "time_zone"


def test_a_leap_day_comes_though_rarely():
    after = utc("2026-01-01T00:00")
    assert schedules.next_after("0 0 29 2 *", "UTC", after) == utc("2028-02-29T00:00")


def test_the_runs_that_are_due_include_both_ends_and_keep_the_newest():
    first, until = utc("2026-05-01T08:00"), utc("2026-05-04T08:00")
    days = schedules.runs_between("0 8 * * *", "UTC", first, until, 10)
    assert [run.day for run in days] == [1, 2, 3, 4]
    assert schedules.runs_between("0 8 * * *", "UTC", first, until, 2) == days[-2:]
    just_before = until - timedelta(microseconds=1)
    assert schedules.runs_between("0 8 * * *", "UTC", first, just_before, 10) == days[:-1]


def test_a_house_that_was_away_for_a_year_finds_the_newest_at_once():
    until = utc("2027-05-01T08:00")
    runs = schedules.runs_between("* * * * *", "UTC", utc("2026-05-01T08:00"), until, 1000)
    assert len(runs) == 1000 and runs[-1] == until


@settings(max_examples=200, deadline=None)
@given(
    cron=st.sampled_from(
        ["30 2 * * *", "*/15 2 * * *", "0 2,3 * * *", "59 23 * * *", "0 */2 * * *", "30 1 * * 0"]
    ),
    zone=st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Beirut", "UTC"]
    ),
    until=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    hours=st.integers(1, 200),
)
def test_looking_back_finds_what_looking_ahead_promised(cron, zone, until, hours):
    """Lord Howe Island is left out: where clocks go back by half an hour, cronsim looking ahead
    leaves out what falls into the first half hour after it, for expressions like */15 2 * * *."""
    first = schedules.next_after(cron, zone, until - timedelta(hours=hours))
    ahead, run = [], first
    while run <= until:
        ahead.append(run)
        run = schedules.next_after(cron, zone, run)
    assert schedules.runs_between(cron, zone, first, until, 10_000) == ahead


class TestMissed:
    now = utc("2026-05-04T08:00")
    runs = [utc(f"2026-05-0{day}T07:59") for day in (1, 2, 3, 4)]

    def test_once_gives_the_newest_only(self):
        assert schedules.to_give(Missed.ONCE, self.runs, self.now) == self.runs[-1:]

    def test_skip_gives_the_newest_if_it_is_on_time(self):
        assert schedules.to_give(Missed.SKIP, self.runs, self.now) == self.runs[-1:]
        late = self.now + schedules.LATE
        assert schedules.to_give(Missed.SKIP, self.runs, late) == []

    def test_all_gives_each_up_to_a_cap(self):
        assert schedules.to_give(Missed.ALL, self.runs, self.now) == self.runs
        many = [self.now - timedelta(hours=n) for n in range(100, 0, -1)]
        given_now = schedules.to_give(Missed.ALL, many, self.now)
        assert given_now == many[-schedules.MAX_CAUGHT_UP :]
