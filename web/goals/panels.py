"""The parts of a goal's page that are rendered here and fetched anew when the goal moves on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404

from orchestrator import dispatch
from orchestrator.tools.base import FileProblem
from staff import queries
from staff.actions import planning
from staff.domain.lifecycle import OPEN_GOALS, GoalState, PlanState
from staff.domain.plans import Plan as PlanBody
from staff.models import Artifact, Effect, Goal, Question
from web.goals import controls
from web.goals.forms import BudgetForm, RatingForm
from web.goals.graphs import draw
from web.goals.previews import Preview, preview
from web.goals.tasks import rows


def header(goal: Goal) -> dict[str, Any]:
    firing = goal.firings.select_related("routine").first()
    return {
        "controls": controls.of_goal(goal),
        "place": planning.place(goal),
        "routine": firing and firing.routine,
    }


def needs(goal: Goal) -> dict[str, Any]:
    """What waits for the boss: candidate plans, open approvals with their exact effects, questions
    of the staff, and budgets that are spent."""
    approvals = list(goal.approvals.filter(state="open").select_related("task__agent"))
    effects: dict[int, list[Effect]] = {}
    for effect in Effect.objects.filter(task__approvals__in=approvals, committed_at=None):
        effects.setdefault(effect.task_id, []).append(effect)
    questions = list(goal.questions.filter(state="open").select_related("task__agent"))
    spent = [each for each in questions if each.kind == Question.Kind.BUDGET]
    return {
        "questions": [each for each in questions if each not in spent],
        "spent": spent,
        "more_budget": _more_budget(goal) if spent else None,
        "candidates": candidates(goal) if goal.state == GoalState.PROPOSED else [],
        "asked": [(approval, effects.get(approval.task_id, [])) for approval in approvals],
    }


def _more_budget(goal: Goal) -> BudgetForm:
    """A second form for the caps on the same page; what is typed into it stays."""
    form = BudgetForm(initial=_caps(goal), auto_id="more_%s")
    for field in form.fields.values():
        field.widget.attrs["hx-preserve"] = "true"
    return form


def candidates(goal: Goal) -> list[dict[str, Any]]:
    """The proposed plans, best first, each step with the name of who would do it."""
    names: dict[str, str] = {}
    for agent in goal.workspace.agents.filter(is_active=True):
        names.setdefault(agent.role, agent.name)
    shown = []
    for plan in goal.plans.filter(state=PlanState.PROPOSED).order_by("rank", "id"):
        body = PlanBody.from_json(plan.body)
        steps = [{"step": step, "who": names.get(step.agent_role, "")} for step in body.steps]
        shown.append({"plan": plan, "body": body, "steps": steps})
    return shown


def plan(goal: Goal) -> dict[str, Any]:
    """The adopted plan as a drawing and as a list."""
    tasks = rows(goal)
    return {"tasks": tasks, "graph": draw(tasks) if tasks else None}


def answer(goal: Goal) -> dict[str, Any]:
    """The result: the staff's last word and the document that it made, if there is one."""
    ended = goal.state not in OPEN_GOALS
    name, document = _document(goal) if goal.state == GoalState.DONE else ("", None)
    rating = RatingForm(initial={"rating": goal.rating, "note": goal.rating_note})
    return {"ended": ended, "rating": rating, "document_name": name, "document": document}


def files(goal: Goal) -> dict[str, Any]:
    """What was made, what was attached, and what is wrong with any of it."""
    every = list(goal.artifacts.select_related("task"))
    return {
        "made": [a for a in every if a.origin == Artifact.Origin.MADE],
        "attached": [a for a in every if a.origin == Artifact.Origin.ATTACHED],
        "problems": [a for a in every if a.problem],
    }


def rail(goal: Goal) -> dict[str, Any]:
    return {"budget": BudgetForm(initial=_caps(goal)), "children": queries.children_of(goal)[:20]}


def _caps(goal: Goal) -> dict[str, int | None]:
    """The goal's caps, as `BudgetForm` calls them."""
    budget = goal.budget
    return {
        "token_budget": budget.token_cap,
        "second_budget": budget.second_cap,
        "step_budget": budget.step_cap,
    }


PANELS: dict[str, Callable[[Goal], dict[str, Any]]] = {
    "header": header,
    "needs": needs,
    "answer": answer,
    "plan": plan,
    "files": files,
    "rail": rail,
}


def context_of(goal: Goal, name: str) -> dict[str, Any]:
    """What the template goals/panels/NAME.html shows."""
    if name not in PANELS:
        raise Http404
    return {"goal": goal, **PANELS[name](goal)}


def _document(goal: Goal) -> tuple[str, Preview | None]:
    """The last Markdown file that the staff made, rendered."""
    made = goal.artifacts.filter(origin=Artifact.Origin.MADE, name__endswith=".md")
    last = made.order_by("-updated_at").first()
    if last is None:
        return "", None
    try:
        return last.name, preview(last.name, dispatch.folder_of(goal).read(last.name))
    except FileProblem:
        return "", None
