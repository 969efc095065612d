"""The staff itself: hiring, editing, reporting lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from staff.actions import queue
from staff.models import Agent, Workspace

# name, role, what it is told about itself; the first is the lead of the others
TEMPLATE_STAFF = (
    ("Ada", "assistant", "You answer the boss directly, briefly and in plain words."),
    ("Rosa", "researcher", "You read documents and notes carefully and keep to what they say."),
    ("Alan", "analyst", "You turn documents into tables and compute with code, never by guessing."),
    ("Willa", "writer", "You write short, clear documents for a busy reader."),
    (
        "Vera",
        "reviewer",
        "You check work against what the boss asked for, and say what is missing.",
    ),
)


class AgentRefused(Exception):
    """The agent cannot be saved like this; the message says why."""


@transaction.atomic
def hire_template_staff(workspace: Workspace) -> list[Agent]:
    """The staff that a new workspace starts with, led by the assistant."""
    staff = [
        Agent.objects.create(workspace=workspace, name=name, role=role, instructions=instructions)
        for name, role, instructions in TEMPLATE_STAFF
    ]
    Agent.objects.filter(pk__in=[agent.pk for agent in staff[1:]]).update(lead=staff[0])
    return staff


@transaction.atomic
def save(agent: Agent, known_tools: Sequence[str] = (), **changes: Any) -> Agent:
    """Hire a new agent or change one. Raises AgentRefused with the reason."""
    for field, value in changes.items():
        setattr(agent, field, value)
    agent.name = agent.name.strip()
    if not agent.name:
        raise AgentRefused("An agent needs a name.")
    namesakes = Agent.objects.filter(workspace=agent.workspace, name__iexact=agent.name)
    if namesakes.exclude(pk=agent.pk).exists():
        raise AgentRefused(f"There is already someone called {agent.name}; choose another name.")
    unknown = [tool for tool in agent.tools if known_tools and tool not in known_tools]
    if unknown:
        raise AgentRefused(f"There is no tool called {unknown[0]}.")
    if agent.concurrency is not None and agent.concurrency < 1:
        raise AgentRefused("An agent works on at least one task at once.")
    _check_line(agent)
    agent.save()
    if "concurrency" in changes:
        queue.nudge_more()  # there may be room now for work that was turned away
    return agent


def _check_line(agent: Agent) -> None:
    """Follow the reporting line upwards: it stays in the workspace and never comes back."""
    lead = agent.lead
    while lead is not None:
        if lead.workspace_id != agent.workspace_id:
            raise AgentRefused(f"{lead.name} works in another workspace.")
        if agent.pk and lead.pk == agent.pk:
            raise AgentRefused(f"{agent.name} cannot report to someone who reports to them.")
        lead = lead.lead
