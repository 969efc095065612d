from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

MAX_SLOTS = 1000


class SlotsForm(forms.Form):
    """How many tasks a node may run at once; empty means as many as it has threads."""

    slots = forms.IntegerField(
        label=_("Tasks at once"), required=False, min_value=1, max_value=MAX_SLOTS
    )
