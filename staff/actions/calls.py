"""Model calls as recorded steps, and the budgets that they are charged to."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from staff.actions import streams
from staff.models import Goal, ModelCall


class BudgetSpent(Exception):
    """A goal's cap is reached; the message says which and how to go on."""


def replay(goal_id: int, scope: str, digest: str) -> ModelCall | None:
    """The recorded answer to the same request in the same piece of work, if there is one."""
    return ModelCall.objects.filter(goal_id=goal_id, scope=scope, digest=digest).first()


def tokens_left(goal_id: int) -> int | None:
    """Tokens that the goal may still use; None means no cap. Raises BudgetSpent at a cap."""
    goal = Goal.objects.only("token_budget", "second_budget", "tokens_used", "seconds_used").get(
        pk=goal_id
    )
    if goal.second_budget is not None and goal.seconds_used >= goal.second_budget:
        raise BudgetSpent(
            f"The budget of {goal.second_budget} seconds is spent. Raise it and retry."
        )
    if goal.token_budget is None:
        return None
    left = goal.token_budget - goal.tokens_used
    if left <= 0:
        raise BudgetSpent(f"The budget of {goal.token_budget} tokens is spent. Raise it and retry.")
    return left


@transaction.atomic
def record(goal_id: int, scope: str, digest: str, **call: Any) -> None:
    """Keep what a model said and charge the goal for it, once."""
    streams.lock_goal(goal_id)
    try:
        with transaction.atomic():
            made = ModelCall.objects.create(goal_id=goal_id, scope=scope, digest=digest, **call)
    except IntegrityError:
        return  # another attempt recorded the same step first
    spent = made.prompt_tokens - made.cached_tokens + made.completion_tokens
    Goal.objects.filter(pk=goal_id).update(
        tokens_used=F("tokens_used") + spent, seconds_used=F("seconds_used") + made.total_s
    )
