from __future__ import annotations

from django.db import models


class Node(models.Model):
    """A worker process that registered itself: what it may take on, and when it was last seen.

    name:  the worker's name, the same after a restart ("staff@host")
    slots: most tasks at once; null means as many as it has threads
    pins:  names of the language models that it is to keep in memory
    model_states: the language models there, as it last said: name, state ("loaded", "loading",
           "unloaded", "failed" or "quarantined"), is_pinned, memory_bytes, reason, stats
    """

    name = models.CharField(max_length=120, unique=True)
    threads = models.PositiveSmallIntegerField(default=1)
    slots = models.PositiveSmallIntegerField(null=True, blank=True)
    is_draining = models.BooleanField(default=False)
    pins = models.JSONField(default=list, blank=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    model_states = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
