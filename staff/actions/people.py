"""Workspaces, sign-in links and API tokens."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from staff.actions import agents
from staff.models import ApiToken, Membership, SignInLink, User, Workspace

LINK_LIFE = timedelta(minutes=30)
TOKEN_PREFIX = "fs_"
USE_NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def open_office(username: str = "boss") -> User:
    """Make the first boss with a workspace and a template staff, unless there is one already."""
    boss = User.objects.filter(is_superuser=True).order_by("id").first()
    if boss is None:
        boss = User.objects.create_superuser(username=username)
        boss.set_unusable_password()
        boss.save(update_fields=["password"])
    if not boss.workspaces.exists():
        open_workspace(boss, "My office")
    return boss


@transaction.atomic
def open_workspace(owner: User, name: str) -> Workspace:
    workspace = Workspace.objects.create(name=name)
    Membership.objects.create(workspace=workspace, user=owner, role=Membership.Role.OWNER)
    agents.hire_template_staff(workspace)
    return workspace


def make_sign_in_link(user: User) -> str:
    """The secret part of a link that signs the user in once."""
    secret = secrets.token_urlsafe(32)
    SignInLink.objects.create(
        user=user, digest=_digest(secret), expires_at=timezone.now() + LINK_LIFE
    )
    return secret


def use_sign_in_link(secret: str) -> User | None:
    """The link's user, once and in time; else None."""
    now = timezone.now()
    fresh = SignInLink.objects.filter(
        digest=_digest(secret), used_at=None, expires_at__gt=now, user__is_active=True
    )
    if not fresh.update(used_at=now):
        return None
    return User.objects.get(sign_in_links__digest=_digest(secret))


def make_token(
    user: User,
    workspace: Workspace,
    name: str,
    *,
    scope: str = ApiToken.Scope.ACT,
    expires_at: datetime | None = None,
    daily_tokens: int | None = None,
) -> str:
    """A new API token in clear text; it cannot be shown again."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user,
        workspace=workspace,
        name=name,
        digest=_digest(secret),
        scope=scope,
        expires_at=expires_at,
        daily_tokens=daily_tokens,
    )
    return secret


def find_token(secret: str) -> ApiToken | None:
    """The valid token for this secret, its use noted (to the minute: a program that asks often
    must not wait for a write each time); else None."""
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("user", "workspace")
        .filter(digest=_digest(secret), revoked_at=None, user__is_active=True)
        .first()
    )
    if token is None or (token.expires_at and token.expires_at <= now):
        return None
    if not Membership.objects.filter(user=token.user, workspace=token.workspace).exists():
        return None
    if token.last_used_at is None or token.last_used_at < now - USE_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def revoke_token(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
