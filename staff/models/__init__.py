from staff.models.agents import Agent
from staff.models.goals import Artifact, Goal, Plan
from staff.models.people import ApiToken, Membership, SignInLink, User, Workspace
from staff.models.records import Event, ModelCall, Outbox
from staff.models.routines import Firing, Routine, Sighting
from staff.models.work import Approval, Attempt, Effect, Task

__all__ = [
    "Agent",
    "ApiToken",
    "Approval",
    "Artifact",
    "Attempt",
    "Effect",
    "Event",
    "Firing",
    "Goal",
    "Membership",
    "ModelCall",
    "Outbox",
    "Plan",
    "Routine",
    "Sighting",
    "SignInLink",
    "Task",
    "User",
    "Workspace",
]
