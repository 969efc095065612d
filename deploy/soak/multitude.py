"""Very many goals, copied in SQL from a few that the house has really worked on.

A copy takes every column of the original, save those that make it another row; so it stays true
when a table gains a column. Import it inside the house only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection, models

from staff.models import (
    Artifact,
    Attempt,
    Budget,
    Effect,
    Event,
    Goal,
    ModelCall,
    Plan,
    Task,
    Workspace,
)

TEXT = """
    (ARRAY['Total','Summarise','Compare','File','Check','Translate','Sort'])[1 + n %% 7]
    || ' the ' || (ARRAY['invoices','receipts','minutes','letters','orders'])[1 + n / 7 %% 5]
    || ' of ' || (ARRAY['March','April','May','June'])[1 + n / 35 %% 4]
    || ' for customer ' || substr(md5(n::text), 1, 8) || ', and write me a page about it'
"""
ANSWER = """
    'The sum is ' || n || ' EUR. ' || (
        SELECT string_agg(md5((n * 31 + k)::text), ' ') FROM generate_series(1, 12) k)
"""
STATE = """
    CASE WHEN n %% 97 = 0 THEN 'failed' WHEN n %% 89 = 0 THEN 'cancelled' ELSE 'done' END
"""
FATE = "CASE WHEN n %% 97 = 0 AND t.position = 0 THEN 'failed' ELSE t.state END"  # of a task
AGE = "(%(count)s - n) * interval '20 minutes' + interval '1 hour'"  # two years of goals
MODELS = (Budget, Goal, Plan, Task, Attempt, Effect, Artifact, ModelCall, Event)
STRIDE = 1_000  # ids between two copies of a goal's rows


@dataclass(frozen=True)
class Many:
    """A crowd of copies. Their goals have ids first + 1 ... first + count."""

    first: int
    count: int


def multiply(original: Goal, count: int, events: int, workspace: Workspace | None = None) -> Many:
    """Copy a goal with all that belongs to it; `events` of its events go with each copy."""
    newest = original.events.latest("pk").pk
    assert newest < STRIDE, "copy one of the first goals of a house: ids of copies would collide"
    base = {model: _last_id(model) for model in MODELS}
    many = Many(base[Goal], count)
    mine = {"goal_id": f"{base[Goal]} + n"}
    tasks = {"task_id": _shifted(base[Task], "task_id")}
    plans = {"plan_id": _shifted(base[Plan], "plan_id")}
    ended = f"now() - {AGE} + interval '5 minutes'"
    as_task = plans | {"state": FATE, "ended_at": ended}
    budget = f"{base[Budget]} + n"
    as_goal = {
        "id": f"{base[Goal]} + n",
        "workspace_id": str((workspace or original.workspace).pk),
        "budget_id": budget,
        "text": TEXT,
        "answer": ANSWER,
        "state": STATE,
        "last_seq": str(events),
        "created_at": f"now() - {AGE}",
        "started_at": f"now() - {AGE}",
        "ended_at": ended,
    }
    of_goal = f"goal_id = {original.pk}"
    of_task = f"task_id IN (SELECT id FROM staff_task WHERE {of_goal})"
    _copy(Budget, f"id = {original.budget_id}", count, {"id": budget})
    _copy(Goal, f"id = {original.pk}", count, as_goal)
    for model, which, changed in (
        (Plan, of_goal, mine),
        (Task, of_goal, mine | as_task),
        (Attempt, of_task, tasks),
        (Effect, of_task, tasks),
        (Artifact, of_goal, mine | tasks),
        (ModelCall, of_goal, mine | tasks),
        (Event, f"{of_goal} AND seq <= {events}", mine | tasks),
    ):
        _copy(model, which, count, {"id": _shifted(base[model], "id"), **changed})
    for model in MODELS:
        _advance_sequence(model)
    return many


def _copy(model: type[models.Model], which: str, count: int, changed: Mapping[str, str]) -> None:
    """Copy the rows `t` of a table `count` times; `n` counts from 1."""
    columns = [field.column for field in model._meta.concrete_fields]
    values = [changed.get(column, f't."{column}"') for column in columns]
    names = ", ".join(f'"{column}"' for column in columns)
    table = model._meta.db_table
    _run(
        f"INSERT INTO {table} ({names}) SELECT {', '.join(values)}"
        f" FROM generate_series(1, %(count)s) n, {table} t WHERE {which}",
        {"count": count},
    )


def _shifted(base: int, column: str) -> str:
    """The id of a copied row: the original's, moved by a stride for each copy."""
    return f"t.{column} + {base} + n::bigint * {STRIDE}"


def _last_id(model: type[models.Model]) -> int:
    return int(model._default_manager.aggregate(last=models.Max("pk"))["last"] or 0)


def _advance_sequence(model: type[models.Model]) -> None:
    table = model._meta.db_table
    _run(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def _run(statement: str, parameters: Mapping[str, object] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(statement, parameters)
        cursor.execute("RESET statement_timeout")
