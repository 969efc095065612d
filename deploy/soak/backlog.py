"""Promise P8: with a long queue the API stays quick, and the queue drains completely.

The tasks wait before any worker runs. Then workers with a model of no latency drain them while
programs list goals, read goals and events, and give new ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from deploy.soak import caller, crew, filler, script
from deploy.soak.house import House, HouseFailed
from deploy.soak.outcome import Outcome, percentile, say

TASKS = 10_000
STEPS = 10  # tasks of each goal
WORKERS = 2
CALLERS = 2
CALLS_PER_S = 10.0  # of all callers together
API_P95_MS = 300.0
STALLED_S = 120.0  # no task done for so long: it does not drain
LOOK_EVERY_S = 1.0


def house(scale: float) -> House:
    return House(workers=WORKERS, has_web=True, env={"FORESTAFF_SCRIPT": script.SCRIPT})


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
    judge(heard, outcome)
    house.until("the goals given meanwhile are planned", lambda: planned(heard), STALLED_S)


def drain(goals: Sequence[int], queued: int, outcome: Outcome) -> None:
    """Wait until every task is done. A queue that stands still is a broken promise."""
    from staff.models import Goal, Task

    tasks = Task.objects.filter(goal__in=goals)
    done, moved_at, told_at = 0, time.monotonic(), time.monotonic()
    while done < queued and time.monotonic() - moved_at < STALLED_S:
        time.sleep(LOOK_EVERY_S)
        now = tasks.filter(state="done").count()
        if now > done:
            done, moved_at = now, time.monotonic()
        if time.monotonic() - told_at > 30:
            told_at = time.monotonic()
            say(f"{done} of {queued} are done")
    failed = tasks.filter(state__in=("failed", "cancelled")).count()
    ended = Goal.objects.filter(pk__in=goals, state="done").count()
    outcome.note(drained=done, failed=failed, goals_done=ended)
    outcome.check(done > 0, "nothing moved at all")
    outcome.check(done == queued, f"{queued - done} tasks were not done")
    outcome.check(ended == len(goals), f"{len(goals) - ended} goals did not end")


def judge(heard: Sequence[caller.Heard], outcome: Outcome) -> None:
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
    outcome.check(p95 < API_P95_MS, f"the API's p95 is {p95:.0f} ms, over {API_P95_MS:.0f} ms")


def planned(heard: Sequence[caller.Heard]) -> bool:
    from staff.models import Goal

    given = [goal for one in heard for goal in one.given]
    if Goal.objects.filter(pk__in=given, state="failed").exists():
        raise HouseFailed("a goal that was given meanwhile failed")
    return not Goal.objects.filter(pk__in=given, state="planning").exists()
