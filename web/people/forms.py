from __future__ import annotations

from datetime import timedelta

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from staff.models import ApiToken


class SignIn(AuthenticationForm):
    error_messages = {
        "invalid_login": _("That name and password do not go together. Check both, or use a link."),
        "inactive": _("This account is closed."),
    }


class AboutMe(forms.Form):
    text = forms.CharField(
        label=_("What should your staff know about you?"),
        max_length=600,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("For example: I like short answers. Amounts in CHF. My week begins on Monday."),
    )


class NewToken(forms.Form):
    name = forms.CharField(
        label=_("What is it for?"), max_length=80, help_text=_("For example: nightly report")
    )
    scope = forms.ChoiceField(
        label=_("May"), choices=ApiToken.Scope.choices, initial=ApiToken.Scope.ACT
    )
    days = forms.IntegerField(
        label=_("Days until it expires"),
        min_value=1,
        max_value=3650,
        required=False,
        help_text=_("Empty: it never expires."),
    )
    daily_tokens = forms.IntegerField(
        label=_("Model tokens a day"),
        min_value=1,
        max_value=2_000_000_000,
        required=False,
        help_text=_("For programs that use the models at /v1. Empty: no limit."),
    )

    @property
    def expires_at(self):
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=days) if days else None
