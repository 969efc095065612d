import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.domain.budgets import Account, BudgetSpent, Busy, room

FREE = Account(None, 0, 0, None, 0, 0, None, 0)


def account(**facts):
    return Account(**{**FREE.__dict__, **facts})


def test_without_caps_there_is_no_bound():
    assert (room([FREE], 100).tokens, room([FREE], 100).seconds) == (None, None)


def test_the_tightest_of_the_chain_counts():
    goal = account(token_cap=1000, tokens_used=900, second_cap=60, seconds_used=10)
    task = account(token_cap=500, tokens_used=0, second_cap=60, seconds_used=40)
    left = room([goal, task], 10)
    assert (left.tokens, left.seconds) == (100, 20)


@pytest.mark.parametrize(
    ("spent", "resource"),
    [
        (account(token_cap=100, tokens_used=91), "tokens"),
        (account(second_cap=5, seconds_used=5), "seconds"),
        (account(step_cap=3, steps_used=3), "steps"),
    ],
)
def test_a_spent_cap_is_named_with_what_to_do(spent, resource):
    with pytest.raises(BudgetSpent, match="Raise it") as reason:
        room([FREE, spent], 10)
    assert reason.value.resource == resource


def test_what_others_have_reserved_is_waited_for_not_refused():
    with pytest.raises(Busy):
        room([account(token_cap=100, tokens_used=50, tokens_reserved=45)], 10)
    with pytest.raises(Busy):
        room([account(second_cap=10, seconds_used=4, seconds_reserved=6)], 10)


def test_a_step_that_was_counted_before_is_not_counted_again():
    assert room([account(step_cap=3, steps_used=3)], 10, takes_step=False).tokens is None


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), st.integers(0, 50))
def test_used_and_reserved_and_granted_never_pass_the_cap(cap, used, reserved, least):
    try:
        left = room([account(token_cap=cap, tokens_used=used, tokens_reserved=reserved)], least)
    except (BudgetSpent, Busy):
        assert used + reserved + least > cap
    else:
        assert used + reserved + left.tokens == cap and left.tokens >= least
