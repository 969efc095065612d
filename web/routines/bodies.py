"""What a program may send to a webhook: JSON, text or a form, and how it becomes files."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from orchestrator.intake import GivenFile

MAX_BODY_BYTES = 2**20
MAX_ID_CHARS = 200
ID_HEADERS = ("Idempotency-Key", "X-Delivery", "X-Delivery-Id", "X-GitHub-Delivery", "webhook-id")
ENDINGS = {"text/csv": "csv", "text/markdown": "md", "text/html": "html", "text/xml": "xml"}


class BodyRefused(Exception):
    """The delivery cannot be taken; the message says why."""

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Delivery:
    """files: as they are attached; text: the body as {body} holds it; name: the caller's, or ""."""

    files: Sequence[GivenFile]
    text: str
    digest: str
    name: str


def read(request: HttpRequest) -> Delivery:
    """Raises BodyRefused."""
    body = _bytes(request)
    files, text = _parsed(request, body) if body else ([], "")
    return Delivery(files, text, sha256(body).hexdigest(), _name(request))


def _bytes(request: HttpRequest) -> bytes:
    """The body, at most MAX_BODY_BYTES of it, whatever its headers say of its length."""
    stated = request.META.get("CONTENT_LENGTH") or "0"
    body = b""
    if not stated.isdecimal() or int(stated) <= MAX_BODY_BYTES:
        try:
            body = request.read(MAX_BODY_BYTES + 1)
        except OSError as gone:
            raise BodyRefused(400, "bad_request", "The body ended too early.") from gone
        if len(body) <= MAX_BODY_BYTES:
            return body
    raise BodyRefused(413, "too_large", f"A delivery has at most {MAX_BODY_BYTES // 1024} kB.")


def _name(request: HttpRequest) -> str:
    name = next((request.headers[each] for each in ID_HEADERS if request.headers.get(each)), "")
    if len(name) > MAX_ID_CHARS:
        raise BodyRefused(
            400, "bad_request", f"A delivery's id has at most {MAX_ID_CHARS} characters."
        )
    return name.replace("\0", "").strip()


def _parsed(request: HttpRequest, body: bytes) -> tuple[list[GivenFile], str]:
    kind = (request.content_type or "").lower()
    if kind == "multipart/form-data":
        fields, uploads = _multipart(request, body)
        return _form(fields, uploads)
    if kind == "application/x-www-form-urlencoded" and b"=" in body and not _is_json(body):
        return _form(_fields(request, body), [])
    if kind == "application/json" or kind.endswith("+json"):
        if not _is_json(body):
            raise BodyRefused(400, "invalid", "The body is no JSON, though its type says so.")
        return _one("json", body)
    if kind.startswith("text/") or kind == "application/xml" or kind.endswith("+xml"):
        return _one(ENDINGS.get(kind, "xml" if "xml" in kind else "txt"), body)
    if kind in ("", "application/x-www-form-urlencoded", "text/plain"):  # as `curl -d` sends it
        return _one("json" if _is_json(body) else "txt", body)
    raise BodyRefused(
        415, "unsupported_type", f"“{kind[:60]}” is not taken: send JSON, text or a form."
    )


def _one(ending: str, body: bytes) -> tuple[list[GivenFile], str]:
    file = GivenFile(f"delivery.{ending}", io.BytesIO(body), len(body))
    return [file], body.decode("utf-8", "replace")


def _form(fields: QueryDict, uploads: list[GivenFile]) -> tuple[list[GivenFile], str]:
    values = {name: found if len(found) > 1 else found[0] for name, found in fields.lists()}
    if not values:
        return uploads, ""
    text = json.dumps(values, ensure_ascii=False, indent=1)
    files, _ = _one("json", text.encode("utf-8", "replace"))
    return files + uploads, text


def _fields(request: HttpRequest, body: bytes) -> QueryDict:
    try:
        return QueryDict(body, encoding=request.encoding or "utf-8")
    except (SuspiciousOperation, ValueError, LookupError) as bad:
        raise BodyRefused(400, "invalid", f"The form cannot be read: {bad}") from bad


def _multipart(request: HttpRequest, body: bytes) -> tuple[QueryDict, list[GivenFile]]:
    headers = {**request.META, "CONTENT_LENGTH": str(len(body))}
    stream = io.BytesIO(body)
    try:
        parser = MultiPartParser(headers, stream, request.upload_handlers, request.encoding)
        fields, files = parser.parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError, LookupError) as bad:
        raise BodyRefused(400, "invalid", f"The form cannot be read: {bad}") from bad
    uploads: list[Any] = [upload for _, found in files.lists() for upload in found]
    return fields, [GivenFile(each.name, each.file, each.size) for each in uploads]


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
