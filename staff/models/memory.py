"""What the staff remembers, whose it is, where it came from and where it was used.

A memory belongs to exactly one scope. Everything that holds its words (vector, postings, sources,
events) hangs on its row, so that forgetting it reaches them all. Row-level security lets the role
`forestaff_reader` see only rows of the scopes named in the setting `forestaff.scopes`; see
`staff.recall.sight`.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from pgvector.django import HalfVectorField

from staff.models.agents import Agent
from staff.models.goals import Goal
from staff.models.people import User, Workspace
from staff.models.work import Task


class Scope(models.Model):
    """Whose memory it is.

    agent: for a team, the one who leads it; for an agent, itself. user: for a boss, that person
    version: raised by each transaction that changes a memory of the scope, under a lock on this
    row; every row that it changed carries the new number, so caches read only what is newer.
    Numbers come from one sequence and never come again, not even after a rollback
    memories, words: how many are indexed, and their length together; for BM25
    consolidated_version: up to which its facts have been compared with each other
    """

    class Kind(models.TextChoices):
        WORKSPACE = "workspace", "Everybody here"
        TEAM = "team", "A team"
        AGENT = "agent", "One of the staff"
        BOSS = "boss", "Only one person"

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="scopes")
    kind = models.CharField(max_length=9, choices=Kind.choices)
    agent = models.ForeignKey(Agent, models.CASCADE, null=True, related_name="scopes")
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="scopes")
    version = models.PositiveBigIntegerField(default=0)
    memories = models.PositiveIntegerField(default=0)
    words = models.PositiveBigIntegerField(default=0)
    consolidated_version = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "kind", "agent", "user"],
                name="one_scope_each",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="scope_has_its_owner",
                condition=Q(kind="workspace", agent=None, user=None)
                | Q(kind__in=["team", "agent"], agent__isnull=False, user=None)
                | Q(kind="boss", agent=None, user__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        owner = self.agent or self.user
        return f"{self.kind} of {owner}" if owner else self.kind


class Memory(models.Model):
    """One thing remembered.

    thread: what it is a part of (a conversation, a document); said_at orders the parts
    subject, attribute, value: of a fact; slot: the first two, normalised (`facts.slot`)
    said_at, last_said_at: when it was said first, and last if it was said again
    valid_from, valid_to: while it is true; null means no end is known
    is_outdated: a fact drawn from it has been superseded
    version: the scope's version that changed it last
    length: words in the lexical index
    """

    class Kind(models.TextChoices):
        EPISODE = "episode", "What was said or happened"
        FACT = "fact", "Fact"
        PROCEDURE = "procedure", "How something is done"
        CHUNK = "chunk", "Passage of a document"
        PROFILE = "profile", "What the boss likes"

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        SUPERSEDED = "superseded", "Replaced by something newer"
        QUARANTINED = "quarantined", "Waits for the boss to settle it"
        FORGOTTEN = "forgotten", "Forgotten"

    class Trust(models.IntegerChoices):
        DERIVED = 0, "Drawn from other memories"
        AGENT = 1, "Said by the staff"
        DOCUMENT = 2, "From a document or another person"
        BOSS = 3, "Said by the boss"

    scope = models.ForeignKey(Scope, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    state = models.CharField(max_length=11, choices=State.choices, default=State.ACTIVE)
    text = models.TextField()
    actor = models.CharField(max_length=120, blank=True)
    thread = models.CharField(max_length=255, blank=True)
    goal = models.ForeignKey(Goal, models.SET_NULL, null=True, related_name="memories")
    task = models.ForeignKey(Task, models.SET_NULL, null=True, related_name="memories")

    subject = models.CharField(max_length=200, blank=True)
    attribute = models.CharField(max_length=200, blank=True)
    value = models.TextField(blank=True)
    slot = models.CharField(max_length=401, blank=True)

    said_at = models.DateTimeField(default=timezone.now)
    last_said_at = models.DateTimeField(default=timezone.now)
    valid_from = models.DateTimeField(default=timezone.now)
    valid_to = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(auto_now_add=True)
    superseded_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="supersedes")

    trust = models.SmallIntegerField(choices=Trust.choices, default=Trust.AGENT)
    is_tainted = models.BooleanField(default=False)  # holds words of someone we need not obey
    is_pinned = models.BooleanField(default=False)
    is_outdated = models.BooleanField(default=False)
    content_hash = models.CharField(max_length=64, blank=True)
    version = models.PositiveBigIntegerField(default=0)
    length = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "memories"
        ordering = ["-said_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "kind", "actor", "content_hash"],
                condition=~Q(kind="fact") & ~Q(state="forgotten"),
                name="said_once_in_scope",
            ),
            models.UniqueConstraint(
                fields=["scope", "slot"],
                condition=Q(kind="fact", state="active"),
                name="one_current_value",
            ),
        ]
        indexes = [
            models.Index(fields=["scope", "version"], name="memories_by_version"),
            models.Index(fields=["scope", "-said_at"], name="memories_by_time"),
            models.Index(fields=["scope", "thread", "said_at"], name="memories_by_thread"),
            models.Index(
                fields=["scope", "slot", "valid_from"],
                condition=Q(kind="fact"),
                name="facts_by_slot",
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]


class MemorySource(models.Model):
    """Where a memory came from: one row each time that it was said or drawn from something.

    origin:      the memory that it was drawn from, of the same scope
    name:        a file, an address, a conversation; start, end: characters in it (or in `origin`)
    quote_hash:  SHA-256 of the words that were used
    """

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="sources")
    origin = models.ForeignKey(Memory, models.CASCADE, null=True, related_name="derived")
    goal = models.ForeignKey(Goal, models.SET_NULL, null=True, related_name="+")
    task = models.ForeignKey(Task, models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=500, blank=True)
    start = models.PositiveIntegerField(null=True)
    end = models.PositiveIntegerField(null=True)
    quote_hash = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=120, blank=True)
    said_at = models.DateTimeField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name or f"source {self.pk}"


class MemoryVector(models.Model):
    """A memory as one embedder sees it, of unit length. Another embedder adds rows of its own."""

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="vectors")
    scope = models.ForeignKey(Scope, models.CASCADE, related_name="+", db_index=False)
    model = models.CharField(max_length=120)
    dim = models.PositiveSmallIntegerField()
    vector = HalfVectorField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["memory", "model"], name="one_vector_each_model")
        ]

    def __str__(self) -> str:
        return f"{self.model} of memory {self.memory_id}"


class Posting(models.Model):
    """The lexical index: how often a term stands in a memory. The covering index answers a query
    without touching the table."""

    pk = models.CompositePrimaryKey("memory", "term")
    memory = models.ForeignKey(Memory, models.CASCADE, related_name="postings", db_index=False)
    scope = models.ForeignKey(Scope, models.CASCADE, related_name="+", db_index=False)
    term = models.CharField(max_length=40)
    count = models.PositiveSmallIntegerField()
    length = models.PositiveIntegerField()

    class Meta:
        indexes = [
            models.Index(
                fields=["scope", "term"],
                include=["memory", "count", "length"],
                name="postings_of_term",
            )
        ]

    def __str__(self) -> str:
        return f"{self.term} in memory {self.memory_id}"


class MemoryEvent(models.Model):
    """Who did what to a memory. Forgetting empties `data`, which may hold earlier words."""

    scope = models.ForeignKey(Scope, models.CASCADE, related_name="+", db_index=False)
    memory = models.ForeignKey(Memory, models.CASCADE, related_name="events")
    kind = models.CharField(max_length=40)
    actor = models.CharField(max_length=150, blank=True)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["scope", "-id"], name="memory_events_of_scope")]

    def __str__(self) -> str:
        return f"{self.kind} of memory {self.memory_id}"


class MemoryUse(models.Model):
    """A memory that entered the prompt of a task, or was shown for a question.

    features:   what the ranking saw, by name; was_cited: null until the answer is known
    is_in_task: it stands in the prompt of the task itself; else it answered a question of its
                program
    """

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="uses")
    goal = models.ForeignKey(Goal, models.CASCADE, null=True, related_name="memory_uses")
    task = models.ForeignKey(Task, models.CASCADE, null=True, related_name="memory_uses")
    query = models.TextField(blank=True)
    rank = models.PositiveSmallIntegerField(default=0)
    score = models.FloatField(default=0)
    features = models.JSONField(default=dict)
    was_cited = models.BooleanField(null=True)
    is_in_task = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["memory", "task"], name="used_once_in_a_task")
        ]

    def __str__(self) -> str:
        return f"memory {self.memory_id} in task {self.task_id}"


class Tombstone(models.Model):
    """A hash of what was forgotten, so that it is not learned again. memory: the id it had."""

    scope = models.ForeignKey(Scope, models.CASCADE, related_name="+", db_index=False)
    content_hash = models.CharField(max_length=64)
    memory = models.ForeignKey(Memory, models.CASCADE, related_name="tombstones")
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "content_hash"], name="forgotten_once")
        ]

    def __str__(self) -> str:
        return f"tombstone of memory {self.memory_id}"
