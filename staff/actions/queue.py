"""The queue of ready tasks: who may take which, for how long, and what happens to lost work.

The database alone decides, by its own clock. A worker takes the task whose turn it is; what it
holds is a claim with a fence, and each of its writes names that fence. A claim that was given up
for dead is refused (StaleFence), so that a worker which wakes up late can do no harm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from staff.actions import budgets, outbox, sql, streams
from staff.actions.streams import News, StaleFence
from staff.domain import lifecycle, queueing, retries
from staff.domain.lifecycle import AttemptState, TaskState
from staff.domain.retries import FailureKind
from staff.models import Attempt, Goal, Task

logger = logging.getLogger(__name__)

IN_LINE = """
    t.state = 'ready' AND NOT t.is_paused AND g.state = 'running' AND NOT g.is_paused
"""
CLAIMABLE = f"{IN_LINE} AND (t.not_before IS NULL OR t.not_before <= now())"
HAS_ROOM = """
    NOT EXISTS (
        SELECT FROM staff_node n WHERE n.name = %(worker)s AND (n.is_draining OR n.slots <= (
            SELECT count(*) FROM staff_task r WHERE r.state = 'running' AND r.worker = n.name))
    )
    AND (t.agent_id IS NULL OR t.agent_id <> ALL (
        SELECT a.id FROM staff_agent a WHERE a.concurrency <= (
            SELECT count(*) FROM staff_task r WHERE r.state = 'running' AND r.agent_id = a.id))
    )
"""
# The line is walked from its front, goal by goal, whatever the statistics say: with a plain join a
# planner that did not expect so many ready tasks reads and sorts all of them for each claim.
CLAIM = f"""
    WITH best AS (
        SELECT t.id FROM staff_task t CROSS JOIN LATERAL (
            SELECT state, is_paused FROM staff_goal WHERE id = t.goal_id FOR UPDATE SKIP LOCKED
        ) AS g
        WHERE {CLAIMABLE} AND {HAS_ROOM} AND (%(task)s::bigint IS NULL OR t.id = %(task)s)
        ORDER BY t.start_by, t.id LIMIT 1 FOR UPDATE OF t SKIP LOCKED
    ), taken AS (
        UPDATE staff_task t
        SET state = 'running', fence = fence + 1, attempts_made = attempts_made + 1,
            worker = %(worker)s, lease_until = now() + %(lease)s * interval '1 second',
            started_at = coalesce(started_at, now())
        FROM best WHERE t.id = best.id
        RETURNING t.id, t.goal_id, t.fence, t.revision, t.attempts_made, t.agent_id
    ), nudged AS (
        DELETE FROM staff_outbox o USING taken
        WHERE o.job = 'run_task' AND o.subject_id = taken.id
    ), attempt AS (
        INSERT INTO staff_attempt
            (task_id, fence, worker, started_at, state, failure_kind, error)
        SELECT id, fence, %(worker)s, now(), 'running', '', '' FROM taken
    )
    SELECT taken.id, goal_id, fence, revision, attempts_made, a.id, a.name, a.concurrency
    FROM taken LEFT JOIN staff_agent a ON a.id = agent_id
"""
ANY_CLAIMABLE = f"""
    SELECT EXISTS (
        SELECT FROM staff_task t JOIN staff_goal g ON g.id = t.goal_id
        WHERE {CLAIMABLE} AND {HAS_ROOM} AND (%(task)s::bigint IS NULL OR t.id = %(task)s))
"""
PLACES = f"""
    SELECT id, place FROM (
        SELECT t.id, t.goal_id, row_number() OVER (ORDER BY t.start_by, t.id) AS place
        FROM staff_task t JOIN staff_goal g ON g.id = t.goal_id WHERE {IN_LINE}
    ) AS line WHERE goal_id = %s
"""
PUT_ALL = f"""
    WITH wanted AS (
        SELECT * FROM unnest(%(tasks)s::bigint[], %(places)s::timestamptz[], %(delays)s::float8[])
            AS wanted (id, start_by, delay_s)
    ), put AS (
        UPDATE staff_task t SET state = 'ready', start_by = wanted.start_by, not_before = NULL
        FROM wanted WHERE t.id = wanted.id AND t.state = 'waiting'
        RETURNING t.id, t.start_by, t.is_paused, wanted.delay_s
    ), nudged AS (
        INSERT INTO staff_outbox (job, subject_id, start_by, due_at, sent_at, sends)
        SELECT 'run_task', id, start_by, now() + delay_s * interval '1 second', NULL, 0
        FROM put WHERE NOT is_paused AND NOT %(is_paused)s
        ON CONFLICT (job, subject_id) DO UPDATE {outbox.ANEW}
    )
    SELECT pg_notify('{outbox.CHANNEL}', '')
"""
LET_GO = """
    WITH attempt AS (
        UPDATE staff_attempt SET state = %(ended)s, ended_at = clock_timestamp()
        WHERE task_id = %(task)s AND fence = %(fence)s AND state = 'running'
    )
    UPDATE staff_task t
    SET state = %(wanted)s, lease_until = NULL, worker = '', answer = coalesce(%(answer)s, answer),
        ended_at = CASE WHEN %(is_over)s THEN clock_timestamp() END
    WHERE id = %(task)s
    RETURNING EXISTS (
        SELECT FROM staff_modelcall c
        WHERE c.goal_id = t.goal_id AND c.task_id = t.id AND NOT c.is_settled
    )
"""
GRACE_S = 0.25  # how long a nudge waits for the worker that will take its task anyway
TRIES = 5  # when all that could be claimed is locked by others for a moment
LOOK_AGAIN_S = 0.02


@dataclass(frozen=True)
class Claim:
    """The right to work on one revision of a task until the lease ends."""

    task_id: int
    goal_id: int
    fence: int
    revision: int = 0


def put(goal: Goal, task: Task, *also: str, delay_s: float = 0) -> None:
    """Make a task ready, at its place in the queue, and nudge for it.

    Work that was begun keeps its place: it goes on before what came later.
    also:    names of other fields of the task that were changed and are saved with it
    delay_s: it is not claimed before that, by the database's clock
    """
    if task.start_by is None or task.state == TaskState.WAITING:
        open_ones = (TaskState.READY, TaskState.RUNNING)
        ahead = Task.objects.filter(goal=goal, state__in=open_ones).count()
        task.start_by = _place(goal, ahead)
    task.not_before = _database_time(delay_s) if delay_s else None
    move(task, TaskState.READY, "start_by", "not_before", *also)
    streams.append(goal.pk, "task.ready", task_id=task.pk)
    nudge(goal, task)


def put_all(goal: Goal, task_ids: Sequence[int], ahead: int, *, taken_by_caller: bool) -> None:
    """Make waiting tasks ready, at their places in the queue, and nudge for them.

    ahead:           tasks of the goal that are ready or running already
    taken_by_caller: the worker that calls takes the next task itself; the nudge for one of these
                     is kept back for a moment, and is gone by then
    """
    lifecycle.check_task(task_ids[0], TaskState.WAITING, TaskState.READY)
    places = [_place(goal, ahead + number) for number in range(len(task_ids))]
    delays_s = [
        GRACE_S if taken_by_caller and number == 0 else 0.0 for number in range(len(places))
    ]
    sql.rows(
        PUT_ALL,
        {"tasks": task_ids, "places": places, "delays": delays_s, "is_paused": goal.is_paused},
    )
    news = [News("task.ready", {}, task_id=task_id) for task_id in task_ids]
    streams.append_all(goal.pk, *news)


def _place(goal: Goal, ahead: int) -> datetime:
    return queueing.start_by(timezone.now(), goal.priority, goal.deadline_at, ahead)


def nudge(goal: Goal, task: Task) -> None:
    """Ask for somebody to take a ready task, unless it is held back."""
    if not goal.is_paused and not task.is_paused:
        outbox.nudge("run_task", task.pk, start_by=task.start_by, due_at=task.not_before)


def claim(worker: str, lease_s: float, task_id: int | None = None) -> Claim | None:
    """Take the ready task whose turn it is (or the given one, if it can be taken).

    None if there is nothing for this worker: no ready task, all of their agents or this node at
    their limit, the goals paused.
    """
    asked = {"worker": worker, "lease": lease_s, "task": task_id}
    for _ in range(TRIES):
        held = _claim(asked)
        if held is not None:
            return held
        (more,) = sql.one(ANY_CLAIMABLE, asked) or (False,)
        if not more:
            return None
        time.sleep(LOOK_AGAIN_S)
    return None


def _claim(asked: dict[str, object]) -> Claim | None:
    with transaction.atomic():
        taken = sql.one(CLAIM, asked)
        if taken is None:
            return None
        task_id, goal_id, fence, revision, attempt, agent_id, agent, limit = taken
        if limit is not None and _is_over(agent_id, limit):
            transaction.set_rollback(True)  # another worker was quicker; ours is undone
            return None
        streams.append(goal_id, "task.started", task_id=task_id, actor=agent or "", attempt=attempt)
    return Claim(task_id, goal_id, fence, revision)


def _is_over(agent_id: int, limit: int) -> bool:
    """Whether an agent now has more than its limit, counted one worker at a time."""
    sql.rows("SELECT 1 FROM staff_agent WHERE id = %s FOR UPDATE", [agent_id])
    return Task.objects.filter(agent_id=agent_id, state=TaskState.RUNNING).count() > limit


def nudge_more() -> None:
    """A worker stops taking work while there may be more: see that somebody goes on."""
    first = sql.one(
        f"SELECT t.id, t.start_by FROM staff_task t JOIN staff_goal g ON g.id = t.goal_id"
        f" WHERE {CLAIMABLE} ORDER BY t.start_by, t.id LIMIT 1"
    )
    if first is not None:
        outbox.nudge("run_task", first[0], start_by=first[1])


def settle_nudge(task_id: int) -> None:
    """A worker has looked after this nudge. It is sent again if the task still can be taken."""
    stays = sql.one(
        "SELECT 1 FROM staff_task t JOIN staff_goal g ON g.id = t.goal_id"
        f" WHERE t.id = %s AND {IN_LINE}",
        [task_id],
    )
    (outbox.settle if stays is None else outbox.put_off)("run_task", task_id)


def holds(held: Claim) -> bool:
    """Whether the claim stands and nobody wants its work to stop."""
    return (
        sql.one(
            "SELECT 1 FROM staff_task t JOIN staff_goal g ON g.id = t.goal_id"
            " WHERE t.id = %s AND t.fence = %s AND t.state = 'running' AND NOT t.is_paused"
            " AND g.state = 'running' AND NOT g.is_paused",
            [held.task_id, held.fence],
        )
        is not None
    )


def renew(held: Claim, lease_s: float) -> bool:
    """Extend the lease of a live attempt. False if its work must stop."""
    if not holds(held):
        return False
    sql.rows(
        "UPDATE staff_task SET lease_until = now() + %s * interval '1 second'"
        " WHERE id = %s AND fence = %s AND state = 'running'",
        [lease_s, held.task_id, held.fence],
    )
    return True


def lock(held: Claim) -> None:
    """Lock the goal of a claim. Raises StaleFence if the claim does not stand any more."""
    if not sql.rows(f"{streams.HELD} SELECT id FROM held", _which(held)):
        raise _stale(held)


def locked_goal(held: Claim) -> Goal:
    """The goal of a claim, locked. Raises StaleFence if the claim does not stand any more."""
    found = sql.one(f"{streams.HELD} SELECT {sql.columns(Goal, 'held')} FROM held", _which(held))
    if found is None:
        raise _stale(held)
    (goal,) = sql.instances(found, Goal)
    return goal


def locked(held: Claim) -> tuple[Goal, Task]:
    """The locked goal and task of a claim that still stands. Raises StaleFence if it does not."""
    goal = locked_goal(held)
    task = Task.objects.get(pk=held.task_id)
    task.goal = goal
    return goal, task


@transaction.atomic
def hand_back(held: Claim) -> None:
    """Let go of a task that was not finished, without counting the attempt."""
    goal = streams.lock_goal(held.goal_id)
    end_attempt(held, AttemptState.RETURNED)
    task = Task.objects.get(pk=held.task_id)
    if task.fence == held.fence and task.state == TaskState.RUNNING:
        task.attempts_made = max(0, task.attempts_made - 1)
        put_back(goal, task, "attempts_made")


def count_failure(task: Task, kind: FailureKind) -> float | None:
    """Note one more failure. Seconds to wait before the next try, or None for no further try."""
    task.failures = {**task.failures, kind: task.failures.get(kind, 0) + 1}
    return retries.delay_s(kind, task.failures[kind])


def bury(goal: Goal, task: Task, reason: str) -> None:
    """Make a task a dead letter: it stays, with its reason, until the boss releases it.

    Nothing else of the goal is started any more; the goal fails with the reason.
    """
    task.failure = reason
    move(task, TaskState.FAILED, "failure", "failures", "revision", "reasons")
    streams.append(goal.pk, "task.failed", task_id=task.pk, reason=reason)


def move(task: Task, wanted: TaskState, *also: str) -> None:
    """Take a legal step; whoever held the task before holds it no more."""
    lifecycle.check_task(task.pk, task.state, wanted)
    task.state, task.lease_until, task.worker = wanted, None, ""
    task.ended_at = None if wanted in lifecycle.OPEN_TASKS else timezone.now()
    task.save(update_fields=["state", "lease_until", "worker", "ended_at", *also])


def cancel(tasks: QuerySet[Task]) -> None:
    """End the open ones; attempts that run are fenced off and see it within two seconds."""
    for task in tasks.filter(state__in=lifecycle.OPEN_TASKS):
        end_attempt(Claim(task.pk, task.goal_id, task.fence), AttemptState.RETURNED)
        task.fence += 1
        move(task, TaskState.CANCELLED, "fence")
        outbox.drop("run_task", task.pk)


def let_go(held: Claim, wanted: TaskState, ended: AttemptState, answer: str | None = None) -> None:
    """End an attempt and its task's running. The goal is locked and the claim checked already."""
    lifecycle.check_task(held.task_id, TaskState.RUNNING, wanted)
    lifecycle.check_attempt(held.task_id, AttemptState.RUNNING, ended)
    asked = {
        "task": held.task_id,
        "fence": held.fence,
        "wanted": wanted,
        "ended": ended,
        "answer": answer,
        "is_over": wanted not in lifecycle.OPEN_TASKS,
    }
    ((holds_budget,),) = sql.rows(LET_GO, asked)
    if holds_budget:
        budgets.release(held.goal_id, held.task_id)


def end_attempt(held: Claim, state: AttemptState, kind: str = "", error: str = "") -> None:
    """Close an attempt, once; what it had reserved is free again."""
    running = Attempt.objects.filter(
        task_id=held.task_id, fence=held.fence, state=AttemptState.RUNNING
    )
    running.update(state=state, failure_kind=kind, error=error, ended_at=timezone.now())
    budgets.release(held.goal_id, held.task_id)


def places(goal_id: int) -> dict[int, int]:
    """Where the goal's tasks stand in the queue of the house: {task id: 1 for the next, ...}."""
    return dict(sql.rows(PLACES, [goal_id]))


def _which(held: Claim) -> dict[str, int]:
    return {"goal": held.goal_id, "task": held.task_id, "fence": held.fence}


def _stale(held: Claim) -> StaleFence:
    return streams.stale(held.task_id, held.fence)


def put_back(goal: Goal, task: Task, *also: str, delay_s: float = 0) -> None:
    """Make a task that somebody held ready again; who held it is fenced off."""
    task.fence += 1
    put(goal, task, "fence", *also, delay_s=delay_s)


def _database_time(in_s: float) -> datetime:
    ((moment,),) = sql.rows("SELECT clock_timestamp() + %s * interval '1 second'", [in_s])
    return moment
