from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.domain.plans import MAX_STEPS, Plan, PlanRefused, PlanStep, check

SKILLS = {"read", "write", "review"}
ROLES = {"analyst", "writer", "reviewer"}
READ = PlanStep("a", "Read", "read", "analyst", outputs=("a.csv",))
WRITE = PlanStep("b", "Write", "write", "writer", after=("a",), outputs=("b.md",))
REVIEW = PlanStep("c", "Review", "review", "reviewer", after=("b",), reviews="b")
GOOD = Plan((READ, WRITE, REVIEW))


def with_steps(*steps):
    return replace(GOOD, steps=steps)


def test_a_good_plan_passes():
    check(GOOD, SKILLS, ROLES)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (with_steps(), "no steps"),
        (with_steps(READ, READ), "called 'a'"),
        (with_steps(replace(READ, skill="fly")), "skill or tool called 'fly'"),
        (with_steps(replace(READ, agent_role="pilot")), "nobody in the staff is 'pilot'"),
        (with_steps(replace(READ, after=("z",))), "after 'z'"),
        (with_steps(replace(READ, after=("a",))), "circle"),
        (with_steps(replace(READ, after=("b",)), WRITE), "circle: "),
        (with_steps(READ, replace(WRITE, outputs=("A.csv",))), "Two steps write 'a.csv'"),
        (with_steps(replace(READ, outputs=("../x.csv",))), "no file name"),
        (with_steps(replace(READ, outputs=("x",))), "no file name"),
        (with_steps(READ, replace(REVIEW, after=("a",), reviews="x")), "reviews 'x'"),
        (with_steps(READ, WRITE, replace(REVIEW, after=("a",))), "does not come after"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_with_the_reason(plan, reason):
    with pytest.raises(PlanRefused, match=reason):
        check(plan, SKILLS, ROLES)


def test_a_plan_of_too_many_steps_is_refused():
    steps = [replace(READ, key=f"s{n}", outputs=()) for n in range(MAX_STEPS + 1)]
    with pytest.raises(PlanRefused, match="at most"):
        check(with_steps(*steps), SKILLS, ROLES)


keys = st.text("abcdef", min_size=1, max_size=3)


@given(st.permutations(range(6)), st.data())
def test_a_plan_whose_steps_look_back_only_is_never_a_circle(order, data):
    steps = []
    for position in range(6):
        earlier = [f"k{order[p]}" for p in range(position)]
        after = data.draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        steps.append(PlanStep(f"k{order[position]}", "", "read", "analyst", after=tuple(after)))
    check(with_steps(*data.draw(st.permutations(steps))), SKILLS, ROLES)


@given(st.lists(st.builds(PlanStep, keys, keys, keys, keys, after=st.tuples(keys)), max_size=4))
def test_json_keeps_a_plan(steps):
    plan = with_steps(*steps)
    assert Plan.from_json(plan.to_json()) == plan


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(json_values | st.fixed_dictionaries({"steps": st.lists(json_values, max_size=3)}))
def test_any_json_is_a_plan_or_is_refused(data):
    try:
        Plan.from_json(data)
    except PlanRefused as refused:
        assert str(refused)
