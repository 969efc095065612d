from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orchestrator.dispatch import GivenFile
from staff.domain.budgets import DEPTH_CAP
from staff.models import Goal
from web.suggestions import Suggestion, suggestion, suggestions

MAX_TEXT = 20_000
MAX_NUMBER = 2**31 - 1
MAX_DEPTH = 10
MINUTES, SECONDS = "minutes", "seconds"


class ManyFilesInput(forms.FileInput):
    allow_multiple_selected = True


class ManyFiles(forms.FileField):
    """Any number of files, empty ones too: those are named on the goal, not refused."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = data if isinstance(data, (list, tuple)) else [data]
        return [super(ManyFiles, self).clean(each, initial) for each in given if each]


class GoalForm(forms.Form):
    """A goal as the boss gives it."""

    text = forms.CharField(
        label=_("What do you want done?"),
        widget=forms.Textarea(attrs={"rows": 4, "autofocus": True}),
        validators=[MaxLengthValidator(MAX_TEXT)],
        error_messages={"required": _("Say what you want done.")},
    )
    files = ManyFiles(
        label=_("Files"),
        required=False,
        allow_empty_file=True,
        widget=ManyFilesInput(attrs={"multiple": True}),
    )
    samples = forms.ChoiceField(label=_("Sample files"), required=False)
    priority = forms.TypedChoiceField(
        label=_("Priority"),
        choices=Goal.Priority.choices,
        coerce=int,
        initial=Goal.Priority.NORMAL,
    )
    deadline_at = forms.DateTimeField(
        label=_("Deadline"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": _("Write it like 2027-01-31 17:00.")},
    )
    token_budget = forms.IntegerField(
        label=_("Token budget"), required=False, min_value=1, max_value=MAX_NUMBER
    )
    time_budget = forms.IntegerField(
        label=_("Time budget"), required=False, min_value=1, max_value=MAX_NUMBER // 60
    )
    time_unit = forms.ChoiceField(
        label=_("Unit"),
        choices=[(MINUTES, _("minutes")), (SECONDS, _("seconds"))],
        initial=MINUTES,
        required=False,
    )
    step_budget = forms.IntegerField(
        label=_("Step budget"),
        required=False,
        min_value=1,
        max_value=MAX_NUMBER,
        help_text=_("Model calls, and tasks that are handed on."),
    )
    depth_budget = forms.IntegerField(
        label=_("Handed on at most"),
        required=False,
        min_value=0,
        max_value=MAX_DEPTH,
        help_text=_("How often work may go on to a colleague. Empty: %(n)s times; 0: never.")
        % {"n": DEPTH_CAP},
    )
    autonomy = forms.ChoiceField(
        label=_("How free is the staff?"),
        choices=[
            (Goal.Autonomy.ASK, _("Show me the plan first, and ask before anything unplanned")),
            (Goal.Autonomy.ACT, _("Go ahead with the best plan")),
        ],
        initial=Goal.Autonomy.ASK,
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        sets = [(each.folder, each.title) for each in suggestions()]
        self.fields["samples"].choices = [("", _("none")), *sets]

    def clean_deadline_at(self):
        deadline = self.cleaned_data["deadline_at"]
        if deadline and deadline <= timezone.now():
            raise forms.ValidationError(_("This moment has passed already; choose a later one."))
        return deadline

    @property
    def chosen_samples(self) -> Suggestion | None:
        return suggestion(self["samples"].value() or "")

    def given_files(self) -> list[GivenFile]:
        """What was attached, and the chosen sample set."""
        attached = [GivenFile(f.name, f.file, f.size) for f in self.cleaned_data["files"]]
        samples = suggestion(self.cleaned_data["samples"])
        return attached + (samples.files() if samples else [])

    def options(self) -> dict[str, Any]:
        """The rest, as `dispatch.submit_goal` takes it."""
        cleaned = self.cleaned_data
        length = 1 if cleaned["time_unit"] == SECONDS else 60
        return {
            "priority": cleaned["priority"],
            "deadline_at": cleaned["deadline_at"],
            "token_budget": cleaned["token_budget"],
            "second_budget": cleaned["time_budget"] and cleaned["time_budget"] * length,
            "step_budget": cleaned["step_budget"],
            "depth_budget": cleaned["depth_budget"],
            "autonomy": cleaned["autonomy"],
        }


class BudgetForm(forms.Form):
    """New caps of a goal; empty means none."""

    token_budget = forms.IntegerField(
        label=_("Tokens"), required=False, min_value=1, max_value=MAX_NUMBER
    )
    second_budget = forms.IntegerField(
        label=_("Seconds of work"), required=False, min_value=1, max_value=MAX_NUMBER
    )
    step_budget = forms.IntegerField(
        label=_("Steps"), required=False, min_value=1, max_value=MAX_NUMBER
    )


class RatingForm(forms.Form):
    rating = forms.TypedChoiceField(
        label=_("How good is it?"),
        choices=[(str(n), str(n)) for n in range(1, 6)],
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose 1 to 5.")},
    )
    note = forms.CharField(label=_("Why?"), required=False, max_length=2000)
