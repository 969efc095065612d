"""Tasks by program: what the boss does with a single one, and the list of those that failed."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator import dispatch
from staff import queries
from staff.models import Agent
from web.api.goals import OfGoal, checked, shown
from web.api.plumbing import Pages
from web.api.serializers import GoalLong, count
from web.api.task_shapes import DeadLetter


class Rerun(serializers.Serializer):
    note = serializers.CharField(
        max_length=2000,
        required=False,
        allow_blank=True,
        default="",
        help_text="what should be different this time",
    )


class Reassign(serializers.Serializer):
    agent = count(help_text="id of the agent that is to have it")


class Act(OfGoal):
    """Something asked of a task, a verb of `dispatch`; answers with its goal as it is then."""

    verb = ""
    shape: type[serializers.Serializer] = serializers.Serializer

    def post(self, request: Request, goal_id: int, task_id: int) -> Response:
        task = queries.task_of(self.goal(), task_id)
        asked = checked(self.shape, request.data)
        if "agent" in asked:
            asked["agent"] = self.agent(asked["agent"])
        getattr(dispatch, self.verb)(task.pk, request.user, **asked)
        return shown(self.goal())

    def agent(self, agent_id: int) -> Agent:
        agent = queries.agents_of(self.request.workspace).filter(pk=agent_id).first()
        if agent is None:
            message = _("There is no agent %(id)s in this workspace.") % {"id": agent_id}
            raise serializers.ValidationError({"agent": [message]})
        return agent


def act(
    verb: str, summary: str, shape: type[serializers.Serializer] | None = None
) -> type[APIView]:
    """The view for one verb of `dispatch`."""

    class View(Act):
        pass

    View.verb = verb
    if shape is not None:
        View.shape = shape
    View.__name__ = "".join(word.capitalize() for word in verb.split("_"))
    told = extend_schema(operation_id=verb, summary=summary, request=shape, responses=GoalLong)
    return extend_schema_view(post=told)(View)


PauseTask = act("pause_task", "Hold a task; one that runs is handed back within two seconds")
ResumeTask = act("resume_task", "Go on with a task after a pause")
CancelTask = act("cancel_task", "Stop a task and all that builds on it; the goal goes on")
RerunTask = act("rerun_task", "Do a task again, and all that builds on it", Rerun)
ReleaseTask = act("release_task", "Let a failed task try again where it stopped")
ReassignTask = act("reassign_task", "Give a task to another agent", Reassign)


class DeadLetters(APIView):
    @extend_schema(
        operation_id="list_dead_letters",
        summary="Tasks that failed for good, newest first, with all that was tried",
        responses=DeadLetter(many=True),
    )
    def get(self, request: Request) -> Response:
        pages = Pages()
        page: Any = pages.paginate_queryset(queries.dead_letters(request.workspace), request, self)
        return pages.get_paginated_response(DeadLetter(page, many=True).data)
