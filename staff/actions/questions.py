"""What only the boss can answer: asked by a task, which then lets go until the answer is there."""

from __future__ import annotations

from django.db import transaction

from staff.actions import queue, streams
from staff.actions.queue import Claim
from staff.domain.lifecycle import AttemptState, TaskState
from staff.models import Question


@transaction.atomic
def ask_for_budget(held: Claim, reason: str) -> None:
    """A cap is reached: the task waits until the boss raises it (`goals.raise_budget`)."""
    queue.lock(held)
    question = Question.objects.create(
        goal_id=held.goal_id,
        task_id=held.task_id,
        kind=Question.Kind.BUDGET,
        request=f"budget {held.fence}",
        text=reason,
    )
    queue.let_go(held, TaskState.ASKING, AttemptState.ASKING)
    streams.append(
        held.goal_id, "budget.spent", task_id=held.task_id, question=question.pk, reason=reason
    )
