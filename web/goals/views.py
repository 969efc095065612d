"""Goals: give one, watch it, decide about it. Each view makes one call into the house."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from orchestrator import dispatch
from orchestrator.tools.base import FileProblem
from staff import queries
from staff.actions.goals import GoalRefused
from staff.domain.lifecycle import GoalState
from staff.models import Goal
from web.goals import editor, panels
from web.goals.answers import REFUSALS, answered
from web.goals.downloads import download
from web.goals.forms import BudgetForm, GoalForm, RatingForm
from web.goals.lookups import goal_or_404, number
from web.goals.previews import preview
from web.paging import page_of
from web.suggestions import suggestion
from web.workspaces import acting, seated

PAGE = 25
TYPED = ("question", "answer")  # what a page without scripts shows again


@seated
def goals(request: HttpRequest) -> HttpResponse:
    """All goals, searched and by state."""
    words = request.GET.get("q", "").replace("\0", "")[:200]
    state = request.GET.get("state", "")
    state = state if state in set(GoalState) else ""
    page = page_of(queries.search_goals(request.workspace, words, state), request.GET, PAGE)
    shown = queries.with_progress(queries.goals_of(request.workspace)).filter(pk__in=page.ids)
    asked = {"words": words, "state": state, "states": list(GoalState)}
    return render(request, "goals/list.html", {"page": page, "goals": shown, **asked})


@acting
def new_goal(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _give(request, GoalForm(request.POST, request.FILES))
    first = suggestion(request.GET.get("suggestion", ""))
    filled = {"text": first.text, "samples": first.folder} if first else {}
    return render(request, "goals/new.html", {"form": GoalForm(initial=filled)})


def _give(request: HttpRequest, form: GoalForm) -> HttpResponse:
    if form.is_valid():
        try:
            goal = dispatch.submit_goal(
                request.workspace,
                request.user,
                form.cleaned_data["text"],
                form.given_files(),
                **form.options(),
            )
        except GoalRefused as reason:
            form.add_error(None, str(reason))
        else:
            return redirect("goal", goal.pk)
    return render(request, "goals/new.html", {"form": form}, status=422)


@seated
def goal(request: HttpRequest, goal_id: int) -> HttpResponse:
    return _page(request, goal_or_404(request, goal_id))


def _page(request: HttpRequest, goal: Goal, status: int = 200, **typed: str) -> HttpResponse:
    """The goal's page. typed: what was written into a form that was refused"""
    facts: dict[str, Any] = {"goal": goal, "typed": typed}
    for show in panels.PANELS.values():
        facts |= show(goal)
    return render(request, "goals/goal.html", facts, status=status)


@seated
def panel(request: HttpRequest, goal_id: int, name: str) -> HttpResponse:
    found = goal_or_404(request, goal_id)
    return render(request, f"goals/panels/{name}.html", panels.context_of(found, name))


@acting
@require_POST
def act(request: HttpRequest, goal_id: int, verb: str) -> HttpResponse:
    """Do what a button of the goal's page asks; then say so, or why not."""
    found = goal_or_404(request, goal_id)
    if verb not in VERBS:
        raise Http404
    back = reverse("goal", args=[goal_id])
    given = {name: request.POST.get(name, "") for name in TYPED}
    return answered(
        request,
        lambda: VERBS[verb](request, found),
        back,
        lambda: _page(request, goal_or_404(request, goal_id), 422, **given),
    )


def _approve(request: HttpRequest, goal: Goal) -> str:
    plan, approval = (number(request.POST.get(name, "")) for name in ("plan", "approval"))
    _own_approval(goal, approval)
    dispatch.approve(goal.pk, request.user, plan_id=plan, approval_id=approval)
    return _("Approved. The staff goes on.")


def _reject(request: HttpRequest, goal: Goal) -> str:
    approval = number(request.POST.get("approval", ""))
    _own_approval(goal, approval)
    reason = request.POST.get("reason", "").replace("\0", "")[:2000]
    dispatch.reject(goal.pk, request.user, reason=reason, approval_id=approval)
    return _("Sent back with your reason.")


def _pause(request: HttpRequest, goal: Goal) -> str:
    dispatch.pause(goal.pk, request.user)
    return _("Paused.")


def _resume(request: HttpRequest, goal: Goal) -> str:
    dispatch.resume(goal.pk, request.user)
    return _("The staff goes on.")


def _cancel(request: HttpRequest, goal: Goal) -> str:
    dispatch.cancel(goal.pk, request.user)
    return _("Cancelled. Retry takes it up again.")


def _retry(request: HttpRequest, goal: Goal) -> str:
    dispatch.retry(goal.pk, request.user)
    return _("Taken up again where it stopped.")


def _rate(request: HttpRequest, goal: Goal) -> str:
    form = RatingForm(request.POST)
    if not form.is_valid():
        raise GoalRefused(_first_error(form))
    dispatch.rate(goal.pk, request.user, form.cleaned_data["rating"], form.cleaned_data["note"])
    return _("Thank you. The staff learns from it.")


def _answer(request: HttpRequest, goal: Goal) -> str:
    question = number(request.POST.get("question", ""))
    if not goal.questions.filter(pk=question).exists():
        raise Http404
    dispatch.answer(question, request.user, request.POST.get("answer", "").replace("\0", ""))
    return _("Answered. The staff goes on.")


def _budget(request: HttpRequest, goal: Goal) -> str:
    form = BudgetForm(request.POST)
    if not form.is_valid():
        raise GoalRefused(_first_error(form))
    dispatch.raise_budget(goal.pk, request.user, **form.cleaned_data)
    return _("The budget is set.")


VERBS: dict[str, Callable[[HttpRequest, Goal], str]] = {
    "approve": _approve,
    "reject": _reject,
    "answer": _answer,
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "retry": _retry,
    "rate": _rate,
    "budget": _budget,
}


@acting
def edit_plan(request: HttpRequest, goal_id: int, plan_id: int) -> HttpResponse:
    """Change a proposed plan, then approve what came of it."""
    found = goal_or_404(request, goal_id)
    plan = found.plans.filter(pk=plan_id).first()
    if plan is None:
        raise Http404
    steps, said, forms = plan.body["steps"], "", None
    if request.method == "POST":
        steps = editor.posted_steps(request.POST)
        operation = request.POST.get("operation", "")
        if operation == "approve":
            forms = editor.forms_of(steps, request.workspace, is_posted=True)
            said = _adopt_edited(request, found, forms, plan.body.get("summary", ""))
            if not said:
                where = reverse("goal", args=[goal_id])
                return HttpResponseClientRedirect(where) if request.htmx else redirect(where)
        else:
            steps = editor.changed(steps, operation)
    facts = {
        "goal": found,
        "plan": plan,
        "forms": forms or editor.forms_of(steps, request.workspace),
        "said": said,
        "max_steps": editor.MAX_STEPS,
    }
    return render(request, "goals/edit_plan.html", facts, status=422 if said else 200)


def _adopt_edited(
    request: HttpRequest, goal: Goal, forms: list[editor.StepForm], summary: str
) -> str:
    """Approve the edited plan; the answer is why it cannot be, or "" if it was."""
    if [form for form in forms if not form.is_valid()]:  # each, so that each shows its errors
        return _("Some steps are not complete yet: see below.")
    try:
        dispatch.approve(goal.pk, request.user, edited=editor.as_plan(forms, summary))
    except REFUSALS as reason:
        return str(reason)
    messages.success(request, _("Approved as you edited it. The staff goes on."))
    return ""


@seated
def file(request: HttpRequest, goal_id: int, artifact_id: int) -> HttpResponse:
    """A preview: a part of the goal's page for htmx, a page of its own otherwise."""
    found = goal_or_404(request, goal_id)
    try:
        artifact = queries.artifact_of(found, artifact_id)
    except ObjectDoesNotExist:
        raise Http404 from None
    facts: dict[str, Any] = {"goal": found, "artifact": artifact}
    try:
        content = dispatch.folder_of(found).read(artifact.name)
    except FileProblem as bad:
        facts["unreadable"] = artifact.problem or bad.reason
    else:
        facts["preview"] = preview(artifact.name, content)
    return render(request, "goals/file_body.html" if request.htmx else "goals/file.html", facts)


@seated
def file_content(request: HttpRequest, goal_id: int, artifact_id: int) -> HttpResponse:
    found = goal_or_404(request, goal_id)
    try:
        return download(found, queries.artifact_of(found, artifact_id))
    except (ObjectDoesNotExist, FileProblem):
        raise Http404 from None


def _own_approval(goal: Goal, approval_id: int | None) -> None:
    if approval_id is not None and not goal.approvals.filter(pk=approval_id).exists():
        raise Http404


def _first_error(form: Any) -> str:
    name, errors = next(iter(form.errors.items()))
    return f"{form.fields[name].label}: {errors[0]}"
