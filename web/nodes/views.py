"""The machines that the staff works on, for those who look after them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from orchestrator import dispatch
from staff import queries
from staff.actions import nodes as actions
from web.nodes.forms import ModelForm, SlotsForm
from web.nodes.lookups import all_nodes
from web.workspaces import managing

VERBS: dict[str, tuple[dict[str, bool], Any]] = {
    "drain": ({"is_draining": True}, _("%(node)s finishes what it has and takes no more.")),
    "resume": ({"is_draining": False}, _("%(node)s takes work again.")),
    "slots": ({}, _("%(node)s is set.")),
}

MODEL_VERBS = {
    "load": _("%(model)s is being loaded."),
    "unload": _("%(model)s is unloaded as soon as it is idle."),
    "pin": _("%(model)s is kept in memory."),
    "unpin": _("%(model)s may be unloaded when it is idle."),
    "retry": _("%(model)s is tried again."),
}


@managing
def nodes(request: HttpRequest) -> HttpResponse:
    template = "nodes/list.html" if request.htmx else "nodes/page.html"
    return render(request, template, {"nodes": listed(request)})


@managing
@require_POST
def change(request: HttpRequest, node: str, verb: str) -> HttpResponse:
    """Do what a button asks: drain, resume, or slots."""
    if verb not in VERBS:
        raise Http404
    form = SlotsForm(request.POST)
    if verb == "slots" and not form.is_valid():
        messages.error(request, f"{node}: {form.errors['slots'][0]}")
        return redirect("nodes")
    changes, said = VERBS[verb]
    if not actions.limit(node, **(changes or form.cleaned_data)):
        raise Http404
    messages.success(request, said % {"node": node})
    return redirect("nodes")


@managing
@require_POST
def tend(request: HttpRequest, node: str) -> HttpResponse:
    """Do what a button asks about one of the node's models."""
    form = ModelForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("That is no model of this node."))
        return redirect("nodes")
    verb, model = form.cleaned_data["verb"], form.cleaned_data["model"]
    if not dispatch.tend_model(node, verb, model):
        raise Http404
    messages.success(request, MODEL_VERBS[verb] % {"model": model})
    return redirect("nodes")


def listed(request: HttpRequest) -> list[Any]:
    """The nodes, each with `tasks`: what it does now for this workspace."""
    tasks: dict[str, list[Any]] = {}
    for task in queries.running_tasks(request.workspace):
        tasks.setdefault(task.worker, []).append(task)
    found = list(all_nodes())
    for node in found:
        node.tasks = tasks.get(node.name, [])
        node.elsewhere = max(0, node.tasks_now - len(node.tasks))
    return found
