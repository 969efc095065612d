from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

MAX_SLOTS = 1000


class SlotsForm(forms.Form):
    """How many tasks a node may run at once; empty means as many as it has threads."""

    slots = forms.IntegerField(
        label=_("Tasks at once"), required=False, min_value=1, max_value=MAX_SLOTS
    )


class ModelForm(forms.Form):
    """What is to be done about a model."""

    VERBS = ("load", "unload", "pin", "unpin", "retry")

    model = forms.CharField(max_length=200)
    verb = forms.ChoiceField(choices=[(verb, verb) for verb in VERBS])
