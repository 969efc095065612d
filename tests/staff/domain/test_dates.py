from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.domain.dates import MONTHS, day_comes_first, find_dates, find_days

days = st.dates(date(1970, 1, 1), date(2069, 12, 31))
FORMS = ["{d:%Y-%m-%d}", "{d:%Y/%m/%d}", "{d:%d.%m.%Y}", "{d.day}. {name} {d.year}"]
FORMS += ["{name} {d.day}, {d.year}", "{d:%d}-{name}-{d.year}", "{d:%Y-%m-%d}T10:00"]


@given(days, st.sampled_from(FORMS), st.data())
def test_a_date_is_read_as_it_was_written(day: date, form: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([n for n, month in MONTHS.items() if month == day.month]))
    text = f"vom {form.format(d=day, name=name.capitalize())}, bitte"
    (found,) = find_dates(text)
    assert found.read(day_first=True) == found.read(day_first=False) == day
    assert text[found.start : found.end] == found.text


@given(st.text(max_size=200))
def test_any_text_is_survived_and_spans_do_not_overlap(text: str) -> None:
    found = find_dates(text)
    assert all(text[each.start : each.end] == each.text for each in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_other_dates_tell_which_number_is_the_day() -> None:
    (first, second) = find_dates("03/04/2026, due 17/04/2026")
    assert first.is_ambiguous and not second.is_ambiguous
    assert day_comes_first([first, second]) is True
    assert day_comes_first(find_dates("04/17/2026")) is False
    assert day_comes_first([first]) is None
    assert first.read(day_first=True) == date(2026, 4, 3)
    assert first.read(day_first=False) == date(2026, 3, 4)


@pytest.mark.parametrize(
    "text", ["31.02.2024", "March 2024", "version 1.2.3.4", "INV-12.03.2024", "tel 12.34.56.78"]
)
def test_what_is_no_date(text: str) -> None:
    assert find_dates(text) == []


def test_a_range_is_two_dates() -> None:
    assert [each.text for each in find_dates("10.03.2024-12.03.2024")] == [
        "10.03.2024",
        "12.03.2024",
    ]


def test_days_without_a_year() -> None:
    found = find_days("by 14 March, or April 3rd")
    assert [(month, day) for _, month, day in found] == [(3, 14), (4, 3)]
