"""The nodes of the house, and which of them were not seen lately."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet

from staff import queries
from staff.models import Node

MISSED_BEATS = 3  # after so many a node counts as late


def all_nodes() -> QuerySet[Node]:
    return queries.nodes(settings.HEARTBEAT_S * MISSED_BEATS)
