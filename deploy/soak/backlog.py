"""Promise P8: with a long queue the API stays quick, and the queue drains completely.

The tasks wait before any worker runs. Then workers with a model of no latency drain them while
programs list goals, read goals and events, and give new ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from deploy.soak import caller, crew, filler
from deploy.soak.house import House
from deploy.soak.outcome import Outcome, percentile, say

TASKS = 10_000
STEPS = 10  # tasks of each goal
WORKERS = 2
CALLERS = 2
CALLS_PER_S = 10.0  # of all callers together
API_P95_MS = 300.0
STALLED_S = 120.0  # nothing done for so long: it stands still
LOOK_EVERY_S = 1.0
TELL_EVERY_S = 30.0


def house(scale: float) -> House:
    return House(
        workers=WORKERS, has_web=True, env={"FORESTAFF_SCRIPT": "deploy.soak.scripts:note"}
    )


def run(house: House, scale: float, outcome: Outcome) -> None:
    house.use_here()
    from deploy.soak import cast

    each = max(1, round(TASKS * scale / STEPS / 2))
    started = time.monotonic()
    fillers = [crew.start(filler.run, filler.Fill(each, STEPS)) for _ in range(2)]
    goals = [goal for pipe in fillers for goal in pipe.recv()]
    queued = len(goals) * STEPS
    outcome.note(queued=queued, goals=len(goals), filling_s=round(time.monotonic() - started, 1))
    say(f"{queued} tasks wait; the house opens")
    house.start_all()
    callers = [
        crew.start(
            caller.run,
            caller.Calls(house.web_url, cast.api_token(), goals, CALLS_PER_S / CALLERS, part),
        )
        for part in range(CALLERS)
    ]
    started = time.monotonic()
    drain(goals, queued, outcome)
    draining_s = time.monotonic() - started
    for pipe in callers:
        pipe.send("enough")
    heard = [pipe.recv() for pipe in callers]
    outcome.note(
        draining_s=round(draining_s, 1),
        tasks_per_s=round(outcome.figures["drained"] / draining_s, 1),
        worker_restarts=len(house.restarts),
    )
    judge(heard, scale, outcome)
    wait_for_plans([goal for one in heard for goal in one.given], outcome)


def drain(goals: Sequence[int], queued: int, outcome: Outcome) -> None:
    """Wait until every task is done. A queue that stands still is a broken promise."""
    from staff.models import Goal, Task

    tasks = Task.objects.filter(goal__in=goals)
    done = while_it_grows(tasks.filter(state="done").count, queued, "tasks are done")
    failed = tasks.filter(state__in=("failed", "cancelled")).count()
    ended = Goal.objects.filter(pk__in=goals, state="done").count()
    outcome.note(drained=done, failed=failed, goals_done=ended)
    outcome.check(done > 0, "nothing moved at all")
    outcome.check(done == queued, f"{queued - done} tasks were not done")
    outcome.check(ended == len(goals), f"{len(goals) - ended} goals did not end")


def wait_for_plans(given: Sequence[int], outcome: Outcome) -> None:
    """The goals that were given meanwhile are planned as well."""
    from staff.models import Goal

    started = time.monotonic()
    goals = Goal.objects.filter(pk__in=given)
    while_it_grows(goals.exclude(state="planning").count, len(given), "new goals are planned")
    proposed = goals.filter(state="proposed").count()
    outcome.note(planned=proposed, planning_s=round(time.monotonic() - started, 1))
    outcome.check(proposed == len(given), f"{len(given) - proposed} new goals have no plan")


def while_it_grows(count: Callable[[], int], wanted: int, what: str) -> int:
    """The count when it has come to what is wanted, or when it has stood still for too long."""
    now, moved_at, told_at = count(), time.monotonic(), time.monotonic()
    while now < wanted and time.monotonic() - moved_at < STALLED_S:
        time.sleep(LOOK_EVERY_S)
        before, now = now, count()
        if now > before:
            moved_at = time.monotonic()
        if time.monotonic() - told_at > TELL_EVERY_S:
            told_at = time.monotonic()
            say(f"{now} of {wanted} {what}")
    return now


def judge(heard: Sequence[caller.Heard], scale: float, outcome: Outcome) -> None:
    ms: dict[str, list[float]] = {}
    for one in heard:
        for name, values in one.ms.items():
            ms.setdefault(name, []).extend(values)
    every = [value for values in ms.values() for value in values]
    refused = [reason for one in heard for reason in one.refused]
    p95 = percentile(every, 0.95)
    outcome.note(
        api_calls=len(every),
        api_p50_ms=round(percentile(every, 0.5), 1),
        api_p95_ms=round(p95, 1),
        api_p95_ms_of={name: round(percentile(values, 0.95), 1) for name, values in ms.items()},
        goals_given=sum(len(one.given) for one in heard),
        refused=refused[:5],
    )
    outcome.check(bool(every), "the API was never called")
    outcome.check(not refused, f"{len(refused)} calls were refused, such as {refused[:1]}")
    if scale >= 1:  # a small run is a test, and tests judge no speed
        outcome.check(p95 < API_P95_MS, f"the API's p95 is {p95:.0f} ms, over {API_P95_MS:.0f} ms")
