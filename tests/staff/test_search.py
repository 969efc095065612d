"""A goal is found by any part of any word in it, and by nothing else."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import Q
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from staff import queries
from staff.actions import goals
from staff.models import Goal

letters = st.sampled_from("abAB12 ßéÉжЖ漢字%_\\'\n")
texts = st.text(letters, min_size=1, max_size=24).filter(str.strip)
words = st.text(letters, min_size=1, max_size=6).filter(str.strip)


def ids(workspace, *asked):
    return list(queries.search_goals(workspace, *asked).values_list("pk", flat=True))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(said=st.lists(st.tuples(texts, texts | st.just("")), min_size=1, max_size=4), asked=words)
@example(said=[("100% sure", "a_b")], asked="0%")
@example(said=[("Straße", "")], asked="SS")
def test_found_is_what_holds_all_the_words(office, boss, said, asked):
    with transaction.atomic():
        for text, answer in said:
            goal = goals.create(office, boss, text)
            Goal.objects.filter(pk=goal.pk).update(answer=answer)
        slow = Goal.objects.filter(workspace=office)
        for word in asked.split():
            slow = slow.filter(Q(text__icontains=word) | Q(answer__icontains=word))
        assert ids(office, asked) == list(slow.values_list("pk", flat=True))
        transaction.set_rollback(True)


def test_a_goal_is_found_by_its_newest_answer_only(office, boss):
    goal = goals.create(office, boss, "Count the chairs")
    Goal.objects.filter(pk=goal.pk).update(answer="Twelve chairs")
    assert ids(office, "twelve") == [goal.pk]
    Goal.objects.filter(pk=goal.pk).update(answer="Eleven chairs")
    assert ids(office, "twelve") == []
    assert ids(office, "chairs eleven", "planning") == [goal.pk]
    assert ids(office, "chairs eleven", "done") == []
    goal.delete()
    assert ids(office, "chairs") == []


def test_others_find_nothing(office, boss, outsider):
    goals.create(office, boss, "Count the chairs")
    assert ids(outsider.workspaces.get(), "chairs") == []


def test_the_index_can_serve_every_search(office, boss):
    goals.create(office, boss, "Count the chairs")
    with connection.cursor() as cursor:  # a planner that cannot look at every row of a small table
        for way in ("seqscan", "nestloop", "indexscan", "indexonlyscan"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    for asked in ("c", "ch", "cha", "chairs"):
        assert "goals_by_words" in queries.search_goals(office, asked).explain(), asked
