"""Who may see which memories, and the wall in the database that holds them to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from staff.models import Agent, Scope, User, Workspace

READER = "forestaff_reader"


class NothingVisible(Exception):
    """Who asks has no seat in the workspace whose memory they ask for."""


@dataclass(frozen=True)
class Sight:
    """The scopes of one workspace that somebody may see. Made by `visible_to` only."""

    workspace_id: int
    scope_ids: tuple[int, ...]


def visible_to(
    viewer: Agent | User, workspace: Workspace | None = None, *, boss: User | None = None
) -> Sight:
    """What an agent or a person may see.

    An agent: what everybody knows, what its teams know (the one it leads and the one it is in),
    its own; and, while it works for `boss`, what is private to that boss.
    A person (then `workspace` is needed): all of the workspace but what is private to others.
    Raises NothingVisible for a person without a seat there, or a boss of another workspace.
    """
    if isinstance(viewer, Agent):
        workspace = viewer.workspace
        teams = [agent for agent in (viewer.pk, viewer.lead_id) if agent]
        mine = (
            Q(kind=Scope.Kind.WORKSPACE)
            | Q(kind=Scope.Kind.TEAM, agent__in=teams)
            | Q(kind=Scope.Kind.AGENT, agent=viewer)
        )
        person = boss
    else:
        mine = ~Q(kind=Scope.Kind.BOSS)
        person = viewer
    if workspace is None:
        raise NothingVisible("Name the workspace whose memory you ask for.")
    if person is not None:
        if not workspace.memberships.filter(user=person).exists():
            raise NothingVisible(f"{person} has no seat in this workspace.")
        mine |= Q(kind=Scope.Kind.BOSS, user=person)
    return _sight(workspace.pk, Scope.objects.filter(mine, workspace=workspace))


def narrowed(sight: Sight, wanted: str) -> Sight:
    """Only the scopes of that name, of those that are visible anyway: "workspace", "team",
    "agent", "boss"; "team:" and "agent:" may be followed by the name or number of the agent."""
    kind, _, owner = wanted.partition(":")
    found = Scope.objects.filter(pk__in=sight.scope_ids, kind=kind)
    if owner:
        named = Q(agent__name__iexact=owner)
        found = found.filter(
            named | Q(agent=int(owner)) if owner.isdecimal() and len(owner) < 19 else named
        )
    return _sight(sight.workspace_id, found)


@contextmanager
def walled(sight: Sight) -> Iterator[None]:
    """Read as a role for which only rows of these scopes exist, whatever the query forgets."""
    scopes = ",".join(str(int(scope)) for scope in sight.scope_ids)
    is_nested = connection.in_atomic_block  # the end of a transaction takes the wall down itself
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {READER}; SET LOCAL forestaff.scopes = '{scopes}'")
        yield
        if is_nested:
            cursor.execute("SET LOCAL ROLE NONE; SET LOCAL forestaff.scopes = ''")


def _sight(workspace_id: int, scopes: QuerySet[Scope]) -> Sight:
    return Sight(workspace_id, tuple(scopes.order_by("id").values_list("id", flat=True)))
