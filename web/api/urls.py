from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from web.api import agents, docs, goals, memories

urlpatterns = [
    path("goals", goals.Goals.as_view(), name="api-goals"),
    path("goals/<int:goal_id>", goals.OneGoal.as_view(), name="api-goal"),
    path("goals/<int:goal_id>/events", goals.Events.as_view(), name="api-events"),
    path("goals/<int:goal_id>/artifacts", goals.Artifacts.as_view(), name="api-artifacts"),
    path(
        "goals/<int:goal_id>/artifacts/<int:artifact_id>/content",
        goals.ArtifactContent.as_view(),
        name="api-artifact",
    ),
    path("goals/<int:goal_id>/approve", goals.Approve.as_view(), name="api-approve"),
    path("goals/<int:goal_id>/reject", goals.Reject.as_view(), name="api-reject"),
    path("goals/<int:goal_id>/pause", goals.Pause.as_view(), name="api-pause"),
    path("goals/<int:goal_id>/resume", goals.Resume.as_view(), name="api-resume"),
    path("goals/<int:goal_id>/cancel", goals.Cancel.as_view(), name="api-cancel"),
    path("goals/<int:goal_id>/retry", goals.Retry.as_view(), name="api-retry"),
    path("goals/<int:goal_id>/rate", goals.Rate.as_view(), name="api-rate"),
    path("goals/<int:goal_id>/budget", goals.Budget.as_view(), name="api-budget"),
    path("agents", agents.Agents.as_view(), name="api-agents"),
    path("agents/<int:agent_id>", agents.OneAgent.as_view(), name="api-agent"),
    path("memories", memories.Memories.as_view(), name="api-memories"),
    path("memories/recall", memories.Recall.as_view(), name="api-recall"),
    path("memories/<int:memory_id>", memories.OneMemory.as_view(), name="api-memory"),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", docs.reference, name="api-docs"),
]
