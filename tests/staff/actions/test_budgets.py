"""Budgets: what they draw on, and how far work may be handed on under them."""

from __future__ import annotations

import pytest

from staff.actions import budgets

pytestmark = pytest.mark.django_db


def test_work_may_be_handed_on_as_often_as_the_boss_says():
    budget = budgets.open_budget(depth_cap=5)
    depths = []
    for _ in range(6):
        budget = budgets.open_budget(parent=budget)
        depths.append(budget.depth_cap)
    assert depths == [4, 3, 2, 1, 0, 0]


def test_a_child_may_be_held_shorter_but_not_longer():
    budget = budgets.open_budget(depth_cap=3)
    assert budgets.open_budget(parent=budget, depth_cap=1).depth_cap == 1
    assert budgets.open_budget(parent=budget, depth_cap=9).depth_cap == 2
    assert budgets.open_budget().depth_cap == 3
