"""Routines by program. Each view makes one call into the house."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from orchestrator import triggers
from staff import queries
from staff.models import Routine
from web.api import routine_shapes as shapes
from web.api.goals import checked
from web.api.plumbing import Json, Pages
from web.api.serializers import GoalLong


class Routines(APIView):
    parser_classes = [Json]

    @extend_schema(
        operation_id="list_routines",
        summary="The routines, by name",
        responses=shapes.RoutineShown(many=True),
    )
    def get(self, request: Request) -> Response:
        found = queries.routines_of(request.workspace)
        return Response({"results": shapes.RoutineShown(found, many=True).data})

    @extend_schema(
        operation_id="make_routine",
        summary="Make a routine: a schedule, a watched folder, or a webhook",
        request=shapes.GiveRoutine,
        responses={201: shapes.RoutineMade},
    )
    def post(self, request: Request) -> Response:
        given = checked(shapes.GiveRoutine, request.data)
        made = Routine(workspace=request.workspace, trigger=given.pop("trigger"))
        made = triggers.save(made, request.user, **given)
        shown = queries.routine_of(request.workspace, made.pk)
        if shown.trigger == Routine.Trigger.WEBHOOK:
            shown.hook_url = hook_url(request, triggers.new_secret(shown.pk))
        return Response(shapes.RoutineMade(shown).data, status=201)


class OfRoutine(APIView):
    """A view of one routine of the workspace; foreign ones are not found."""

    parser_classes = [Json]

    def routine(self) -> Routine:
        return queries.routine_of(self.request.workspace, self.kwargs["routine_id"])

    def shown(self) -> Response:
        return Response(shapes.RoutineShown(self.routine()).data)


class OneRoutine(OfRoutine):
    @extend_schema(
        operation_id="get_routine",
        summary="A routine with its next five runs",
        responses=shapes.RoutineShown,
    )
    def get(self, request: Request, routine_id: int) -> Response:
        return self.shown()

    @extend_schema(
        operation_id="change_routine",
        summary="Change a routine; its goals are yours from then on",
        request=shapes.ChangeRoutine(partial=True),
        responses=shapes.RoutineShown,
    )
    def patch(self, request: Request, routine_id: int) -> Response:
        routine = self.routine()
        shape = shapes.ChangeRoutine(data=request.data, partial=True)
        shape.is_valid(raise_exception=True)
        if request.data.get("trigger", routine.trigger) != routine.trigger:
            said = "What sets a routine off cannot be changed: make another one."
            raise ValidationError({"trigger": [said]})
        triggers.save(routine, request.user, **shape.validated_data)
        return self.shown()

    @extend_schema(
        operation_id="delete_routine",
        summary="Delete a routine and its history; its goals stay",
        responses={204: None},
    )
    def delete(self, request: Request, routine_id: int) -> Response:
        triggers.delete(self.routine().pk)
        return Response(status=204)


class Firings(OfRoutine):
    @extend_schema(
        operation_id="list_firings",
        summary="What a routine did, newest first",
        responses=shapes.FiringShown(many=True),
    )
    def get(self, request: Request, routine_id: int) -> Response:
        pages = Pages()
        page = pages.paginate_queryset(queries.firings_of(self.routine()), request, self)
        return pages.get_paginated_response(shapes.FiringShown(page, many=True).data)


class Run(OfRoutine):
    @extend_schema(
        operation_id="run_routine",
        summary="Give the routine's goal now",
        request=None,
        responses={201: GoalLong},
    )
    def post(self, request: Request, routine_id: int) -> Response:
        goal = triggers.run_now(self.routine(), request.user)
        return Response(GoalLong(goal).data, status=201)


class Pause(OfRoutine):
    @extend_schema(
        operation_id="pause_routine",
        summary="Hold a routine",
        request=None,
        responses=shapes.RoutineShown,
    )
    def post(self, request: Request, routine_id: int) -> Response:
        triggers.pause(self.routine().pk)
        return self.shown()


class Resume(OfRoutine):
    @extend_schema(
        operation_id="resume_routine",
        summary="Let a routine fire again, from now on",
        request=None,
        responses=shapes.RoutineShown,
    )
    def post(self, request: Request, routine_id: int) -> Response:
        triggers.resume(self.routine().pk)
        return self.shown()


class Secret(OfRoutine):
    @extend_schema(
        operation_id="renew_hook",
        summary="Give a webhook a new address; the old one stops working",
        request=None,
        responses=shapes.HookShown,
    )
    def post(self, request: Request, routine_id: int) -> Response:
        secret = triggers.new_secret(self.routine().pk)
        return Response({"hook_url": hook_url(request, secret)})


def hook_url(request: Request, secret: str) -> str:
    return reverse("hook", args=[secret], request=request)
