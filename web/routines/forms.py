from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

from staff.domain import schedules
from staff.domain.schedules import Missed
from staff.models import Goal, Routine
from web.goals.forms import MAX_NUMBER, MAX_TEXT

Trigger = Routine.Trigger

EXAMPLES = (
    ("0 8 * * 1-5", _("8:00 from Monday to Friday")),
    ("0 18 * * 5", _("Fridays at 18:00")),
    ("0 7 1 * *", _("7:00 on the first of each month")),
    ("0 9 L * *", _("9:00 on the last of each month")),
    ("30 6 * * *", _("every day at 6:30")),
    ("0 * * * *", _("every hour")),
)
BLANKS = {
    Trigger.SCHEDULE: _("{date} and {time} are filled in each time."),
    Trigger.FOLDER: _("{files}, {date} and {time} are filled in each time. Files are attached."),
    Trigger.WEBHOOK: _(
        "{files}, {date} and {time} are filled in each time. What was sent is attached; {body} "
        "puts its words into the goal itself."
    ),
}
ONLY = {"cron": Trigger.SCHEDULE, "missed": Trigger.SCHEDULE, "folder": Trigger.FOLDER}


class RoutineForm(forms.Form):
    """A routine of one trigger; fields of the others are left out."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        error_messages={"required": _("Give the routine a name.")},
    )
    text = forms.CharField(
        label=_("What do you want done each time?"),
        widget=forms.Textarea(attrs={"rows": 4}),
        validators=[MaxLengthValidator(MAX_TEXT)],
        error_messages={"required": _("Say what you want done each time.")},
    )
    cron = forms.CharField(
        label=_("When?"),
        max_length=schedules.MAX_CRON_CHARS,
        help_text=_(
            "Choose an example, or write minute, hour, day of the month, month and day of the "
            "week; * for every one."
        ),
        widget=forms.TextInput(attrs={"list": "examples", "autocomplete": "off"}),
        error_messages={"required": _("Say when, such as 0 8 * * 1-5.")},
    )
    folder = forms.CharField(
        label=_("Which folder?"),
        max_length=1000,
        error_messages={"required": _("Say which folder to watch.")},
    )
    time_zone = forms.CharField(
        label=_("Time zone"),
        max_length=60,
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    missed = forms.ChoiceField(
        label=_("Runs that were missed while the house was away"),
        choices=[
            (Missed.ONCE, _("Make up for them with one goal")),
            (Missed.SKIP, _("Leave them out; up to five minutes late still counts")),
            (Missed.ALL, _("Make up for each, the newest 24 at most")),
        ],
        widget=forms.RadioSelect,
    )
    autonomy = forms.ChoiceField(
        label=_("How free is the staff?"),
        choices=[
            (Goal.Autonomy.ASK, _("Show me the plan first, and ask before anything unplanned")),
            (Goal.Autonomy.ACT, _("Go ahead with the best plan")),
        ],
        widget=forms.RadioSelect,
    )
    priority = forms.TypedChoiceField(
        label=_("Priority"), choices=Goal.Priority.choices, coerce=int
    )
    token_budget = forms.IntegerField(
        label=_("Token budget for each goal"), required=False, min_value=1, max_value=MAX_NUMBER
    )
    second_budget = forms.IntegerField(
        label=_("Seconds of work for each goal"), required=False, min_value=1, max_value=MAX_NUMBER
    )

    def __init__(self, data: Any = None, *, routine: Routine):
        super().__init__(data, initial={name: getattr(routine, name) for name in self.base_fields})
        for name, trigger in ONLY.items():
            if trigger != routine.trigger:
                del self.fields[name]
        self.fields["text"].help_text = BLANKS[Trigger(routine.trigger)]
        if routine.pk is None:
            self.initial["time_zone"] = settings.TIME_ZONE
            self.fields["time_zone"].widget.attrs["data-own-zone"] = True

    zones = staticmethod(lambda: sorted(schedules.zones()))
    examples = EXAMPLES

    def typed(self) -> dict[str, str]:
        """What is in the fields now, right or wrong, for the preview."""
        names = ("cron", "time_zone", "folder", "text")
        return {n: str(self[n].value() or "") if n in self.fields else "" for n in names}
