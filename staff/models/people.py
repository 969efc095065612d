"""Who may see and do what: people, workspaces, and the secrets that let them in.

Secrets are kept as SHA-256 digests; the clear text is shown once, when it is made.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A human. Django's `is_staff` only means "may open the admin site" here."""


class Workspace(models.Model):
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="workspaces")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        ADMIN = "admin", "Admin"
        MEMBER = "member", "Member"
        VIEWER = "viewer", "Viewer"

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="one_seat")]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}"

    @property
    def may_act(self) -> bool:
        return self.role != self.Role.VIEWER

    @property
    def may_manage(self) -> bool:
        """Whether the machines are theirs to look after."""
        return self.role in (self.Role.OWNER, self.Role.ADMIN)


class SignInLink(models.Model):
    """A link that signs its user in once, before it expires."""

    user = models.ForeignKey(User, models.CASCADE, related_name="sign_in_links")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"sign-in link for {self.user}"


class ApiToken(models.Model):
    """What a program shows to act for a user in one workspace.

    daily_tokens: most tokens of language models that it may use in a day; null: no limit
    """

    class Scope(models.TextChoices):
        READ = "read", "Read"
        ACT = "act", "Read and act"

    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=4, choices=Scope.choices, default=Scope.ACT)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    daily_tokens = models.PositiveIntegerField(null=True)

    def __str__(self) -> str:
        return self.name


class ModelUsage(models.Model):
    """What a token's holder used of one language model in a day (UTC).

    tokens that came from the cache are within prompt_tokens; they count for nothing in a quota
    """

    token = models.ForeignKey(ApiToken, models.CASCADE, related_name="usage", db_index=False)
    model = models.CharField(max_length=200)
    day = models.DateField()
    requests = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    cached_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "day", "model"], name="daily_use")]

    def __str__(self) -> str:
        return f"{self.token} on {self.day}: {self.model}"
