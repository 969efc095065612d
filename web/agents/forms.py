from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from staff.models import Agent, Workspace
from web.agents.catalogue import model_names, tools

DEFAULT_MODEL = _("the installation's default")


class AgentForm(forms.Form):
    """A member of the staff. No tool ticked means all."""

    name = forms.CharField(label=_("Name"), max_length=80)
    role = forms.SlugField(
        label=_("Role"),
        max_length=40,
        help_text=_("One word that plans assign work by, such as analyst."),
    )
    instructions = forms.CharField(
        label=_("Instructions"),
        required=False,
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_("What it is told about itself before every task."),
    )
    model = forms.CharField(
        label=_("Model"),
        required=False,
        max_length=200,
        help_text=_("Empty: the installation's default. Or a name from the catalogue, or a path."),
        widget=forms.TextInput(attrs={"list": "models", "autocomplete": "off"}),
    )
    lead = forms.ModelChoiceField(
        label=_("Reports to"),
        queryset=Agent.objects.none(),
        required=False,
        empty_label=_("nobody (you)"),
    )
    concurrency = forms.IntegerField(
        label=_("Tasks at once"),
        required=False,
        min_value=1,
        max_value=1000,
        help_text=_("Empty: as many as the workers can take."),
    )
    is_active = forms.BooleanField(
        label=_("Active"), required=False, help_text=_("Only active members get work.")
    )
    tools = forms.MultipleChoiceField(
        label=_("Tools"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: it may use all of them."),
    )

    def __init__(self, *args: Any, workspace: Workspace, agent: Agent, **kwargs: Any):
        super().__init__(*args, **kwargs)
        others = Agent.objects.filter(workspace=workspace).exclude(pk=agent.pk)
        self.fields["lead"].queryset = others
        self.fields["tools"].choices = [(name, name) for name in tools()]
        self.models = model_names()
