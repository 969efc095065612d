"""What goes wrong, in OpenAI's shape: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse

# by the name of the exception on the node's side: status, type, code
KINDS: dict[str, tuple[int, str, str | None]] = {
    "PromptTooLong": (400, "invalid_request_error", "context_length_exceeded"),
    "GrammarInvalid": (400, "invalid_request_error", "invalid_schema"),
    "RequestInvalid": (400, "invalid_request_error", None),
    "ModelUnknown": (404, "invalid_request_error", "model_not_found"),
    "Overloaded": (429, "rate_limit_error", "overloaded"),
    "ModelUnavailable": (503, "server_error", "model_unavailable"),
}
BROKEN = (500, "server_error", None)


class Refused(Exception):
    """A request that gets an error instead of an answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ):
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {"message": message, "type": type, "param": param, "code": code},
        }


def told_by_node(news: dict[str, Any]) -> Refused:
    """The refusal that a node's news of an error amount to."""
    status, kind, code = KINDS.get(news["error"], BROKEN)
    return Refused(status, news["message"], type=kind, code=code)


def answer(refused: Refused) -> JsonResponse:
    response = JsonResponse(refused.body, status=refused.status)
    if refused.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if refused.status == 429:
        response["Retry-After"] = "5"
    return response
