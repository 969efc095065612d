"""Whose memories somebody sees: filtered in SQL, and once more by the database itself."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from staff.actions import memory
from staff.models import (
    Memory,
    MemoryEvent,
    MemorySource,
    MemoryUse,
    MemoryVector,
    Posting,
    Scope,
    Tombstone,
)
from staff.recall import NothingVisible, Sight, narrowed, recall, visible_to, walled

WALLED = (Memory, MemoryVector, Posting, MemoryEvent, MemorySource, MemoryUse, Tombstone)


@pytest.fixture
def cast(office, boss, teammate, outsider, say):
    """A memory in each scope of the office, and in the outsider's."""
    ada, rosa, alan = office.agents.order_by("id")[:3]  # Ada leads the others
    elsewhere = outsider.workspaces.get()
    scopes = {
        "everybody": memory.scope_of(office),
        "team": memory.scope_of(office, Scope.Kind.TEAM, agent=ada),
        "ada": memory.scope_of(office, Scope.Kind.AGENT, agent=ada),
        "rosa": memory.scope_of(office, Scope.Kind.AGENT, agent=rosa),
        "rosas": memory.scope_of(office, Scope.Kind.TEAM, agent=rosa),
        "boss": memory.scope_of(office, Scope.Kind.BOSS, user=boss),
        "teammate": memory.scope_of(office, Scope.Kind.BOSS, user=teammate),
        "elsewhere": memory.scope_of(elsewhere),
    }
    for name, scope in scopes.items():
        kept = say(scope, f"canary {name}")
        gone = say(scope, f"buried {name}")
        MemoryUse.objects.create(memory=kept, query="canary")
        memory.forget([gone], by="test")
    return {"ada": ada, "rosa": rosa, "alan": alan, "scopes": scopes}


def heard(sight, embedder):
    return {each.memory.text.split()[1] for each in recall(sight, "canary", 50, embedder=embedder)}


def test_who_hears_what(cast, office, boss, teammate, embedder):
    agents = {"everybody", "team", "ada", "rosa", "rosas"}
    ada, rosa, alan = cast["ada"], cast["rosa"], cast["alan"]
    assert heard(visible_to(boss, office), embedder) == agents | {"boss"}
    assert heard(visible_to(teammate, office), embedder) == agents | {"teammate"}
    assert heard(visible_to(ada), embedder) == {"everybody", "team", "ada"}
    assert heard(visible_to(rosa), embedder) == {"everybody", "team", "rosas", "rosa"}
    assert heard(visible_to(alan), embedder) == {"everybody", "team"}
    assert heard(visible_to(alan, boss=boss), embedder) == {"everybody", "team", "boss"}


def test_strangers_see_nothing(cast, office, outsider):
    with pytest.raises(NothingVisible):
        visible_to(outsider, office)
    with pytest.raises(NothingVisible):
        visible_to(cast["ada"], boss=outsider)
    with pytest.raises(NothingVisible):
        visible_to(outsider)
    with pytest.raises(memory.MemoryRefused, match="no seat"):
        memory.scope_of(office, Scope.Kind.BOSS, user=outsider)
    with pytest.raises(memory.MemoryRefused, match="another workspace"):
        memory.scope_of(outsider.workspaces.get(), Scope.Kind.AGENT, agent=cast["ada"])


def test_narrowing_never_widens(cast, office, boss, teammate, embedder):
    sight = visible_to(boss, office)
    assert heard(narrowed(sight, "boss"), embedder) == {"boss"}
    assert heard(narrowed(sight, "agent:Rosa"), embedder) == {"rosa"}
    assert heard(narrowed(sight, f"team:{cast['ada'].pk}"), embedder) == {"team"}
    assert heard(narrowed(visible_to(cast["alan"]), "boss"), embedder) == set()
    assert narrowed(sight, "agent:nobody").scope_ids == narrowed(sight, "moon").scope_ids == ()


def test_no_scope_no_search(cast, embedder):
    assert recall(Sight(1, ()), "canary", embedder=embedder) == []


@pytest.mark.parametrize("model", WALLED, ids=lambda model: model.__name__)
def test_behind_the_wall_a_query_without_a_filter_sees_its_own_scopes_only(
    cast, boss, office, model
):
    """Raw SQL that forgets every condition, as the reader's role."""
    sight = visible_to(cast["alan"])
    table = model._meta.db_table
    own = {scope.pk for scope in cast["scopes"].values()} & set(sight.scope_ids)
    with walled(sight), connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        columns = [column.name for column in cursor.description]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    assert rows and model.objects.count() > len(rows)
    scope_of = dict(Memory.objects.values_list("id", "scope_id"))
    found = {row["scope_id"] if "scope_id" in row else scope_of[row["memory_id"]] for row in rows}
    if model is Memory:
        found = {row["scope_id"] for row in rows}
    assert found == own


def test_the_reader_cannot_write_and_sees_nothing_without_a_setting(cast):
    with walled(Sight(0, ())):
        assert Memory.objects.count() == 0 == Scope.objects.count()
    with pytest.raises(ProgrammingError), walled(Sight(0, (1,))):
        Memory.objects.update(text="x")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE forestaff_reader")
        cursor.execute("SELECT count(*) FROM staff_memory")
        assert cursor.fetchone() == (0,)
        cursor.execute("SET LOCAL ROLE NONE")


def test_the_wall_is_down_again_afterwards(cast, scope, say):
    with walled(Sight(0, (scope.pk,))):
        pass
    assert say(scope, "written after").pk
    with pytest.raises(ZeroDivisionError), walled(Sight(0, (scope.pk,))):
        raise ZeroDivisionError
    assert say(scope, "written after a failure").pk


def test_a_row_of_a_foreign_scope_in_the_cache_is_not_shown(cast, embedder, monkeypatch):
    """Were a shelf wrong, the wall would still hold."""
    from staff.recall import search
    from staff.recall.shelf import shelves

    mine, foreign = cast["scopes"]["everybody"], cast["scopes"]["elsewhere"]
    stolen = shelves.of([Scope.objects.get(pk=foreign.pk)], embedder.name)
    monkeypatch.setattr(search.shelves, "of", lambda scopes, model: stolen)
    assert recall(Sight(0, (mine.pk,)), "canary", embedder=embedder) == []
