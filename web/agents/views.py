"""The staff: who works here, on which lines, with what record."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from staff import queries
from staff.actions import agents as actions
from staff.actions.agents import AgentRefused
from staff.models import Agent
from web.agents import catalogue
from web.agents.chart import reporting_lines
from web.agents.forms import AgentForm
from web.workspaces import acting, seated

FIELDS = ("name", "role", "instructions", "model", "tools", "lead", "concurrency", "is_active")


@seated
def staff(request: HttpRequest) -> HttpResponse:
    members = list(queries.agents_of(request.workspace))
    return render(request, "agents/staff.html", {"lines": reporting_lines(members)})


@seated
def member(request: HttpRequest, agent_id: int) -> HttpResponse:
    try:
        agent = queries.agent_of(request.workspace, agent_id)
    except Agent.DoesNotExist:
        raise Http404 from None
    if request.method == "POST" and not request.membership.may_act:
        raise PermissionDenied(_("You may look but not act here: you are a viewer."))
    recent = agent.tasks.exclude(started_at=None).select_related("goal").order_by("-started_at")[:8]
    return _edit(request, agent, {"agent": agent, "recent": recent})


@acting
def hire(request: HttpRequest) -> HttpResponse:
    return _edit(request, Agent(workspace=request.workspace), {"agent": None})


def _edit(request: HttpRequest, agent: Agent, facts: dict[str, Any]) -> HttpResponse:
    shared = {"workspace": request.workspace, "agent": agent}
    if request.method == "POST":
        form = AgentForm(request.POST, **shared)
        if form.is_valid() and _save(agent, form):
            messages.success(request, _("%(name)s is saved.") % {"name": agent.name})
            return redirect("member", agent.pk)
    else:
        form = AgentForm(initial={name: getattr(agent, name) for name in FIELDS}, **shared)
    status = 422 if form.errors else 200
    return render(request, "agents/member.html", facts | {"form": form}, status=status)


def _save(agent: Agent, form: AgentForm) -> bool:
    """Whether the agent could be saved; if not, the form says why."""
    try:
        actions.save(agent, catalogue.tools(), **form.cleaned_data)
    except AgentRefused as reason:
        form.add_error(None, str(reason))
        return False
    return True
