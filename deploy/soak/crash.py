"""Promises P1, P2 and P3: nothing is lost, nothing is done twice, and work goes on soon.

Goals of 12 steps, each of which writes a file, are worked through by two real workers with a model
of no latency, while every part of the house dies: workers, relay, beat and office by kill -9 at
random moments and at named crash points (`staff.crashes`), the broker by kill -9 with all it held,
the database by an immediate stop. Some workers are frozen until their lease is over and their work
is another's, and then wake up in the middle of it. `ledger` says what is lost and doubled.

Recovery is the time from a death to the next claim of each task that was held, by what happened: a
program died and was started again, a worker froze and only its lease told, the database stopped.
The pause that a task has to make which was lost several times already is not counted: it is meant.
"""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from deploy.soak import journal
from deploy.soak.disasters import Disasters, Toll
from deploy.soak.house import House, Restart
from deploy.soak.outcome import Outcome, percentile, say
from staff import crashes
from staff.domain import retries
from staff.domain.retries import FailureKind

STEPS = 10_080
KILLS = 200
OUTAGES = {"broker": 20, "database": 10}
FREEZES = 6
WORKERS, THREADS = 2, 4
LEASE_S, SHORT_LEASE_S = 60, 6  # the second for less than the full scale
STALLED_S = 240.0  # no step done for so long: it does not go on
OVER_S = 120.0  # for what still has to happen when all is done: a frozen worker wakes up
WITH_BROKER_S = 15.0
NOTICED_S = 15.0  # in which it finds out that its work is another's
TIDY_S = 90.0  # to settle the last nudges
SUPERVISED_P95_S, OUTAGE_S = 15.0, 30.0
OVER_LEASE_S = 15.0  # and so much after the lease where nobody sees the death
# about half of the deaths, over all steps
CHANCES = dict.fromkeys(crashes.POINTS, 0.001) | {
    "task.reaped": 0.03,
    "nudge.taken": 0.0004,
    "nudge.sent": 0.0004,
}
DIED = re.compile(r"^died at crash point (\S+)$", re.MULTILINE)
STALE = re.compile(r"fence \d+ is stale$", re.MULTILINE)
RECEIVED = re.compile(r"^(\S+ \S+) INFO celery.worker.strategy: Task \S+run_task", re.MULTILINE)


def house(scale: float) -> House:
    made = House(
        workers=WORKERS,
        threads=THREADS,
        env={
            "FORESTAFF_SCRIPT": "deploy.soak.scripts:copy",
            "FORESTAFF_CRASH_AT": ",".join(f"{name}:{p}" for name, p in CHANCES.items()),
            "FORESTAFF_LEASE_S": str(lease_s(scale)),
            "FORESTAFF_HEARTBEAT_S": str(max(1, lease_s(scale) // 6)),
        },
    )
    made.env[journal.JOURNAL] = str(made.layout.data / "journal")
    for name, program in made.programs.items():
        if name.startswith("staff"):
            program.command += ["-I", journal.__name__]
    return made


def lease_s(scale: float) -> int:
    return LEASE_S if scale >= 1 else SHORT_LEASE_S


def run(house: House, scale: float, outcome: Outcome) -> None:
    house.use_here()
    from deploy.soak import ledger, work

    steps = max(240, round(STEPS * scale))
    began = time.monotonic()
    work.submit_many("Chain", work.chain, steps // 2)
    work.submit_many("Fan", work.fan, steps - steps // 2)
    say(f"{steps} steps are given after {time.monotonic() - began:.0f} s; the house opens")
    house.start_all()
    disasters = Disasters(
        house,
        steps,
        kills=max(4, round(KILLS * scale)),
        outages={kind: max(1, round(count * scale)) for kind, count in OUTAGES.items()},
        freezes=max(1, round(FREEZES * scale)),
        lease_s=lease_s(scale),
        holds=ledger.holds,
        seed=1,
    )
    work_through(disasters, steps, outcome)
    toll = disasters.toll
    tidy_s = tidy(house, outcome)
    outcome.note(tidying_s=round(tidy_s, 1), **counts(house, toll))
    found = ledger.check(journal.read(house.layout.data / "journal"))
    for name in ("lost", "doubled"):
        total = found[name].total()
        outcome.note(**{name: total})
        outcome.check(total == 0, f"{name}: {dict(found[name])}")
    outcome.note(performed_again=found["performed again"].total())
    outcome.note(half_written=ledger.half_written(), lease_s=lease_s(scale))
    judge_recovery(house, toll, ledger.ask(ledger.INTERRUPTED), lease_s(scale), outcome)


def work_through(disasters: Disasters, steps: int, outcome: Outcome) -> None:
    """Let the house work until all steps are done, or none is any more."""
    from deploy.soak import ledger

    began = moved_at = told_at = time.monotonic()
    done = 0
    while done < steps or not disasters.are_over:
        if time.monotonic() - moved_at > (STALLED_S if done < steps else OVER_S):
            break
        time.sleep(0.2)
        now = ledger.done()
        if now > done:
            done, moved_at = now, time.monotonic()
        disasters.strike(done)
        if time.monotonic() - told_at > 30:
            told_at = time.monotonic()
            say(f"{done} of {steps} steps after {len(disasters.house.restarts)} deaths")
    took_s = time.monotonic() - began
    outcome.note(steps=done, working_s=round(took_s, 1), steps_per_s=round(done / took_s, 1))
    outcome.check(done > 0, "nothing moved at all")
    outcome.check(done == steps, f"{steps - done} steps were not done: nothing moves any more")
    outcome.check(disasters.are_over, "not all that was to happen has happened")


def tidy(house: House, outcome: Outcome) -> float:
    """Wait until nothing is left over. Returns the seconds that took."""
    from deploy.soak import ledger

    end = time.monotonic() + NOTICED_S
    while not stale_refused(house) and time.monotonic() < end:
        time.sleep(0.2)
    began = time.monotonic()
    outcome.note(left_at_first=ledger.left_over())
    while (left := +Counter(ledger.left_over())) and time.monotonic() - began < TIDY_S:
        time.sleep(0.5)
    outcome.check(not left, f"left over: {dict(left)}")
    return time.monotonic() - began


def counts(house: House, toll: Toll) -> dict[str, Any]:
    points = Counter(DIED.findall(all_logs(house)))
    deaths = Counter(restart.name.partition("@")[0] for restart in house.restarts)
    ended = [each for each in house.restarts if each.exit_code != -signal.SIGKILL]
    with_broker = sum(is_of_broker(each, toll) for each in ended)
    return {
        "kills": len(house.restarts),
        "kills_by": dict(deaths),
        "crash_points": dict(points),
        "ended_with_the_broker": with_broker,
        "died_by_themselves": len(ended) - with_broker,
        "broker_kills": len(toll.outages["broker"]),
        "database_stops": len(toll.outages["database"]),
        "freezes": len(toll.frozen),
        "stale_refused": stale_refused(house),
    }


def is_of_broker(restart: Restart, toll: Toll) -> bool:
    """Whether a program ended since its broker was lost: kombu sometimes raises AttributeError when
    it gives back messages on a connection that is gone, and the worker starts anew."""
    died_at = restart.died_at + time.time() - time.monotonic()
    return any(at <= died_at <= back + WITH_BROKER_S for at, back in toll.outages["broker"])


def stale_refused(house: House) -> int:
    """How often somebody was told that the work in its hands is another's."""
    return len(STALE.findall(all_logs(house)))


def all_logs(house: House) -> str:
    logs = sorted(house.layout.logs.glob("*.log"))
    return "\n".join(path.read_text(errors="replace") for path in logs)


def judge_recovery(
    house: House,
    toll: Toll,
    interrupted: Sequence[tuple[Any, ...]],
    lease_s: float,
    outcome: Outcome,
) -> None:
    waits = waiting_times(house, toll, interrupted)
    by_death, by_lease = waits["death"], waits["lease"]
    p95 = {name: round(percentile(each, 0.95), 1) for name, each in waits.items()}
    after = [round(each, 1) for each in after_broker(house, toll)]
    outcome.note(
        interrupted=len(interrupted),
        interrupted_by={name: len(each) for name, each in waits.items()},
        recovery_p50_s=round(percentile(by_death, 0.5), 1),
        recovery_p95_s=p95["death"],
        recovery_max_s=round(max(by_death, default=0.0), 1),
        recovery_by_lease_p95_s=p95["lease"],
        recovery_by_lease_max_s=round(max(by_lease, default=0.0), 1),
        recovery_from_database_stop_p95_s=p95["outage"],
        recovery_from_broker_kill_max_s=max(after, default=0.0),
    )
    outcome.check(bool(by_death), "no death interrupted any work")
    outcome.check(outcome.figures["stale_refused"] > 0, "no frozen worker tried to write")
    outcome.check(not waits["unexplained"], "work was taken from workers that lived")
    bounds = [
        ("after a death that was seen", p95["death"], SUPERVISED_P95_S),
        ("after a worker froze", p95["lease"], lease_s + OVER_LEASE_S),
        ("after the database stopped", p95["outage"], OUTAGE_S),
        ("after the broker came back", max(after, default=0.0), OUTAGE_S),
    ]
    for when, took_s, bound_s in bounds:
        outcome.check(took_s <= bound_s, f"{when} it took {took_s} s to go on, not {bound_s}")
    by_itself = outcome.figures["died_by_themselves"]
    outcome.check(by_itself == 0, f"{by_itself} programs died by themselves")


def waiting_times(
    house: House, toll: Toll, interrupted: Sequence[tuple[Any, ...]]
) -> dict[str, list[float]]:
    """Of each attempt that was interrupted: by what, and how long its task then waited."""
    to_wall = time.time() - time.monotonic()
    deaths = [(restart.name, restart.died_at + to_wall) for restart in house.restarts]
    waits: dict[str, list[float]] = {"death": [], "lease": [], "outage": [], "unexplained": []}
    times: Counter[int] = Counter()
    for task_id, worker, state, started, ended, claimed in interrupted:
        times[task_id] += 1
        pause_s = retries.delay_s(FailureKind.NODE, times[task_id]) or 0.0
        frozen = [at for name, at, _ in toll.frozen if name == worker and started <= at <= ended]
        died = [at for name, at in deaths if name == worker and started <= at <= ended]
        away = [at for at, until in toll.outages["database"] if started <= until and at <= ended]
        if state == "lost" and frozen:
            kind, cause = "lease", frozen
        elif state == "lost" and died:
            kind, cause = "death", died
        elif away:
            kind, cause = "outage", away
        else:
            kind, cause = "unexplained", [started]
        waits[kind].append((claimed or time.time()) - max(started, min(cause)) - pause_s)
    return waits


def after_broker(house: House, toll: Toll) -> list[float]:
    """Seconds from each return of the broker to the next message that a worker got."""
    got = sorted(
        datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f").timestamp()
        for path in house.layout.logs.glob("staff@*.log")
        for at in RECEIVED.findall(path.read_text(errors="replace"))
    )
    returns = [back for _, back in toll.outages["broker"]]
    nexts = [min((at - back for at in got if at >= back), default=None) for back in returns]
    return [after for after in nexts if after is not None]
