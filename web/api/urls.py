from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView

from web.api import agents, docs, documents, goals, memories, nodes, routines, tasks

TASK = "goals/<int:goal_id>/tasks/<int:task_id>"

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
    path("goals/<int:goal_id>/answer", goals.Answer.as_view(), name="api-answer"),
    path("goals/<int:goal_id>/pause", goals.Pause.as_view(), name="api-pause"),
    path("goals/<int:goal_id>/resume", goals.Resume.as_view(), name="api-resume"),
    path("goals/<int:goal_id>/cancel", goals.Cancel.as_view(), name="api-cancel"),
    path("goals/<int:goal_id>/retry", goals.Retry.as_view(), name="api-retry"),
    path("goals/<int:goal_id>/rate", goals.Rate.as_view(), name="api-rate"),
    path("goals/<int:goal_id>/budget", goals.Budget.as_view(), name="api-budget"),
    path(f"{TASK}/pause", tasks.PauseTask.as_view(), name="api-pause-task"),
    path(f"{TASK}/resume", tasks.ResumeTask.as_view(), name="api-resume-task"),
    path(f"{TASK}/cancel", tasks.CancelTask.as_view(), name="api-cancel-task"),
    path(f"{TASK}/rerun", tasks.RerunTask.as_view(), name="api-rerun-task"),
    path(f"{TASK}/release", tasks.ReleaseTask.as_view(), name="api-release-task"),
    path(f"{TASK}/reassign", tasks.ReassignTask.as_view(), name="api-reassign-task"),
    path("dead-letters", tasks.DeadLetters.as_view(), name="api-dead-letters"),
    path("nodes", nodes.Nodes.as_view(), name="api-nodes"),
    re_path(
        r"^nodes/(?P<node>[^/\x00]+)/models$", nodes.NodeModels.as_view(), name="api-node-models"
    ),
    re_path(r"^nodes/(?P<node>[^/\x00]+)$", nodes.OneNode.as_view(), name="api-node"),
    path("agents", agents.Agents.as_view(), name="api-agents"),
    path("agents/<int:agent_id>", agents.OneAgent.as_view(), name="api-agent"),
    path("routines", routines.Routines.as_view(), name="api-routines"),
    path("routines/<int:routine_id>", routines.OneRoutine.as_view(), name="api-routine"),
    path("routines/<int:routine_id>/firings", routines.Firings.as_view(), name="api-firings"),
    path("routines/<int:routine_id>/run", routines.Run.as_view(), name="api-run-routine"),
    path("routines/<int:routine_id>/pause", routines.Pause.as_view(), name="api-pause-routine"),
    path("routines/<int:routine_id>/resume", routines.Resume.as_view(), name="api-resume-routine"),
    path("routines/<int:routine_id>/secret", routines.Secret.as_view(), name="api-new-secret"),
    path("memories", memories.Memories.as_view(), name="api-memories"),
    path("memories/recall", memories.Recall.as_view(), name="api-recall"),
    path("memories/<int:memory_id>", memories.OneMemory.as_view(), name="api-memory"),
    path("documents", documents.Documents.as_view(), name="api-documents"),
    path("documents/<int:document_id>", documents.OneDocument.as_view(), name="api-document"),
    path("documents/<int:document_id>/passages", documents.Passages.as_view(), name="api-passages"),
    path("documents/<int:document_id>/content", documents.Content.as_view(), name="api-original"),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", docs.reference, name="api-docs"),
]
