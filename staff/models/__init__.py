from staff.models.agents import Agent
from staff.models.budgets import Budget
from staff.models.documents import Document, DocumentVersion, Passage
from staff.models.goals import Artifact, Goal, Plan
from staff.models.memory import (
    Memory,
    MemoryEvent,
    MemorySource,
    MemoryUse,
    MemoryVector,
    Posting,
    Scope,
    Tombstone,
)
from staff.models.nodes import Node
from staff.models.people import ApiToken, Membership, ModelUsage, SignInLink, User, Workspace
from staff.models.records import Event, EventArchive, ModelCall, Outbox
from staff.models.routines import Firing, Routine, Sighting
from staff.models.search import GoalSearch
from staff.models.work import Approval, Attempt, Effect, Question, Task

__all__ = [
    "Agent",
    "ApiToken",
    "Approval",
    "Artifact",
    "Attempt",
    "Budget",
    "Document",
    "DocumentVersion",
    "Effect",
    "Event",
    "EventArchive",
    "Firing",
    "Goal",
    "GoalSearch",
    "Membership",
    "Memory",
    "MemoryEvent",
    "MemorySource",
    "MemoryUse",
    "MemoryVector",
    "ModelCall",
    "ModelUsage",
    "Node",
    "Outbox",
    "Passage",
    "Plan",
    "Posting",
    "Question",
    "Routine",
    "Scope",
    "Sighting",
    "SignInLink",
    "Task",
    "Tombstone",
    "User",
    "Workspace",
]
