"""How quick the pages are with very many goals: `python manage.py bench pages`.

Measured in one process, from the request to the last byte, without network and browser. Each page
is asked for by several people's ways into it: searched, filtered, far back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from deploy.soak.house import House
from deploy.soak.outcome import Outcome, percentile, say

GOALS = 50_000
EVENTS = 20  # of each goal: a million
LONG_STREAM = 5_000  # events of one goal
RUNS = 40
P95_MS = 200.0
MOST_QUERIES = 20


def house(scale: float) -> House:
    return House(workers=1, env={"FORESTAFF_SCRIPT": "deploy.soak.scripts:note"})


def run(house: House, scale: float, outcome: Outcome) -> None:
    house.use_here()
    original = finished_goal(house)
    started = time.monotonic()
    facts = furnish(original, round(GOALS * scale))
    outcome.note(**facts["counts"], filling_s=round(time.monotonic() - started, 1))
    runs = max(5, round(RUNS * min(1, scale)))
    measured = {name: measure(get, runs) for name, get in ways(facts).items()}
    judge(measured, scale, outcome)


def finished_goal(house: House) -> int:
    """A goal that a worker has really done; then the workers go."""
    for name in ("valkey", "relay", "staff@1"):
        house.start(name)
    from deploy.soak import cast
    from staff.models import Goal

    goal = cast.queued_goal(3)
    house.until("a goal is done", lambda: Goal.objects.get(pk=goal).state == "done", 120)
    for name in ("staff@1", "relay"):
        house.stop(name)
    return goal


def furnish(original: int, count: int) -> dict[str, Any]:
    """An office with very many goals, some of them open, and a neighbour with a tenth as many."""
    from django.db import connection

    from deploy.soak import cast, multitude
    from staff.actions import people
    from staff.models import Event, Goal, User

    template = Goal.objects.get(pk=original)
    crowd = multitude.multiply(template, count, EVENTS)
    outsider = User.objects.create_user("outsider")
    elsewhere = people.open_workspace(outsider, "Elsewhere")
    multitude.multiply(template, count // 10, EVENTS, elsewhere)
    lively = [cast.queued_goal(5) for _ in range(25)]
    proposed = [cast.proposed_goal() for _ in range(25)]
    cast.lengthen(lively[0], LONG_STREAM)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    counts = {"goals": Goal.objects.count(), "events": Event.objects.count()}
    say(f"{counts['goals']} goals with {counts['events']} events")
    return {
        "counts": counts,
        "cookie": cast.session_cookie(),
        "token": cast.api_token(),
        "old": crowd.first + count // 2,
        "long": lively[0],
        "proposed": proposed[0],
        "agent": cast.office().agents.order_by("id")[1].pk,
        "first": crowd.first,
        "count": count,
    }


def ways(facts: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Each page, as a function that asks for it."""
    from django.test import Client

    headers = {"Authorization": f"Bearer {facts['token']}"}
    browser = Client(SERVER_NAME="localhost")
    program = Client(SERVER_NAME="localhost", headers=headers)
    name, _, value = facts["cookie"].partition("=")
    browser.cookies[name] = value

    def page(path: str, **query: object) -> Callable[[], Any]:
        return lambda: browser.get(path, query)

    def api(path: str, **query: object) -> Callable[[], Any]:
        return lambda: program.get(f"/api/v1{path}", query)

    old, long = facts["old"], facts["long"]
    return {
        "home": page("/"),
        "goals": page("/goals"),
        "goals, half way back": page("/goals", before=old),
        "goals, last page": page("/goals", before=facts["first"] + 20),
        "goals, failed": page("/goals", state="failed"),
        "goals, running": page("/goals", state="running"),
        "goals, a common word": page("/goals", q="invoices"),
        "goals, three common words": page("/goals", q="total invoices March"),
        "goals, a word in every goal": page("/goals", q="page"),
        "goals, a rare word": page("/goals", q="98f13708"),  # a customer's number
        "goals, a part of a rare word": page("/goals", q="8f137"),
        "goals, a short word": page("/goals", q="zq"),
        "goals, no such word": page("/goals", q="rhinoceros"),
        "goals, a word among failed": page("/goals", q="letters", state="failed"),
        "goal": page(f"/goals/{old}"),
        "goal, proposed": page(f"/goals/{facts['proposed']}"),
        "goal, long stream": page(f"/goals/{long}"),
        "staff": page("/staff"),
        "member of the staff": page(f"/staff/{facts['agent']}"),
        "failed work": page("/failed"),
        "failed work, last page": page("/failed", page="last"),
        "nodes": page("/nodes"),
        "routines": page("/routines"),
        "API failed work": api("/dead-letters"),
        "API nodes": api("/nodes"),
        "API staff": api("/agents"),
        "API goals": api("/goals"),
        "API goals, far back": api("/goals", offset=facts["count"] - 500, limit=200),
        "API goals, a rare word": api("/goals", q="98f13708"),
        "API goal": api(f"/goals/{old}"),
        "API events": api(f"/goals/{old}/events"),
        "API events, long stream": api(f"/goals/{long}/events", after=LONG_STREAM // 2),
    }


def measure(get: Callable[[], Any], runs: int) -> dict[str, float]:
    """Milliseconds of some requests, and the number of database queries of one."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    answer = get()  # the first fills the caches
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.request['PATH_INFO']} answers {answer.status_code}")
    with CaptureQueriesContext(connection) as queries:
        get()
    asked = len(queries)
    ms = []
    for _ in range(runs):
        started = time.perf_counter()
        get()
        ms.append((time.perf_counter() - started) * 1000)
    return {"p95_ms": percentile(ms, 0.95), "p50_ms": percentile(ms, 0.5), "queries": asked}


def judge(measured: Mapping[str, Mapping[str, float]], scale: float, outcome: Outcome) -> None:
    for name, one in measured.items():
        say(
            f"{name:32} p50 {one['p50_ms']:7.1f} ms  p95 {one['p95_ms']:7.1f} ms  "
            f"{one['queries']:3.0f} queries"
        )
    worst = max(measured, key=lambda name: measured[name]["p95_ms"])
    worst_p95_ms = measured[worst]["p95_ms"]
    worst_queries = int(max(one["queries"] for one in measured.values()))
    outcome.note(
        pages={name: round(one["p95_ms"], 1) for name, one in measured.items()},
        worst_page=worst,
        worst_p95_ms=round(worst_p95_ms, 1),
        worst_queries=worst_queries,
    )
    if scale >= 1:  # a small run is a test, and tests judge no speed
        outcome.check(worst_p95_ms < P95_MS, f"{worst} takes {worst_p95_ms:.0f} ms")
    outcome.check(worst_queries <= MOST_QUERIES, f"a page asks {worst_queries} questions")
