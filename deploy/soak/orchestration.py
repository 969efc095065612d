"""What the house itself costs: tasks a second through real workers, and how long one task takes.

The scripted model answers at once, so all that is measured is ours: queue, claim, program, dry-run,
effects with their files, evidence, events. Every moment is the database's: an attempt begins with
its claim (`started_at`) and ends with what made it done (`ended_at`).

- throughput: goals of 12 steps, 11 of them side by side, given while the relay is held; done tasks
  over the time from the first claim to the last end.
- overhead: one goal at a time, a chain of 12 steps, so that no task waits for another; from the
  claim of each task to its end.
- no task is shown notes from memory: what recalling costs, `bench memory` says.
- CPU time of workers and database for each task of the backlog: unlike the others this figure
  hardly depends on what else the machine does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psutil

from deploy.soak.house import House
from deploy.soak.outcome import Outcome, percentile, say

TASKS, LONE_TASKS = 3_000, 120
WARM_UP_TASKS = 96
WORKERS = 2
THREADS = 2  # of each worker
LEAST_TASKS_PER_S, MOST_P50_MS = 150, 25

ATTEMPTS = """
    SELECT extract(epoch FROM a.ended_at - a.started_at)::float8,
           extract(epoch FROM a.started_at)::float8, extract(epoch FROM a.ended_at)::float8
    FROM staff_attempt a JOIN staff_task t ON t.id = a.task_id
    WHERE t.goal_id = ANY(%s) AND a.state = 'done'
"""


def house(scale: float) -> House:
    return House(
        workers=WORKERS,
        threads=THREADS,
        env={"FORESTAFF_SCRIPT": "deploy.soak.scripts:copy", "FORESTAFF_NOTES_TOKENS": "0"},
    )


def run(house: House, scale: float, outcome: Outcome) -> None:
    house.start_all()
    house.use_here()
    from deploy.soak import work

    tasks, lone = max(48, round(TASKS * scale)), max(12, round(LONE_TASKS * scale))
    finish(house, work.submit_many("Warm up", work.fan, WARM_UP_TASKS))
    say(f"overhead: {lone} tasks, one after the other")
    alone = []
    for name in range(-(-lone // work.MAX_STEPS)):
        alone += finish(house, work.submit_many(f"Alone {name}", work.chain, work.MAX_STEPS))
    say(f"throughput: {tasks} tasks through {WORKERS} workers with {THREADS} threads each")
    house.freeze("relay")
    backlog = work.submit_many("Many", work.fan, tasks)
    house.thaw("relay")
    before = cpu_s(house)
    with_backlog = finish(house, backlog)
    staff_s, database_s = (after - was for after, was in zip(cpu_s(house), before, strict=True))
    took_s = max(end for _, _, end in with_backlog) - min(start for _, start, _ in with_backlog)
    per_s = len(with_backlog) / took_s
    p50, p95 = (percentile([s for s, _, _ in alone], share) * 1000 for share in (0.5, 0.95))
    outcome.note(
        tasks=len(with_backlog),
        workers=WORKERS,
        threads=THREADS,
        tasks_per_s=round(per_s, 1),
        overhead_p50_ms=round(p50, 1),
        overhead_p95_ms=round(p95, 1),
        staff_cpu_ms=round(staff_s / tasks * 1000, 1),
        database_cpu_ms=round(database_s / tasks * 1000, 1),
    )
    outcome.check(per_s >= LEAST_TASKS_PER_S, f"fewer than {LEAST_TASKS_PER_S} tasks a second")
    outcome.check(p50 < MOST_P50_MS, f"a task takes {p50:.0f} ms, not under {MOST_P50_MS}")


def finish(house: House, goals: list[int]) -> list[tuple[float, float, float]]:
    """Wait until these goals are done: (seconds, start, end) of each attempt."""
    from staff.actions import sql
    from staff.models import Goal

    house.until(
        "the goals are done",
        lambda: not Goal.objects.filter(pk__in=goals).exclude(state="done").exists(),
        within_s=300,
    )
    return [(took_s, start, end) for took_s, start, end in sql.rows(ATTEMPTS, [goals])]


def cpu_s(house: House) -> tuple[float, float]:
    """CPU seconds used so far by the workers, and by the database."""
    workers = [p.process for name, p in house.programs.items() if name.startswith("staff")]
    staff = [psutil.Process(worker.pid).cpu_times() for worker in workers if worker]
    server = psutil.Process(house.database.get_pid())
    live = [backend.cpu_times() for backend in server.children()]
    database = _sum(live) + sum(server.cpu_times()[:4])  # with the backends that have ended
    return _sum(staff), database


def _sum(times: Iterable[Any]) -> float:
    return float(sum(each.user + each.system for each in times))
