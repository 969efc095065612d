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

from orchestrator import memory
from staff import queries
from staff.actions import memory as memories
from staff.actions import people
from staff.actions.memory import Draft, MemoryRefused, scope_of
from staff.models import Memory, Scope
from web.people.forms import AboutMe, NewToken, SignIn
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
def about_me(request: HttpRequest) -> HttpResponse:
    """What one's staff should know: it is private, and shown to whoever works for one."""
    form = AboutMe(request.POST or None)
    if request.method == "POST" and form.is_valid():
        scope = scope_of(request.workspace, Scope.Kind.BOSS, user=request.user)
        name = request.user.get_username()
        draft = Draft(
            form.cleaned_data["text"],
            kind=Memory.Kind.PROFILE,
            actor=name,
            trust=Memory.Trust.BOSS,
        )
        (kept,) = memory.remember(scope, [draft], by=name)
        if kept.outcome == "new":
            messages.success(request, _("Your staff will know."))
            return redirect("about-me")
        known = _("You had this forgotten: say it in other words.")
        form.add_error(
            "text", known if kept.outcome == "forgotten" else _("Your staff knows this already.")
        )
    told = queries.profile_of(request.user, request.workspace)
    facts = {"form": form, "told": told}
    return render(request, "people/about_me.html", facts, status=422 if form.errors else 200)


@seated
@require_POST
def change_about_me(request: HttpRequest, memory_id: int) -> HttpResponse:
    """Correct an entry, or have it forgotten where the button says so."""
    told = queries.profile_of(request.user, request.workspace).filter(pk=memory_id).first()
    if told is None:
        raise Http404
    name = request.user.get_username()
    try:
        if "forget" in request.POST:
            memories.forget([told], by=name)
            messages.success(request, _("Forgotten."))
        else:
            memory.edit(told, by=name, text=request.POST.get("text", ""))
            messages.success(request, _("Corrected."))
    except MemoryRefused as reason:
        messages.error(request, str(reason))
    return redirect("about-me")


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
