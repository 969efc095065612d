from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from staff.domain.queueing import MOST_AHEAD_S, PATIENCE_S, start_by

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
seconds = st.integers(0, 10**6)


def later(s):
    return NOON + timedelta(seconds=s)


def test_urgent_goes_before_normal_before_low():
    places = [start_by(NOON, priority) for priority in (3, 2, 1, 0)]
    assert places == sorted(places) and len(set(places)) == 4


def test_low_work_that_waited_long_enough_goes_before_new_urgent_work():
    assert start_by(NOON, 0) < start_by(later(PATIENCE_S[0] + 1), 3)


def test_a_near_deadline_comes_first_but_not_without_bound():
    assert start_by(NOON, 0, later(60)) < start_by(NOON, 3)
    assert start_by(NOON, 0, later(-(10**6))) == later(-MOST_AHEAD_S)


def test_one_goal_with_many_tasks_lets_others_in_between():
    many = [start_by(NOON, 1, ahead=n) for n in range(100)]
    assert many[0] < start_by(later(1), 1) < many[99]


@given(seconds, st.integers(-5, 9), st.none() | seconds, st.integers(0, 5000))
def test_nothing_starves(ready_s, priority, deadline_s, ahead):
    """Whatever comes much later goes behind, however urgent it is."""
    deadline = None if deadline_s is None else later(deadline_s)
    place = start_by(later(ready_s), priority, deadline, ahead)
    bound_s = PATIENCE_S[0] + ahead * 15 + MOST_AHEAD_S + 1
    newcomer = start_by(later(ready_s + bound_s), 3, later(ready_s + bound_s), 0)
    assert place < newcomer
