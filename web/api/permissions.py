from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from staff import queries
from staff.models import ApiToken, Membership
from web.workspaces import seat_of


class InWorkspace(BasePermission):
    """A seat in the workspace; to act, one that may act and a token that allows it.

    Sets request.seat, and request.workspace, which every view asks the queries for.
    """

    message = ""

    def has_permission(self, request: Request, view: Any) -> bool:
        seat = _seat(request)
        if seat is None:
            if request.user.is_authenticated:
                self.message = _("You have no workspace yet: ask its owner to let you in.")
            return False
        request.seat, request.workspace = seat, seat.workspace
        if request.method in SAFE_METHODS:
            return True
        if not seat.may_act:
            self.message = _("You may look but not act here: you are a viewer.")
            return False
        if isinstance(request.auth, ApiToken) and request.auth.scope != ApiToken.Scope.ACT:
            self.message = _("This token may only read. Make one that may act.")
            return False
        return True


class MayManage(InWorkspace):
    """As above, and one who looks after the machines."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not super().has_permission(request, view):
            return False
        if not request.seat.may_manage:
            self.message = _("Only owners and admins may look after the machines.")
            return False
        return True


def _seat(request: Request) -> Membership | None:
    if isinstance(request.auth, ApiToken):
        seats = queries.memberships_of(request.user)
        return seats.filter(workspace=request.auth.workspace_id).first()
    return seat_of(request)
