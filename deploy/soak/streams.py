"""Promise P5: streams are resumable and in order.

Many sockets follow goals on which real writers append at a steady rate. Each client is cut off a
few times at random, the broker dies once and forgets everything, and half of the goals get their
last event while it is away. In the end each client must hold exactly what the database holds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from deploy.soak import crew, follower, writer
from deploy.soak.follower import Held
from deploy.soak.house import House
from deploy.soak.outcome import Outcome, percentile, say

CLIENTS = 1_000
GOALS = 20
EVENTS_PER_S = 20.0  # on all goals together; each event goes to CLIENTS / GOALS sockets
CUTS = 5  # of each client
DURATION_S = 120.0
BROKER_DIES_AT = 0.6  # of the duration
BROKER_AWAY_S = 2.0
RECOVERED_S = 5.0  # after the broker is back, news is news again
SETTLE_S = 60.0  # how long the last events may take to arrive
PROCESSES = 2  # of clients, and as many of writers


def house(scale: float) -> House:
    return House(has_web=True)


def run(house: House, scale: float, outcome: Outcome) -> None:
    clients, duration_s = max(20, round(CLIENTS * scale)), max(12.0, DURATION_S * scale)
    for name in ("valkey", "web"):
        house.start(name)
    house.until("the web answers", house.web_answers, 60)
    house.use_here()
    from deploy.soak import cast

    goals = cast.quiet_goals(max(4, round(GOALS * min(1, scale))))
    say(f"{clients} clients on {len(goals)} goals for {duration_s:.0f} s")
    of_client = [goals[n % len(goals)] for n in range(clients)]
    followers = [
        crew.start(
            follower.run,
            follower.Share(
                house.web_url,
                cast.session_cookie(),
                of_client[part::PROCESSES],
                CUTS,
                duration_s,
                seed=part,
            ),
        )
        for part in range(PROCESSES)
    ]
    started = time.monotonic()
    assert all(pipe.recv() == "connected" for pipe in followers)
    outcome.note(connecting_s=round(time.monotonic() - started, 1))
    outage = write_and_break(house, goals, duration_s, outcome)
    ends = {goal: cast.stream_end(goal) for goal in goals}
    last = {goal: number for goal, (number, _) in ends.items()}
    say("the writers have ended; waiting for the last events to arrive")
    started = time.monotonic()
    for pipe in followers:
        pipe.send({"last": last, "within_s": SETTLE_S})
    held = [one for pipe in followers for one in pipe.recv()]
    outcome.note(settling_s=round(time.monotonic() - started, 1))
    judge(held, ends, outage, outcome)


def write_and_break(
    house: House, goals: Sequence[int], duration_s: float, outcome: Outcome
) -> tuple[float, float]:
    """Write for the whole time and kill the broker once. Returns when it was away."""
    began = time.time()
    dies_at = began + BROKER_DIES_AT * duration_s
    silent_at, ends_at = dies_at + BROKER_AWAY_S / 2, began + duration_s
    rate = EVENTS_PER_S / PROCESSES
    writers = [
        crew.start(
            writer.run, writer.Orders(goals[::2], goals[1::2], rate, silent_at, ends_at, part)
        )
        for part in range(PROCESSES)
    ]
    time.sleep(max(0, dies_at - time.time()))
    say("the broker dies")
    house.restart_broker(away_s=BROKER_AWAY_S)
    outage = dies_at, time.time()
    written = sum(pipe.recv() for pipe in writers)
    outcome.note(broker_restarts=1, written=written)
    outcome.check(written > 0, "nothing was written")
    return outage


def judge(
    held: Sequence[Held],
    ends: dict[int, tuple[int, str]],
    outage: tuple[float, float],
    outcome: Outcome,
) -> None:
    counts: Counter[str] = Counter()
    for one in held:
        counts += one.counts
    late = sum(one.last < ends[one.goal][0] for one in held)
    unequal = sum((one.last, one.digest) != ends[one.goal] for one in held)
    gaps, doubles = (sum(getattr(one, name) for one in held) for name in ("gaps", "doubles"))
    calm = [
        lag
        for one in held
        for written_at, lag in one.lags
        if not outage[0] - 1 < written_at < outage[1] + RECOVERED_S
    ]
    outcome.note(
        clients=len(held),
        gaps=gaps,
        duplicates=doubles,
        incomplete=late,
        unequal_to_database=unequal,
        disconnects=counts["cut"],
        connections=counts["connections"],
        events=sum(number for number, _ in ends.values()),
        deliveries=sum(one.last for one in held),
        resent_on_a_connection=counts["resent"],
        asked_again=counts["asked again"],
        lag_p50_ms=round(percentile(calm, 0.5) * 1000),
        lag_p99_ms=round(percentile(calm, 0.99) * 1000),
    )
    outcome.check(gaps == 0, f"{gaps} events are missing in the middle of a stream")
    outcome.check(doubles == 0, f"{doubles} events were shown twice")
    outcome.check(late == 0, f"{late} clients never got the last events")
    outcome.check(unequal == 0, f"{unequal} clients hold something else than the database")
    outcome.check(counts["cut"] == CUTS * len(held), "not every client was cut off")
