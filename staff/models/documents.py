"""Documents that were given to be remembered: their versions, and the passages of each.

What they say is in memories of kind `chunk`; a passage says where in the document one stands.
"""

from __future__ import annotations

from functools import cached_property

from django.db import models
from django.utils import timezone

from staff.models.memory import Memory, Scope
from staff.models.people import User


class Document(models.Model):
    """A document by its name in a scope. The same name again is a new version of it."""

    scope = models.ForeignKey(Scope, models.CASCADE, related_name="documents", db_index=False)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["scope", "name"], name="one_document_of_a_name")
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def newest(self) -> DocumentVersion:
        """The version that was given last, read or not."""
        return max(self.versions.all(), key=lambda version: version.number)

    @cached_property
    def current(self) -> DocumentVersion | None:
        """The version whose passages are remembered: the last one that could be read."""
        read = [each for each in self.versions.all() if each.state == DocumentVersion.State.READY]
        return max(read, key=lambda version: version.number, default=None)


class DocumentVersion(models.Model):
    """A file as it was given once.

    folder:   of the file itself, below DOCUMENTS_DIR; "" once it is gone: a passage of it was
              forgotten, or it could not be kept
    kind:     "pdf", "docx", ...: by content, known when it has been read
    pages:    pages, slides or sheets; 0 where the format has none
    passages_done, passages_total: how far the reading is; the total is known when it has begun
    problem:  why it cannot be read, and what to do; notes: what was left out, and why
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waits to be read"
        READING = "reading", "Being read"
        READY = "ready", "Remembered"
        FAILED = "failed", "Cannot be read"

    document = models.ForeignKey(Document, models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    folder = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, blank=True)
    pages = models.PositiveIntegerField(default=0)
    passages_total = models.PositiveIntegerField(default=0)
    passages_done = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True)
    notes = models.JSONField(default=list)
    given_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    given_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["document", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="one_version_each"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of document {self.document_id}"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be read, or being read."""
        return self.state in (self.State.WAITING, self.State.READING)


class Passage(models.Model):
    """Where in a version a memory stands. position: from 1, in the order of the document.

    memory: null if the passage was forgotten; then its headings are gone as well
    page:   page, slide or sheet, from 1; first_row, last_row: of a table; 0 where there is none
    """

    version = models.ForeignKey(
        DocumentVersion, models.CASCADE, related_name="passages", db_index=False
    )
    position = models.PositiveIntegerField()
    memory = models.ForeignKey(Memory, models.SET_NULL, null=True, related_name="passages")
    heading = models.JSONField(default=list)
    page = models.PositiveIntegerField(default=0)
    first_row = models.PositiveIntegerField(default=0)
    last_row = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["version", "position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="one_passage_each"),
        ]

    def __str__(self) -> str:
        return f"passage {self.position} of {self.version_id}"
