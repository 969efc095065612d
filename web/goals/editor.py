"""A plan as a form: one small form a step, moved, removed and added without losing a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from orchestrator.agent.skills import load_skills
from staff.domain.plans import LIST_FIELDS, MAX_STEPS
from staff.models import Workspace

Step = dict[str, Any]
TEXTS = ("key", "title", "skill", "agent_role", "instruction", "reviews")
BY_LINE = ("inputs", "outputs")


class Lines(forms.CharField):
    """A list of names, one a line."""

    widget = forms.Textarea(attrs={"rows": 2})

    def to_python(self, value: Any) -> list[str]:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, (list, tuple)) else value

    def validate(self, value: list[str]) -> None:
        if any(len(name) > 200 for name in value):
            raise forms.ValidationError(_("A name has at most 200 characters."))

    def run_validators(self, value: list[str]) -> None:
        for name in value:
            super().run_validators(name)


class StepForm(forms.Form):
    """One step of a plan; the choices are those of the workspace and of the plan's other steps."""

    key = forms.CharField(max_length=40, widget=forms.HiddenInput)
    reviews = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)
    title = forms.CharField(label=_("Title"), max_length=200)
    instruction = forms.CharField(
        label=_("Instruction"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    skill = forms.ChoiceField(label=_("Skill"))
    agent_role = forms.ChoiceField(label=_("Who"))
    after = forms.MultipleChoiceField(
        label=_("Comes after"), required=False, widget=forms.CheckboxSelectMultiple
    )
    inputs = Lines(label=_("Reads (one file a line)"), required=False)
    outputs = Lines(label=_("Leaves behind (one file a line)"), required=False)

    def __init__(self, *args: Any, steps: Sequence[Step], workspace: Workspace, **kwargs: Any):
        super().__init__(*args, **kwargs)
        own = (self.initial or {}).get("key") or self.data.get(self.add_prefix("key"))
        others = [(s["key"], s["title"] or s["key"]) for s in steps if s["key"] != own]
        self.fields["after"].choices = others
        self.fields["skill"].choices = skill_choices()
        self.fields["agent_role"].choices = role_choices(workspace)


def skill_choices() -> list[tuple[str, str]]:
    return [
        (name, f"{name}: {skill.description}")
        for name, skill in load_skills().items()
        if not skill.is_playbook
    ]


def role_choices(workspace: Workspace) -> list[tuple[str, str]]:
    """Each role with the names of those who have it."""
    names: dict[str, list[str]] = {}
    for role, name in workspace.agents.filter(is_active=True).values_list("role", "name"):
        names.setdefault(role, []).append(name)
    return [(role, f"{', '.join(who)} ({role})") for role, who in names.items()]


def posted_steps(data: QueryDict) -> list[Step]:
    """The steps as they were typed, unchecked, in their order."""
    numbers = [name[1:-4] for name in data if name.startswith("s") and name.endswith("-key")]
    return [_posted_step(data, f"s{number}") for number in numbers[: MAX_STEPS * 2]]


def _posted_step(data: QueryDict, prefix: str) -> Step:
    step: Step = {name: data.get(f"{prefix}-{name}", "") for name in TEXTS}
    step["after"] = data.getlist(f"{prefix}-after")
    return step | {name: data.get(f"{prefix}-{name}", "").splitlines() for name in BY_LINE}


def changed(steps: list[Step], operation: str) -> list[Step]:
    """The steps after one of "add", "up N", "down N", "remove N" (N counts from 0)."""
    verb, _space, place = operation.partition(" ")
    if verb == "add":
        return [*steps, new_step(steps)] if len(steps) < MAX_STEPS else steps
    at = int(place) if place.isdecimal() and len(place) < 4 else len(steps)
    if at >= len(steps):
        return steps
    if verb == "remove":
        gone = steps[at]["key"]
        return [_without(step, gone) for step in steps[:at] + steps[at + 1 :]]
    to = at + {"up": -1, "down": 1}.get(verb, 0)
    moved = list(steps)
    if 0 <= to < len(steps):
        moved[at], moved[to] = moved[to], moved[at]
    return moved


def new_step(steps: Sequence[Step]) -> Step:
    """An empty step after the last one, under a key that no other has."""
    taken = {step["key"] for step in steps}
    key = next(f"step-{n}" for n in range(1, len(steps) + 2) if f"step-{n}" not in taken)
    empty: Step = dict.fromkeys(TEXTS, "") | {name: [] for name in LIST_FIELDS}
    return empty | {"key": key, "after": [steps[-1]["key"]] if steps else []}


def _without(step: Step, gone: str) -> Step:
    reviews = "" if step["reviews"] == gone else step["reviews"]
    return step | {"after": [key for key in step["after"] if key != gone], "reviews": reviews}


def forms_of(
    steps: Sequence[Step], workspace: Workspace, *, is_posted: bool = False
) -> list[StepForm]:
    """A form for each step: to be checked if it was posted, else filled in."""
    shared: dict[str, Any] = {"steps": steps, "workspace": workspace}
    if not is_posted:
        return [StepForm(initial=s, prefix=f"s{n}", **shared) for n, s in enumerate(steps)]
    return [
        StepForm(_renumbered(s, f"s{n}"), prefix=f"s{n}", **shared) for n, s in enumerate(steps)
    ]


def _renumbered(step: Mapping[str, Any], prefix: str) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in step.items():
        if name == "after":
            data.setlist(f"{prefix}-after", value)
        else:
            data[f"{prefix}-{name}"] = "\n".join(value) if isinstance(value, list) else value
    return data


def as_plan(forms_: Sequence[StepForm], summary: str) -> dict[str, Any]:
    """The JSON form of the edited plan. The forms are valid."""
    steps = [
        form.cleaned_data | {"reviews": form.cleaned_data["reviews"] or None} for form in forms_
    ]
    return {"steps": steps, "summary": summary}
