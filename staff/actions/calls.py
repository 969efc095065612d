"""Model calls as recorded steps: reserved before, settled after, replayed by a later attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import transaction

from staff.actions import budgets, sql
from staff.actions.budgets import BudgetSpent, Busy, Room
from staff.actions.streams import News
from staff.models import ModelCall

__all__ = ["BudgetSpent", "Busy", "Call", "Room", "Work", "begin", "settle"]

RECORD = """
    INSERT INTO staff_modelcall
        (goal_id, task_id, scope, digest, purpose, model, is_settled, tokens_reserved,
         seconds_reserved, text, finish_reason, prompt_tokens, cached_tokens,
         completion_tokens, first_token_s, total_s, created_at)
    VALUES (%(goal)s, %(task)s, %(scope)s, %(digest)s, %(purpose)s, %(model)s, false, 0,
            0, '', '', 0, 0, 0, 0, 0, now())
    ON CONFLICT (goal_id, scope, digest) DO UPDATE SET purpose = excluded.purpose
    RETURNING id, is_settled, tokens_reserved, seconds_reserved, xmax = 0 AS is_new,
        (SELECT coalesce(t.budget_id, g.budget_id) FROM staff_goal g
         LEFT JOIN staff_task t ON t.id = %(task)s WHERE g.id = %(goal)s)
"""


SETTLE = f"""
    {budgets.LINE}, call AS (
        UPDATE staff_modelcall
        SET is_settled = %(is_answer)s, tokens_reserved = 0, seconds_reserved = 0, text = %(text)s,
            finish_reason = %(finish_reason)s, prompt_tokens = %(prompt_tokens)s,
            cached_tokens = %(cached_tokens)s, completion_tokens = %(completion_tokens)s,
            first_token_s = %(first_token_s)s, total_s = %(total_s)s
        WHERE id = %(call)s
    )
    {budgets.CHARGE}
"""


class Tell(Protocol):
    """Adds events to a goal's stream in the name of a piece of work. It locks the goal, and raises
    if the work is no longer its own."""

    def __call__(self, *news: News) -> None: ...


@dataclass(frozen=True)
class Work:
    """The piece of work that a call belongs to.

    task_id: None for the planning of the goal
    scope:   equal requests within it are one step ("task 7.0", "plan 1")
    """

    goal_id: int
    task_id: int | None
    scope: str
    tell: Tell


@dataclass(frozen=True)
class Call:
    """A step that was begun. recorded: its answer, if it was given before; then there is no room
    to keep to, since nothing is asked."""

    pk: int
    budget_id: int
    reserved: tuple[int, float]
    room: Room
    recorded: ModelCall | None = None


@transaction.atomic
def begin(
    work: Work,
    digest: str,
    *,
    purpose: str,
    model: str,
    prompt_tokens: int,
    max_tokens: int,
    timeout_s: float | None,
) -> Call:
    """Begin a model call: write it down, and reserve what it may use.

    A step that an earlier attempt began and never finished is the same step; it is reserved anew
    but counted once. Raises BudgetSpent, or Busy while other calls hold what there is.
    """
    work.tell(News("model.call", {"call": digest[:12], "purpose": purpose, "model": model}))
    asked = {"goal": work.goal_id, "task": work.task_id, "scope": work.scope, "digest": digest}
    ((pk, is_settled, tokens, seconds, is_new, budget_id),) = sql.rows(
        RECORD, asked | {"purpose": purpose, "model": model}
    )
    if is_settled:
        recorded = ModelCall.objects.get(pk=pk)
        return Call(pk, budget_id, (0, 0.0), Room(None, None), recorded)
    if tokens or seconds:
        budgets.settle(budget_id, (tokens, seconds))
    room = budgets.reserve(
        budget_id,
        prompt_tokens=prompt_tokens,
        max_tokens=max_tokens,
        timeout_s=timeout_s,
        takes_step=is_new,
        call_id=pk,
    )
    reserved = (prompt_tokens + (room.tokens or 0), room.seconds or 0.0)
    return Call(pk, budget_id, reserved, room)


@transaction.atomic
def settle(work: Work, call: Call, news: Sequence[News], **said: Any) -> None:
    """Charge a call for what it used, and keep its answer if it is one.

    said: the fields of a completion, and is_answer: false where the answer was cut off by a
          budget or a stop. Then the next attempt asks again; what was used is charged all the same.
    """
    work.tell(*news)
    used = said["prompt_tokens"] - said["cached_tokens"] + said["completion_tokens"]
    charged = budgets.charge(call.budget_id, call.reserved, tokens=used, seconds=said["total_s"])
    sql.rows(SETTLE, {"call": call.pk, **said, **charged})


def spent(call: Call, resource: str) -> BudgetSpent:
    """The cap that an answer ran into: the one with the least left."""
    accounts = [account for _, account in budgets.chain(call.budget_id)]
    if resource == "seconds":
        left = {a.second_cap - a.seconds_used: a.second_cap for a in accounts if a.second_cap}
    else:
        left = {a.token_cap - a.tokens_used: a.token_cap for a in accounts if a.token_cap}
    return BudgetSpent(resource, left[min(left)])
