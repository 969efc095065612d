"""The org chart: reporting lines as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from staff.models import Agent


@dataclass
class Line:
    """A member and those who report to them."""

    agent: Agent
    reports: list[Line] = field(default_factory=list)


def reporting_lines(members: Sequence[Agent]) -> list[Line]:
    """The trees of those who report to nobody here; nobody is left out."""
    lines = {agent.pk: Line(agent) for agent in members}
    top = []
    for line in lines.values():
        lead = lines.get(line.agent.lead_id or 0)
        (lead.reports if lead else top).append(line)
    return top
