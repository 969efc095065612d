import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.domain import delegation
from staff.domain.delegation import Hop, Member, NotHandedOn, Request

ADA, ALAN, ANNE = (
    Member(1, "Ada", "assistant"),
    Member(2, "Alan", "analyst", busy=3),
    Member(3, "Anne", "analyst", tools=frozenset({"read_table", "finish"})),
)
STAFF = [ADA, ALAN, ANNE]
CHAIN = [Hop(10, ADA.id, "Ada")]
WORK = Request("analyst", "analyse-table", "t", "sum it", inputs=("a.csv",), output="b.csv")


def test_the_least_busy_of_those_who_are_meant_and_able():
    assert delegation.choose(STAFF, CHAIN, "Analyst", {"finish"}) == ANNE.id
    assert delegation.choose(STAFF, CHAIN, "analyst", {"write_csv"}) == ALAN.id
    assert delegation.choose(STAFF, CHAIN, "ALAN", set()) == ALAN.id


@pytest.mark.parametrize(
    ("chain", "to", "needs", "why"),
    [
        (CHAIN, "pilot", set(), r'nobody .* "pilot"; there are Ada \(assistant\), Alan'),
        (CHAIN, "assistant", set(), "you are Ada yourself"),
        ([*CHAIN, Hop(11, ALAN.id, "Alan")], "Ada", set(), r"Ada waits .* \(Ada → Alan\)"),
        (CHAIN, "Anne", {"write_csv", "draft"}, "Anne may not use draft, write_csv"),
    ],
)
def test_why_somebody_cannot_take_it(chain, to, needs, why):
    with pytest.raises(NotHandedOn, match=why):
        delegation.choose(STAFF, chain, to, needs)


@pytest.mark.parametrize(("left", "hops", "may"), [(1, 0, True), (0, 3, False), (0, 0, False)])
def test_the_last_hop_is_exact(left, hops, may):
    if may:
        delegation.check_depth(left, hops)
    else:
        with pytest.raises(NotHandedOn, match="no further"):
            delegation.check_depth(left, hops)


def test_the_same_work_is_the_same_files_too():
    from dataclasses import replace

    contents = {"a.csv": "1" * 64, "other.csv": "2" * 64}
    same = WORK.digest(contents)
    assert replace(WORK, to="ANALYST", title="else").digest(contents) == same
    assert WORK.digest({**contents, "other.csv": "3" * 64}) == same
    others = [
        replace(WORK, to="Alan"),
        replace(WORK, skill="find-duplicates"),
        replace(WORK, instruction="sum it up"),
        replace(WORK, inputs=()),
        replace(WORK, output=""),
    ]
    assert same not in {other.digest(contents) for other in others}
    assert WORK.digest({"a.csv": "9" * 64}) != same


KEYS = st.sampled_from("abcdefgh")


@given(st.dictionaries(KEYS, st.lists(KEYS, max_size=4)), st.lists(KEYS, max_size=3))
def test_what_is_awaited_is_closed_and_ends_in_circles_too(after, by):
    found = delegation.awaited(after, by)
    direct = {key for start in by for key in after.get(start, ())}
    assert direct <= found
    assert all(set(after.get(key, ())) <= found for key in found)
