from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from staff.actions import people
from staff.models import ApiToken, User


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer fs_...`: acts for the token's user in the token's workspace."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _space, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        token = people.find_token(secret.strip().decode("latin-1"))
        if token is None:
            raise AuthenticationFailed(
                _("This token is unknown, revoked or expired. Make one in Settings, Tokens.")
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _scheme() -> Any:
    """Tells the schema how to sign in."""
    from drf_spectacular.extensions import OpenApiAuthenticationExtension

    class BearerScheme(OpenApiAuthenticationExtension):
        target_class = BearerToken
        name = "token"

        def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
            return {"type": "http", "scheme": "bearer"}

    return BearerScheme


_scheme()
