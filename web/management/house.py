"""What the house's commands share: a plain refusal instead of a traceback, and who is acting."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from staff.models import User, Workspace

NOT_RUNNING = (
    "The database does not answer. Start the house with `make up`, "
    "or set DATABASE_URL to the one that you run."
)


class HouseCommand(BaseCommand):
    """A command that needs the database. One clear line when it is away."""

    requires_system_checks: Any = []

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except OperationalError as reason:
            raise CommandError(f"{NOT_RUNNING} ({str(reason).splitlines()[0]})") from reason


def find_user(username: str = "") -> User:
    """The named user, or the first boss. Raises CommandError with what to do."""
    users = User.objects.filter(username=username) if username else User.objects.order_by("id")
    user = users.filter(is_active=True).first()
    if user is None:
        raise CommandError(
            f"There is no user {username!r}." if username else "Nobody is here: run open_office."
        )
    return user


def find_workspace(user: User, workspace_id: int | None = None) -> Workspace:
    """The user's workspace of that number, or their first one."""
    mine = user.workspaces.order_by("id")
    workspace = (mine.filter(pk=workspace_id) if workspace_id else mine).first()
    if workspace is None:
        raise CommandError(f"{user} has no such workspace.")
    return workspace
