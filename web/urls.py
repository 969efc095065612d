from django.contrib import admin
from django.urls import include, path, re_path

from web import metrics, pages
from web.agents import views as agents
from web.failed import views as failed
from web.goals import tasks
from web.goals import views as goals
from web.memory import documents, settling
from web.memory import views as memory
from web.nodes import views as nodes
from web.openai import views as openai
from web.people import views as people
from web.routines import hooks
from web.routines import views as routines

urlpatterns = [
    path("", pages.home, name="home"),
    path("goals", goals.goals, name="goals"),
    path("goals/new", goals.new_goal, name="new-goal"),
    path("goals/<int:goal_id>", goals.goal, name="goal"),
    path("goals/<int:goal_id>/panels/<slug:name>", goals.panel, name="panel"),
    path("goals/<int:goal_id>/do/<slug:verb>", goals.act, name="act"),
    path("goals/<int:goal_id>/tasks/<int:task_id>/do/<slug:verb>", tasks.act, name="act-task"),
    path("goals/<int:goal_id>/tasks/<int:task_id>/memory", memory.of_task, name="task-memory"),
    path("goals/<int:goal_id>/plans/<int:plan_id>/edit", goals.edit_plan, name="edit-plan"),
    path("goals/<int:goal_id>/files/<int:artifact_id>", goals.file, name="file"),
    path(
        "goals/<int:goal_id>/files/<int:artifact_id>/content",
        goals.file_content,
        name="file-content",
    ),
    path("failed", failed.failed, name="failed"),
    path("failed/release", failed.release, name="release"),
    path("staff", agents.staff, name="staff"),
    path("staff/hire", agents.hire, name="hire"),
    path("staff/<int:agent_id>", agents.member, name="member"),
    path("nodes", nodes.nodes, name="nodes"),
    re_path(r"^nodes/(?P<node>[^/\x00]+)/models$", nodes.tend, name="tend-model"),
    re_path(r"^nodes/(?P<node>[^/\x00]+)/(?P<verb>[a-z]+)$", nodes.change, name="change-node"),
    path("routines", routines.routines, name="routines"),
    path("routines/new", routines.new, name="new-routine"),
    path("routines/preview", routines.preview, name="preview-routine"),
    path("routines/<int:routine_id>", routines.routine, name="routine"),
    path("routines/<int:routine_id>/edit", routines.edit, name="edit-routine"),
    path("routines/<int:routine_id>/do/<slug:verb>", routines.act, name="act-routine"),
    path("memory", memory.overview, name="memories"),
    path("memory/new", memory.remember, name="remember"),
    path("memory/settle", settling.settle, name="settle-memories"),
    path("memory/settle/both", settling.keep_both, name="keep-both"),
    path("memory/<int:memory_id>", memory.one, name="memory"),
    path("memory/<int:memory_id>/do/<slug:verb>", memory.act, name="act-memory"),
    path("memory/documents", documents.documents, name="documents"),
    path("memory/documents/add", documents.add, name="add-documents"),
    path("memory/documents/<int:document_id>", documents.document, name="document"),
    path("memory/documents/<int:document_id>/content", documents.content, name="document-content"),
    path("memory/documents/<int:document_id>/forget", documents.forget, name="forget-document"),
    path("hooks/<str:secret>", hooks.receive, name="hook"),
    path("settings/account", people.account, name="account"),
    path("settings/about-me", people.about_me, name="about-me"),
    path("settings/about-me/<int:memory_id>", people.change_about_me, name="change-about-me"),
    path("settings/tokens", people.tokens, name="tokens"),
    path("settings/tokens/<int:token_id>/revoke", people.revoke_token, name="revoke-token"),
    path("workspace", pages.choose_workspace, name="choose-workspace"),
    path("sign-in", people.sign_in, name="sign-in"),
    path("sign-out", people.sign_out, name="sign-out"),
    path("enter/<str:secret>", people.enter, name="enter"),
    path("healthz", pages.healthz, name="healthz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("api/v1/", include("web.api.urls")),
    path("v1/models", openai.models, name="openai-models"),
    path("v1/chat/completions", openai.chat, name="openai-chat"),
    path("v1/embeddings", openai.embeddings, name="openai-embeddings"),
    path("admin/", admin.site.urls),
]

handler400 = "web.pages.bad_request"
handler403 = "web.pages.forbidden"
handler404 = "web.pages.not_found"
handler500 = "web.pages.server_error"
