"""Files on their way out: always as downloads, never as something that runs here."""

from __future__ import annotations

from pathlib import PurePath

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from orchestrator import dispatch
from staff.models import Artifact, Goal
from web import security

TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".pdf": "application/pdf",
    ".txt": "text/plain; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def download(goal: Goal, artifact: Artifact) -> HttpResponse:
    """The file's bytes. Raises FileProblem if it is not there or may not be read."""
    return sent(artifact.name, dispatch.folder_of(goal).read(artifact.name))


def sent(name: str, content: bytes) -> HttpResponse:
    """A file of that name, to be saved and not to be run."""
    kind = TYPES.get(PurePath(name).suffix.lower(), "application/octet-stream")
    return HttpResponse(
        content,
        content_type=kind,
        headers={
            "Content-Disposition": content_disposition_header(True, name),
            "X-Content-Type-Options": "nosniff",
            security.HEADER: security.SANDBOX,
        },
    )
