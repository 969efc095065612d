"""Dates in words, seen from a Tuesday."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.tools.base import ToolError
from orchestrator.tools.calendar import resolved

TUESDAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("today", "2026-11-24"),
        ("the day after tomorrow", "2026-11-26"),
        ("Friday", "2026-11-27"),
        ("Tuesday", "2026-12-01"),
        ("by Fri.", "2026-11-27"),
        ("this Friday", "2026-11-27"),
        ("next Friday", "2026-12-04"),
        ("next Monday", "2026-11-30"),
        ("last Tuesday", "2026-11-17"),
        ("in 3 weeks", "2026-12-15"),
        ("in two days", "2026-11-26"),
        ("a month ago", "2026-10-24"),
        ("10 days from now", "2026-12-04"),
        ("next month", "2026-12-24"),
        ("end of month", "2026-11-30"),
        ("end of next month", "2026-12-31"),
        ("end of the week", "2026-11-27"),
        ("end of this quarter", "2026-12-31"),
        ("end of next quarter", "2027-03-31"),
        ("end of the year", "2026-12-31"),
        ("24 November", "2026-11-24"),
        ("23 November", "2027-11-23"),
        ("March 14th", "2027-03-14"),
        ("14 March 2025", "2025-03-14"),
        ("14.3.2027", "2027-03-14"),
        ("30/11/2026", "2026-11-30"),
        ("2026-02-03", "2026-02-03"),
    ],
)
def test_resolves(words, day):
    assert resolved(words, TUESDAY).isoformat() == day


@pytest.mark.parametrize(
    "words",
    ["", "soon", "March", "14", "12:30", "30 February", "next Foo", "in 9999 years", "2027"],
)
def test_what_is_no_date_is_refused_with_examples(words):
    with pytest.raises(ToolError, match="is not a date"):
        resolved(words, TUESDAY)


def test_a_date_that_may_be_read_two_ways_is_refused():
    with pytest.raises(ToolError, match="day first or month first"):
        resolved("3/4/2026", TUESDAY)


def test_end_of_month_from_its_last_day():
    assert resolved("end of month", date(2026, 1, 31)) == date(2026, 1, 31)
    assert resolved("next month", date(2026, 1, 31)) == date(2026, 2, 28)


@given(st.text(max_size=30), st.dates())
def test_any_text_gives_a_date_or_a_tool_error(text, day):
    try:
        assert isinstance(resolved(text, day), date)
    except ToolError as refused:
        assert "date" in str(refused) or "day first" in str(refused)


def test_reckons_with_iso_dates(call):
    assert call["today"]() == "2026-11-24"
    assert call["add_days"]("2026-02-27", 2) == "2026-03-01"
    assert call["add_days"]("2026-03-01T10:00:00", days=-1) == "2026-02-28"
    assert call["add_months"]("2026-01-31", 1) == "2026-02-28"
    assert call["days_between"]("2026-11-24", "2026-12-25") == 31
    assert call["weekday"]("2026-11-24") == "Tuesday"
    assert call["month_of"]("2026-11-24") == "2026-11"
    assert call["quarter_of"]("2026-11-24") == "2026-Q4"
    assert call["resolve_date"]("next Friday") == "2026-12-04"
    with pytest.raises(ToolError, match="resolve_date"):
        call["add_days"]("next Friday", 1)
    with pytest.raises(ToolError, match="not a date in our calendar"):
        call["add_days"]("2026-11-24", 10**9)
