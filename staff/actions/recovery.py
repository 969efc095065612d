"""What becomes of the work of those who died: it is put back into the queue.

A worker that starts takes back what died with its name; the reaper, every few seconds, what nobody
has renewed. Both go by the database's clock and ask no process.
"""

from __future__ import annotations

from django.db import transaction

from staff.actions import progress, queue, sql, streams
from staff.actions.queue import Claim
from staff.crashes import crash_point
from staff.domain.lifecycle import AttemptState
from staff.domain.retries import FailureKind
from staff.models import Goal, Task

IS_LOST = "state = 'running' AND (lease_until < now() OR worker = %s)"


def reap(worker: str | None = None) -> int:
    """Put tasks back whose lease ran out, or that a worker held which has just started anew.

    Returns how many were put back.
    """
    found = sql.rows(f"SELECT id, goal_id, fence FROM staff_task WHERE {IS_LOST}", [worker])
    return sum(_reap_one(Claim(*row), worker) for row in found)


@transaction.atomic
def _reap_one(lost: Claim, worker: str | None) -> bool:
    """Put one task back. False if it is not lost any more, or cannot be had now.

    The reaper waits for no goal: one that is locked for long, by a worker that is frozen in the
    middle of a write, must not keep it from the others. It comes again soon.
    """
    goals = Goal.objects.select_for_update(skip_locked=worker is None)
    goal = goals.filter(pk=lost.goal_id).first()
    still = sql.one(
        f"SELECT 1 FROM staff_task WHERE id = %s AND fence = %s AND {IS_LOST}",
        [lost.task_id, lost.fence, worker],
    )
    if goal is None or still is None:
        return False
    task = Task.objects.get(pk=lost.task_id)
    queue.end_attempt(lost, AttemptState.LOST, FailureKind.NODE)
    streams.append(goal.pk, "task.lost", task_id=task.pk, worker=task.worker)
    delay_s = queue.count_failure(task, FailureKind.NODE)
    if delay_s is None:
        died = task.failures[FailureKind.NODE]
        queue.bury(goal, task, f"{died} workers died or hung while they were at it.")
        progress.go_on(goal)
    else:
        queue.put_back(goal, task, "failures", delay_s=delay_s)
    crash_point("task.reaped")
    return True
