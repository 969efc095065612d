"""Nodes by program, for owners and admins."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator import dispatch
from staff.actions import nodes
from staff.models import Node
from web.api.goals import checked
from web.api.permissions import MayManage
from web.api.plumbing import Json
from web.api.serializers import count
from web.nodes.forms import ModelForm
from web.nodes.lookups import all_nodes


class NodeShown(serializers.ModelSerializer):
    """A node of `queries.nodes`. slots: null means as many as it has threads; is_late: its
    heartbeats stay away; tasks_now: what it runs, for all workspaces; model_states: the language
    models there, as its last heartbeat said; pins: those that it keeps in memory."""

    is_late = serializers.BooleanField()
    tasks_now = serializers.IntegerField()

    class Meta:
        model = Node
        fields = [
            "name",
            "threads",
            "slots",
            "is_draining",
            "is_late",
            "tasks_now",
            "pins",
            "model_states",
            "started_at",
            "seen_at",
        ]


class LimitNode(serializers.Serializer):
    slots = count(required=False, allow_null=True, max_value=1000)
    is_draining = serializers.BooleanField(required=False)


class TendModel(serializers.Serializer):
    model = serializers.CharField(max_length=200)
    verb = serializers.ChoiceField(choices=ModelForm.VERBS)


class Nodes(APIView):
    permission_classes = [MayManage]

    @extend_schema(
        operation_id="list_nodes",
        summary="The workers of the house, and how they are",
        responses=NodeShown(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response({"results": NodeShown(all_nodes(), many=True).data})


class OneNode(APIView):
    permission_classes = [MayManage]
    parser_classes = [Json]

    @extend_schema(
        operation_id="limit_node",
        summary="Set how much a node may do at once, drain it, or let it take work again",
        request=LimitNode,
        responses=NodeShown,
    )
    def patch(self, request: Request, node: str) -> Response:
        found = all_nodes().get(name=node)
        changes = checked(LimitNode, request.data)
        if changes:
            nodes.limit(found.name, **changes)
        return Response(NodeShown(all_nodes().get(name=node)).data)


class NodeModels(APIView):
    permission_classes = [MayManage]
    parser_classes = [Json]

    @extend_schema(
        operation_id="tend_model",
        summary="Load, unload, pin or unpin a model of a node, or retry one in quarantine",
        description="The node does so by itself; what came of it is in its `model_states`.",
        request=TendModel,
        responses={202: NodeShown},
    )
    def post(self, request: Request, node: str) -> Response:
        found = all_nodes().get(name=node)
        asked = checked(TendModel, request.data)
        dispatch.tend_model(found.name, asked["verb"], asked["model"])
        return Response(NodeShown(all_nodes().get(name=node)).data, status=202)
