"""Goals by program: give, watch, decide. Each view makes one call into the house."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator import dispatch
from staff import queries
from staff.actions.streams import as_json
from staff.models import Goal
from web.api import serializers as shapes
from web.api.plumbing import Json, Pages
from web.goals.downloads import download


def checked(kind: type[serializers.Serializer], data: Any) -> dict[str, Any]:
    """What was sent, in the given shape. Raises ValidationError, field by field."""
    shape = kind(data=data)
    shape.is_valid(raise_exception=True)
    return shape.validated_data


def shown(goal: Goal) -> Response:
    return Response(shapes.GoalLong(goal).data)


class Goals(APIView):
    parser_classes = [Json, MultiPartParser, FormParser]

    @extend_schema(
        operation_id="list_goals",
        summary="List goals, newest first",
        parameters=[shapes.GoalsAsked],
        responses=shapes.GoalShort(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = checked(shapes.GoalsAsked, request.query_params)
        found = queries.search_goals(request.workspace, asked["q"], asked.get("state", ""))
        pages = Pages()
        ids = pages.paginate_queryset(found.values_list("pk", flat=True), request, self)
        page = queries.goals_of(request.workspace).filter(pk__in=ids)
        return pages.get_paginated_response(shapes.GoalShort(page, many=True).data)

    @extend_schema(
        operation_id="give_goal",
        summary="Give a goal, with files or without",
        request={"multipart/form-data": shapes.GiveGoal, "application/json": shapes.GiveGoal},
        responses={201: shapes.GoalLong},
    )
    def post(self, request: Request) -> Response:
        given = checked(shapes.GiveGoal, request.data)
        if given.get("parent") is not None:
            given["parent"] = self.parent(given["parent"])
        files = [dispatch.GivenFile(f.name, f.file, f.size) for f in given.pop("files", [])]
        goal = dispatch.submit_goal(
            request.workspace, request.user, given.pop("text"), files, **given
        )
        return Response(shapes.GoalLong(goal).data, status=201)

    def parent(self, goal_id: int) -> Goal:
        """The goal that a new one serves."""
        try:
            return queries.goal_of(self.request.workspace, goal_id)
        except Goal.DoesNotExist:
            message = _("There is no goal %(id)s in this workspace.") % {"id": goal_id}
            raise serializers.ValidationError({"parent": [message]}) from None


class OfGoal(APIView):
    """A view of one goal of the workspace; foreign ones are not found."""

    parser_classes = [Json, MultiPartParser, FormParser]

    def goal(self) -> Goal:
        return queries.goal_of(self.request.workspace, self.kwargs["goal_id"])


class OneGoal(OfGoal):
    @extend_schema(
        operation_id="get_goal",
        summary="A goal with its plans, tasks, open approvals and questions",
        responses=shapes.GoalLong,
    )
    def get(self, request: Request, goal_id: int) -> Response:
        return shown(self.goal())


class Events(OfGoal):
    @extend_schema(
        operation_id="list_events",
        summary="The goal's stream after a number, in order, without gaps",
        parameters=[shapes.EventsAsked],
        responses=shapes.EventPage,
    )
    def get(self, request: Request, goal_id: int) -> Response:
        asked = checked(shapes.EventsAsked, request.query_params)
        goal = self.goal()
        events = queries.events_after(goal.pk, asked["after"], asked["limit"])
        return Response({"results": [as_json(event) for event in events], "last": goal.last_seq})


class Artifacts(OfGoal):
    @extend_schema(
        operation_id="list_artifacts",
        summary="Files attached to the goal, and files made by the staff",
        responses=shapes.ArtifactShown(many=True),
    )
    def get(self, request: Request, goal_id: int) -> Response:
        files = self.goal().artifacts.all()
        return Response({"results": shapes.ArtifactShown(files, many=True).data})


class ArtifactContent(OfGoal):
    @extend_schema(
        operation_id="get_artifact",
        summary="The bytes of a file",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, goal_id: int, artifact_id: int) -> HttpResponse:
        goal = self.goal()
        return download(goal, queries.artifact_of(goal, artifact_id))


class Act(OfGoal):
    """Something asked of a goal, a verb of `dispatch`; answers with the goal as it is then."""

    verb = ""
    shape: type[serializers.Serializer] = serializers.Serializer

    def post(self, request: Request, goal_id: int) -> Response:
        goal = self.goal()
        asked = checked(self.shape, request.data)
        approval = asked.pop("approval", None)
        if approval is not None:
            if not goal.approvals.filter(pk=approval).exists():
                raise NotFound
            asked["approval_id"] = approval
        if "plan" in asked:
            asked["plan_id"] = asked.pop("plan")
        getattr(dispatch, self.verb)(goal.pk, request.user, **asked)
        return shown(self.goal())


def act(
    verb: str, summary: str, shape: type[serializers.Serializer] | None = None
) -> type[APIView]:
    """The view for one verb of `dispatch`."""

    class View(Act):
        pass

    View.verb = verb
    if shape is not None:
        View.shape = shape
    name = "budget" if verb == "raise_budget" else verb
    View.__name__ = f"{name.capitalize()}Goal"
    told = extend_schema(
        operation_id=f"{name}_goal", summary=summary, request=shape, responses=shapes.GoalLong
    )
    return extend_schema_view(post=told)(View)


class Answer(OfGoal):
    @extend_schema(
        operation_id="answer_goal",
        summary="Answer a question of the staff; the work goes on",
        request=shapes.Answer,
        responses=shapes.GoalLong,
    )
    def post(self, request: Request, goal_id: int) -> Response:
        goal = self.goal()
        given = checked(shapes.Answer, request.data)
        if not goal.questions.filter(pk=given["question"]).exists():
            raise NotFound
        dispatch.answer(given["question"], request.user, given["answer"])
        return shown(self.goal())


Approve = act("approve", "Approve a plan, an edited plan, or open effects", shapes.Approve)
Reject = act("reject", "Reject the plans or open effects, with a reason", shapes.Reject)
Pause = act("pause", "Hold the work")
Resume = act("resume", "Go on after a pause")
Cancel = act("cancel", "Stop for good; what was made stays")
Retry = act("retry", "Take a failed or cancelled goal up again")
Rate = act("rate", "Judge a goal that has ended, 1 to 5", shapes.Rate)
Budget = act("raise_budget", "Set new caps", shapes.Budget)
