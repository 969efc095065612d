"""An office of an earlier version is upgraded with its work under way, and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

CHECKOUT = Path(__file__).resolve().parents[2]
OLD_OFFICE = """
    INSERT INTO staff_user (id, password, is_superuser, username, first_name, last_name, email,
                            is_staff, is_active, date_joined)
    VALUES (1, '', true, 'boss', '', '', '', true, true, now());
    INSERT INTO staff_workspace (id, name, created_at) VALUES (1, 'Office', now());
    INSERT INTO staff_goal (id, workspace_id, boss_id, text, priority, autonomy, state, is_paused,
        answer, failure, rating_note, token_budget, tokens_used, seconds_used, last_seq,
        plan_fence, created_at)
    VALUES (7, 1, 1, 'Plan me', 1, 'ask', 'planning', false, '', '', '', 500, 20, 1.5, 0, 0, now()),
           (9, 1, 1, 'Run me', 1, 'ask', 'running', false, '', '', '', NULL, 0, 0, 0, 0, now());
    INSERT INTO staff_plan (id, goal_id, rank, state, body, score, why, created_at)
    VALUES (1, 9, 0, 'adopted', '{}', 0, '', now());
    INSERT INTO staff_task (id, goal_id, plan_id, key, position, title, skill, instruction, "after",
        inputs, outputs, reviews, state, fence, attempts_made, revision, reasons, answer, notes,
        failure)
    VALUES (3, 9, 1, 'a', 0, 'A', 'review', '', '[]', '[]', '[]', '', 'ready', 1, 1, 0, '[]', '',
            '[]', '');
    INSERT INTO staff_attempt (task_id, fence, worker, started_at, outcome, error)
    VALUES (3, 1, 'w', now(), 'handed back', '');
    INSERT INTO staff_outbox (job, arguments, priority, due_at)
    VALUES ('orchestrator.tasks.plan_goal', '{"goal_id": 7}', 1, now());
"""


@pytest.fixture
def database():
    """The address of an empty database of its own."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        name = f"upgrade_{uuid.uuid4().hex[:12]}"
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield os.environ["DATABASE_URL"].replace("/forestaff?", f"/{name}?")
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        connection.execute(drop)


def migrate(database, *target):
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0", *target],
        cwd=CHECKOUT,
        env=os.environ | {"DATABASE_URL": database},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_budgets_attempts_and_open_work_are_carried_over(database):
    migrate(database, "staff", "0001")
    with psycopg.connect(database, autocommit=True) as old:
        old.execute(OLD_OFFICE)
    migrate(database)
    with psycopg.connect(database) as new:
        budgets = "SELECT g.id, token_cap, tokens_used, seconds_used FROM staff_goal g"
        budgets += " JOIN staff_budget b ON b.id = g.budget_id ORDER BY g.id"
        assert new.execute(budgets).fetchall() == [(7, 500, 20, 1.5), (9, None, 0, 0)]
        assert new.execute("SELECT state FROM staff_attempt").fetchall() == [("returned",)]
        nudges = "SELECT job, subject_id FROM staff_outbox ORDER BY job"
        assert new.execute(nudges).fetchall() == [("plan_goal", 7), ("run_task", 3)]
        assert new.execute("SELECT start_by IS NOT NULL FROM staff_task").fetchall() == [(True,)]
        new.execute(
            "INSERT INTO staff_budget (tokens_used, tokens_reserved, seconds_used,"
            " seconds_reserved, steps_used) VALUES (0, 0, 0, 0, 0)"
        )
