"""Signing in and out, one's account, and the tokens that let programs in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from staff import queries
from staff.actions import people
from web.people.forms import NewToken, SignIn
from web.workspaces import seated

sign_in = LoginView.as_view(
    template_name="people/sign_in.html",
    authentication_form=SignIn,
    redirect_authenticated_user=True,
)
sign_out = LogoutView.as_view(next_page="sign-in")


@never_cache
def enter(request: HttpRequest, secret: str) -> HttpResponse:
    """Sign in by a link that works once."""
    user = people.use_sign_in_link(secret)
    if user is None:
        if request.user.is_authenticated:
            return redirect("home")
        return render(request, "people/link_is_used.html", status=410)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("home")


@login_required
def account(request: HttpRequest) -> HttpResponse:
    form = SetPasswordForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, request.user)
        messages.success(request, _("Your password is set."))
        return redirect("account")
    status = 422 if form.errors else 200
    return render(request, "people/account.html", {"form": form}, status=status)


@seated
@never_cache
def tokens(request: HttpRequest) -> HttpResponse:
    """One's tokens; a new one is shown in clear text this once."""
    form, secret = NewToken(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        secret = people.make_token(
            request.user,
            request.workspace,
            form.cleaned_data["name"],
            scope=form.cleaned_data["scope"],
            expires_at=form.expires_at,
            daily_tokens=form.cleaned_data["daily_tokens"],
        )
        form = NewToken()
    mine = queries.tokens_of(request.user, request.workspace)
    facts = {"form": form, "secret": secret, "tokens": mine}
    return render(request, "people/tokens.html", facts, status=422 if form.errors else 200)


@seated
@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    token = queries.tokens_of(request.user, request.workspace).filter(pk=token_id).first()
    if token is None:
        raise Http404
    people.revoke_token(token)
    messages.success(request, _("%(name)s is revoked.") % {"name": token.name})
    return redirect("tokens")
