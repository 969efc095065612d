"""Finding goals by parts of words, in any script.

The database keeps the words of each goal in a row of their own, by a trigger, and an index of their
grams: each one, two and three letters that follow each other (see the migration). A row of its own,
because the goal's row changes with every event, and the index must not.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Upper

from staff.models.goals import Goal
from staff.models.people import Workspace


class GoalSearch(models.Model):
    """What a goal can be found by: its text and its answer, in upper case. Written by the database
    alone."""

    goal = models.OneToOneField(Goal, models.CASCADE, primary_key=True, related_name="search")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+", db_index=False)
    words = models.TextField()

    def __str__(self) -> str:
        return f"words of goal {self.goal_id}"


def holding(word: str) -> Q:
    """GoalSearch rows whose words hold this one, or have it as a part."""
    upper, longest = Upper(Value(word)), Value(min(3, len(word)))
    grams = Func(
        Func(F("words"), function="forestaff_grams"),
        Func(upper, longest, function="forestaff_grams_of_length"),
        template="%(expressions)s",
        arg_joiner=" @> ",
        output_field=models.BooleanField(),
    )
    return Q(grams, words__contains=upper)  # the index finds a few too many
