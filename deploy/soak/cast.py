"""Who and what a soak works with, made through the actions. Import it inside the house only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import transaction

from deploy.soak.follower import as_line
from deploy.soak.scripts import NOTE_SKILL
from staff import queries
from staff.actions import goals, people, planning, streams
from staff.actions.streams import as_json
from staff.domain.plans import Plan, PlanStep
from staff.models import Goal, User, Workspace

PAGE = 500


def boss() -> User:
    return User.objects.order_by("id")[0]


def office() -> Workspace:
    return boss().workspaces.order_by("id")[0]


def quiet_goals(count: int) -> list[int]:
    """Goals on which nobody works, since no worker runs."""
    return [goals.create(office(), boss(), f"A quiet goal, {n}").pk for n in range(count)]


def session_cookie() -> str:
    """The cookie of a browser in which the boss has signed in."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(boss().pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = boss().get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def api_token() -> str:
    return people.make_token(boss(), office(), "soak")


def stream(goal_id: int) -> Iterator[dict[str, Any]]:
    """Every event of a goal as the database holds it."""
    after = 0
    while page := queries.events_after(goal_id, after, PAGE):
        yield from map(as_json, page)
        after = page[-1].seq


def stream_end(goal_id: int) -> tuple[int, str]:
    """The last number of a goal's stream, and the digest of all its events in order."""
    digest = hashlib.sha256()
    for event in stream(goal_id):
        digest.update(as_line(event))
    return Goal.objects.values_list("last_seq", flat=True).get(pk=goal_id), digest.hexdigest()


def proposed_goal() -> int:
    """A goal with two plans that wait for the boss."""
    goal = goals.create(office(), boss(), "Two small things, please")
    fence = planning.claim(goal.pk, 60)
    assert fence is not None
    ranked = [planning.RankedPlan(plan_body(steps), 1 / steps, "Small.") for steps in (2, 1)]
    planning.propose(goal.pk, fence, ranked)
    return goal.pk


def queued_goal(steps: int) -> int:
    """A goal with an adopted plan, all its tasks ready."""
    goal = goals.create(office(), boss(), f"Do {steps} small things", autonomy=Goal.Autonomy.ACT)
    fence = planning.claim(goal.pk, 60)
    assert fence is not None
    planning.propose(goal.pk, fence, [planning.RankedPlan(plan_body(steps), 1.0, "")])
    return goal.pk


def plan_body(steps: int) -> dict[str, Any]:
    """Steps that do not wait for each other, each with one file to write."""
    roles = ("researcher", "analyst", "writer")
    made = [
        PlanStep(
            key=f"s{n}",
            title=f"Thing {n}",
            skill=NOTE_SKILL,
            agent_role=roles[n % len(roles)],
            instruction=f"Thing {n} is done.",
            outputs=(f"thing-{n}.md",),
        )
        for n in range(steps)
    ]
    return Plan(tuple(made), "soak").to_json()


def lengthen(goal_id: int, events: int) -> None:
    """Many more events on a goal's stream."""
    with transaction.atomic():
        for n in range(events):
            streams.append(goal_id, "model.text", call="soak", text=f"word {n} ")
