from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from staff.actions.drafts import MAX_CHARS
from staff.models import Memory, Workspace


def scope_choices(workspace: Workspace) -> list[tuple[str, Any]]:
    """Whose memory something may become, as `scope_named` reads it."""
    staff = list(workspace.agents.order_by("name"))
    leads = {agent.lead_id for agent in staff}
    teams = [(f"team:{each.pk}", _("Team of %s") % each.name) for each in staff if each.pk in leads]
    alone = [(f"agent:{agent.pk}", agent.name) for agent in staff]
    everybody = [("workspace", _("Everybody here")), ("boss", _("Only me"))]
    groups = [(_("Teams"), teams), (_("One of the staff"), alone)]
    return everybody + [(name, choices) for name, choices in groups if choices]


def scope_select(workspace: Workspace, *, chosen: str = "", blank: str = "") -> SafeString:
    """The choice of a scope as it stands in a form; blank: the label of no choice, if there is
    one."""
    choices = [("", blank)] if blank else []
    select = forms.Select(choices=choices + scope_choices(workspace))
    return select.render("scope", chosen, {"id": "scope"})


def _long(label: str, rows: int, **options: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows})
    return forms.CharField(
        label=label, widget=widget, validators=[MaxLengthValidator(MAX_CHARS)], **options
    )


class RememberForm(forms.Form):
    """Something to remember by hand; with subject and attribute it is a fact."""

    text = _long(gettext_lazy("What should be remembered?"), 4, required=False)
    scope = forms.ChoiceField(label=gettext_lazy("Who may use it?"))
    subject = forms.CharField(
        label=gettext_lazy("Whom or what it is about"), max_length=200, required=False
    )
    attribute = forms.CharField(
        label=gettext_lazy("What about them"), max_length=200, required=False
    )
    value = forms.CharField(label=gettext_lazy("Is"), max_length=2000, required=False)

    def __init__(self, *args: Any, workspace: Workspace, **options: Any):
        super().__init__(*args, **options)
        self.fields["scope"].choices = scope_choices(workspace)

    @property
    def is_fact(self) -> bool:
        given = self.cleaned_data
        return any(given.get(name) for name in ("subject", "attribute", "value"))

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if self.is_fact:
            for name in ("subject", "attribute", "value"):
                if not given.get(name) and name not in self.errors:
                    self.add_error(name, _("A fact needs all three."))
        elif not given.get("text") and "text" not in self.errors:
            self.add_error("text", _("Say what should be remembered."))
        return given


class EditForm(forms.Form):
    """New words for a memory. seen: the version that was looked at while typing."""

    text = _long(
        gettext_lazy("What it says"),
        5,
        error_messages={"required": gettext_lazy("A memory needs words: to remove it, forget it.")},
    )
    value = _long(gettext_lazy("The value"), 1, required=False)
    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**63 - 1)

    def __init__(self, *args: Any, memory: Memory, **options: Any):
        first = {"text": memory.text, "value": memory.value, "seen": memory.version}
        super().__init__(*args, initial=first, **options)
        self.memory = memory
        if memory.kind != Memory.Kind.FACT:
            del self.fields["value"]
        else:
            self.fields["value"].required = True

    @property
    def changes(self) -> dict[str, str | None]:
        """What differs from the memory as it stands; of a fact, the words follow the value."""
        given, memory = self.cleaned_data, self.memory
        text = given["text"] if given["text"] != memory.text else None
        value = given.get("value")
        return {"text": text, "value": value if value != memory.value else None}
