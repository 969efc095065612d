"""Ten thousand questions over fifty scopes, a canary in each: nobody hears a foreign one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.db import connections

from orchestrator import memory as memories
from staff.actions.memory import Draft, Source, scope_of
from staff.actions.people import open_workspace
from staff.models import Memory, Scope, User, Workspace
from staff.recall import Sight, visible_to

WORKSPACES = 10  # each with five scopes
QUERIES = 10_000
THREADS = 4


@dataclass(frozen=True)
class Viewer:
    sight: Sight
    allowed: frozenset[str]  # canaries


def run(boss: User, say: Callable[[str], None], queries: int = QUERIES, **_: Any) -> dict[str, Any]:
    """The scopes hold the same sentences, so that each question fits all of them; what differs is
    the canary, in an episode and in a fact drawn from it. Writers go on while it is asked."""
    viewers = [viewer for number in range(WORKSPACES) for viewer in _workspace(number)]
    leaks = missed = 0
    lock = threading.Lock()

    def ask(number: int) -> None:
        nonlocal leaks, missed
        chance = random.Random(number)
        viewer = chance.choice(viewers)
        asked = chance.choice(
            ["What is the code word?", "code word of the vault", "the vault", "safe code word"]
        )
        found = memories.recall(viewer.sight, asked, 10, with_past=chance.random() < 0.3)
        heard = {
            word for each in found for word in each.memory.text.split() if word[:6] == "canary"
        }
        foreign = {each.memory.scope_id for each in found} - set(viewer.sight.scope_ids)
        with lock:
            leaks += bool(heard - viewer.allowed) or bool(foreign)
            missed += not heard
        if number % 500 == 0:
            _disturb(viewer, number)

    def ask_all(numbers: range) -> None:
        try:
            for number in numbers:
                ask(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask_all, [range(first, queries, THREADS) for first in range(THREADS)]))
    say(
        f"{queries} questions over {WORKSPACES * 5} scopes: {leaks} leaks; "
        f"{queries - missed} heard a canary of their own"
    )
    return {"leaks": leaks, "leak_queries": queries, "leak_scopes": WORKSPACES * 5}


def _workspace(number: int) -> list[Viewer]:
    """Five scopes with a canary each, and who may hear which."""
    owner = User.objects.create_user(f"owner {number}")
    other = User.objects.create_user(f"other {number}")
    workspace = open_workspace(owner, f"isolated {number}")
    workspace.memberships.create(user=other)
    lead, member = workspace.agents.order_by("id")[:2]
    scopes = {
        "everybody": scope_of(workspace),
        "team": scope_of(workspace, Scope.Kind.TEAM, agent=lead),
        "lead": scope_of(workspace, Scope.Kind.AGENT, agent=lead),
        "member": scope_of(workspace, Scope.Kind.AGENT, agent=member),
        "owner": scope_of(workspace, Scope.Kind.BOSS, user=owner),
    }
    canaries = {name: _plant(scope, f"canary-{number}-{name}") for name, scope in scopes.items()}

    def viewer(sight: Sight, *names: str) -> Viewer:
        return Viewer(sight, frozenset(canaries[name] for name in names))

    return [
        viewer(visible_to(owner, workspace), *canaries),
        viewer(visible_to(other, workspace), "everybody", "team", "lead", "member"),
        viewer(visible_to(lead), "everybody", "team", "lead"),
        viewer(visible_to(member), "everybody", "team", "member"),
        viewer(visible_to(member, boss=owner), "everybody", "team", "member", "owner"),
    ]


def _plant(scope: Scope, canary: str) -> str:
    drafts = [
        Draft(f"The code word of the vault is {canary}", actor="Guard"),
        Draft("Whoever opens the safe says the code word aloud", actor="Guard"),
        *[Draft(f"The vault was dusted on day {day}", actor="Guard") for day in range(20)],
    ]
    said = memories.remember(scope, drafts)[0].memory
    assert said is not None
    fact = Draft(
        kind=Memory.Kind.FACT,
        subject="vault",
        attribute="code word",
        value=canary,
        trust=Memory.Trust.DERIVED,
        sources=(Source(origin_id=said.pk),),
    )
    memories.remember(scope, [fact])
    return canary


def _disturb(viewer: Viewer, number: int) -> None:
    """A write beside the questions, so that caches have to follow."""
    scope = Scope.objects.get(pk=viewer.sight.scope_ids[0])
    assert isinstance(scope.workspace, Workspace)
    memories.remember(scope, [Draft(f"The vault was opened for visitor {number}", actor="Guard")])
