"""Who asks, whether they may, and which models the living nodes hold."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from staff import queries
from staff.actions import people
from staff.models import ApiToken
from web.nodes.lookups import all_nodes
from web.openai.errors import Refused

USABLE = ("loaded", "loading", "unloaded")


def holder(request: HttpRequest, *, acts: bool = True) -> ApiToken:
    """The valid token of the request. acts: it is used for more than a look.

    Raises Refused: unknown (401), not allowed (403), or its tokens of today are used up (429).
    """
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    token = people.find_token(secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        said = _(
            "This token is missing, unknown, revoked or expired. Make one in Settings, Tokens."
        )
        raise Refused(401, said, type="authentication_error", code="invalid_api_key")
    if not acts:
        return token
    seat = queries.memberships_of(token.user).filter(workspace=token.workspace_id).first()
    if seat is None or not seat.may_act or token.scope != ApiToken.Scope.ACT:
        said = _("This token may only read. Make one that may act.")
        raise Refused(403, said, type="permission_error")
    if token.daily_tokens is not None and queries.tokens_used_today(token) >= token.daily_tokens:
        said = _("This token has used its %(n)s tokens of today; the day ends at midnight UTC.")
        said %= {"n": f"{token.daily_tokens:,}"}
        raise Refused(429, said, type="insufficient_quota", code="insufficient_quota")
    return token


def models() -> dict[str, set[str]]:
    """States of each model that a living node could answer with, by name."""
    found: dict[str, set[str]] = {settings.EMBEDDER: {"loaded"}}
    for node in all_nodes():
        if not (node.is_late or node.is_draining):
            for each in node.model_states:
                if each["state"] in USABLE:
                    found.setdefault(each["name"], set()).add(each["state"])
    return found


def is_loaded(model: str) -> bool:
    """Whether some node has the model in memory. Raises Refused if none has it at all."""
    found: dict[str, Any] = models()
    if model not in found or model == settings.EMBEDDER:
        raise _unknown(model, sorted(set(found) - {settings.EMBEDDER}))
    return "loaded" in found[model]


def check_embedder(model: str) -> None:
    if model not in models():
        raise _unknown(model, [settings.EMBEDDER])


def _unknown(model: str, known: list[str]) -> Refused:
    names = ", ".join(known) or _("none; a worker may be starting")
    said = _("No node has the model %(model)s for this. There are: %(names)s.")
    said %= {"model": repr(model), "names": names}
    return Refused(404, said, code="model_not_found", param="model")
