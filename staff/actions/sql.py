"""Plain SQL for the few statements that every step of every task goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Model

Parameters = Sequence[Any] | Mapping[str, Any]


def rows(
    statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> list[tuple[Any, ...]]:
    """What the statement returns. Raises what Django's database layer raises."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def one(
    statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> tuple[Any, ...] | None:
    """The first row, or None."""
    found = rows(statement, parameters)
    return found[0] if found else None


@cache
def columns(model: type[Model], alias: str) -> str:
    """All columns of a table, for a SELECT whose rows `instances` understands."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def instances(row: Sequence[Any], *models: type[Model]) -> list[Any]:
    """The instances that stand one after the other in a row, as a QuerySet would make them.

    None for one that an outer join did not find.
    """
    found: list[Any] = []
    start = 0
    for model in models:
        names, converters = _fields(model)
        values = list(row[start : start + len(names)])
        start += len(names)
        for place, convert in converters:
            values[place] = convert(values[place], None, connection)
        made = model.from_db(connection.alias, names, values)
        found.append(None if made.pk is None else made)
    return found


@cache
def _fields(model: type[Model]) -> tuple[list[str], list[tuple[int, Any]]]:
    """The names of a table's fields; which of them the database keeps in another form, and what
    brings them back."""
    fields = model._meta.concrete_fields
    converters = [
        (place, field.from_db_value)
        for place, field in enumerate(fields)
        if hasattr(field, "from_db_value")
    ]
    return [field.attname for field in fields], converters
