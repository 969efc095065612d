from staff.models.agents import Agent
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
from staff.models.people import ApiToken, Membership, SignInLink, User, Workspace
from staff.models.records import Event, ModelCall, Outbox
from staff.models.work import Approval, Attempt, Effect, Task

__all__ = [
    "Agent",
    "ApiToken",
    "Approval",
    "Artifact",
    "Attempt",
    "Effect",
    "Event",
    "Goal",
    "Membership",
    "Memory",
    "MemoryEvent",
    "MemorySource",
    "MemoryUse",
    "MemoryVector",
    "ModelCall",
    "Outbox",
    "Plan",
    "Posting",
    "Scope",
    "SignInLink",
    "Task",
    "Tombstone",
    "User",
    "Workspace",
]
