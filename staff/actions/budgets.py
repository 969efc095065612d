"""Budgets: what is reserved before a model call and settled after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from staff.actions import sql
from staff.domain import budgets as rules
from staff.domain.budgets import Account, BudgetSpent, Busy, Room
from staff.models import Budget

__all__ = [
    "BudgetSpent",
    "Busy",
    "Room",
    "chain",
    "depth_of",
    "open_budget",
    "release",
    "reserve",
    "settle",
    "take_step",
]

LINE = """
    WITH RECURSIVE line AS (
        SELECT id, parent_id FROM staff_budget WHERE id = %(budget)s
        UNION ALL
        SELECT b.id, b.parent_id FROM staff_budget b JOIN line ON b.id = line.parent_id
    )
"""
CHAIN = f"""
    {LINE}
    SELECT id, token_cap, tokens_used, tokens_reserved, second_cap, seconds_used,
           seconds_reserved, step_cap, steps_used
    FROM staff_budget WHERE id IN (SELECT id FROM line) ORDER BY id FOR UPDATE
"""
CHARGE = """
    UPDATE staff_budget SET
        tokens_reserved = greatest(0, tokens_reserved - %(tokens_reserved)s),
        seconds_reserved = greatest(0, seconds_reserved - %(seconds_reserved)s),
        tokens_used = tokens_used + %(tokens)s, seconds_used = seconds_used + %(seconds)s
    WHERE id IN (SELECT id FROM line)
"""
RESERVE = """
    WITH call AS (
        UPDATE staff_modelcall SET tokens_reserved = %(tokens)s, seconds_reserved = %(seconds)s
        WHERE id = %(call)s
    )
    UPDATE staff_budget SET
        tokens_reserved = tokens_reserved + %(tokens)s,
        seconds_reserved = seconds_reserved + %(seconds)s,
        steps_used = steps_used + %(steps)s
    WHERE id = ANY(%(budgets)s)
"""
OPEN_SECONDS = 3600.0  # what a call may reserve at the most


def open_budget(
    *,
    parent: Budget | None = None,
    token_cap: int | None = None,
    second_cap: int | None = None,
    step_cap: int | None = None,
    depth_cap: int | None = None,
) -> Budget:
    """A new budget; with a parent it draws on that as well, and may be handed on one time less."""
    if parent is not None:
        left = max(0, depth_of(parent) - 1)
        depth_cap = left if depth_cap is None else min(depth_cap, left)
    elif depth_cap is None:
        depth_cap = rules.DEPTH_CAP
    return Budget.objects.create(
        parent=parent,
        token_cap=token_cap,
        second_cap=second_cap,
        step_cap=step_cap,
        depth_cap=depth_cap,
    )


def depth_of(budget: Budget) -> int:
    """How many more times work may be handed on from here."""
    return rules.DEPTH_CAP if budget.depth_cap is None else budget.depth_cap


def chain(budget_id: int) -> list[tuple[int, Account]]:
    """A budget and those that it draws on, locked, the topmost first."""
    return [(row[0], Account(*row[1:])) for row in sql.rows(CHAIN, {"budget": budget_id})]


def reserve(
    budget_id: int,
    *,
    prompt_tokens: int,
    max_tokens: int,
    timeout_s: float | None,
    takes_step: bool,
    call_id: int,
) -> Room:
    """Hold back what one model call may use, on the budget and all that it draws on.

    The call's own row keeps it too, so that it can be given back whatever happens.

    Returns what the call may use: at most max_tokens for the answer, and its seconds where a cap
    bounds them. Raises BudgetSpent, or Busy while other calls hold what there is.
    """
    accounts = chain(budget_id)
    room = rules.room([a for _, a in accounts], prompt_tokens + 1, takes_step=takes_step)
    most = max_tokens if room.tokens is None else min(max_tokens, room.tokens - prompt_tokens)
    seconds = room.seconds and min(room.seconds, timeout_s or OPEN_SECONDS)
    sql.rows(
        RESERVE,
        {
            "call": call_id,
            "tokens": prompt_tokens + most,
            "seconds": seconds or 0.0,
            "steps": int(takes_step),
            "budgets": [key for key, _ in accounts],
        },
    )
    return replace(room, tokens=most, seconds=seconds)


def take_step(budget_id: int) -> None:
    """Use one step that is no model call. Raises BudgetSpent."""
    accounts = chain(budget_id)
    for _, account in accounts:
        rules.check_step(account)
    sql.rows(
        "UPDATE staff_budget SET steps_used = steps_used + 1 WHERE id = ANY(%s)",
        [[key for key, _ in accounts]],
    )


def settle(budget_id: int, reserved: tuple[int, float]) -> None:
    """Give back what was reserved (tokens, seconds)."""
    sql.rows(f"{LINE} {CHARGE}", charge(budget_id, reserved, tokens=0, seconds=0.0))


def charge(
    budget_id: int, reserved: tuple[int, float], *, tokens: int, seconds: float
) -> dict[str, Any]:
    """What CHARGE is to give back of what was reserved (tokens, seconds), and to charge."""
    return {
        "budget": budget_id,
        "tokens_reserved": reserved[0],
        "seconds_reserved": reserved[1],
        "tokens": tokens,
        "seconds": seconds,
    }


def release(goal_id: int, task_id: int | None) -> None:
    """Give back what unfinished calls hold, of a task or of the planning (None): it has ended."""
    held = sql.rows(
        "UPDATE staff_modelcall c SET tokens_reserved = 0, seconds_reserved = 0"
        " FROM (SELECT m.id, m.tokens_reserved, m.seconds_reserved,"
        "              coalesce(t.budget_id, g.budget_id) AS budget_id"
        "       FROM staff_modelcall m JOIN staff_goal g ON g.id = m.goal_id"
        "       LEFT JOIN staff_task t ON t.id = m.task_id"
        "       WHERE m.goal_id = %s AND m.task_id IS NOT DISTINCT FROM %s AND NOT m.is_settled"
        "         AND (m.tokens_reserved > 0 OR m.seconds_reserved > 0) FOR UPDATE OF m) AS held"
        " WHERE c.id = held.id"
        " RETURNING held.budget_id, held.tokens_reserved, held.seconds_reserved",
        [goal_id, task_id],
    )
    for budget_id, tokens, seconds in held:
        settle(budget_id, (tokens, seconds))
