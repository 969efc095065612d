"""The file of a document on its way out."""

from __future__ import annotations

from django.http import HttpResponse

from orchestrator.memory import library
from staff.models import DocumentVersion
from web.goals.downloads import sent


def sent_version(version: DocumentVersion) -> HttpResponse:
    """The bytes as they were given. Raises FileProblem if they are no longer there."""
    return sent(version.document.name, library.original(version))
