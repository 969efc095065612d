"""Where a memory can be looked at."""

from __future__ import annotations

from django.urls import reverse

from staff.models import Memory, Passage


def passage_url(passage: Passage) -> str:
    """The page of the document, at that passage: what a citation of it opens."""
    version = passage.version
    page = reverse("document", args=[version.document_id])
    return f"{page}?version={version.number}&at={passage.position}#p{passage.position}"


def memory_url(memory: Memory) -> str:
    return reverse("memory", args=[memory.pk])
