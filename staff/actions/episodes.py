"""What happened on a goal's stream becomes memory, once: the goal remembers how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from staff.actions import memory, streams
from staff.actions.drafts import Draft, Vectors
from staff.actions.memory import Kept
from staff.models import Goal, Scope


@dataclass(frozen=True)
class Told:
    """Drafts for one scope, each with its row of the vectors."""

    scope: Scope
    drafts: Sequence[Draft]
    vectors: Vectors


@transaction.atomic
def keep(goal_id: int, after: int, upto: int, told: Sequence[Told]) -> list[Kept]:
    """Remember what the events after one number and up to another said. Nothing, if somebody else
    has done so meanwhile."""
    goal = streams.lock_goal(goal_id)
    if goal.remembered_seq != after:
        return []
    kept: list[Kept] = []
    for each in sorted(told, key=lambda each: each.scope.pk):
        kept += memory.remember(each.scope, each.drafts, each.vectors)
    Goal.objects.filter(pk=goal_id).update(remembered_seq=upto)
    return kept
