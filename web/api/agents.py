from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from staff import queries
from staff.actions import agents
from staff.models import Agent
from web.agents.catalogue import tools
from web.api.plumbing import Json
from web.api.serializers import AgentShown


class Agents(APIView):
    parser_classes = [Json]

    @extend_schema(operation_id="list_agents", summary="The staff", responses=AgentShown(many=True))
    def get(self, request: Request) -> Response:
        return Response(
            {"results": AgentShown(queries.agents_of(request.workspace), many=True).data}
        )

    @extend_schema(
        operation_id="hire_agent",
        summary="Hire a new member",
        request=AgentShown,
        responses={201: AgentShown},
    )
    def post(self, request: Request) -> Response:
        shape = AgentShown(data=request.data, context={"request": request})
        shape.is_valid(raise_exception=True)
        agent = agents.save(Agent(workspace=request.workspace), tools(), **shape.validated_data)
        return Response(AgentShown(queries.agent_of(request.workspace, agent.pk)).data, status=201)


class OneAgent(APIView):
    parser_classes = [Json]

    @extend_schema(operation_id="get_agent", summary="A member", responses=AgentShown)
    def get(self, request: Request, agent_id: int) -> Response:
        return Response(AgentShown(queries.agent_of(request.workspace, agent_id)).data)

    @extend_schema(
        operation_id="change_agent",
        summary="Change a member",
        request=AgentShown(partial=True),
        responses=AgentShown,
    )
    def patch(self, request: Request, agent_id: int) -> Response:
        agent = queries.agent_of(request.workspace, agent_id)
        shape = AgentShown(agent, data=request.data, partial=True, context={"request": request})
        shape.is_valid(raise_exception=True)
        agents.save(agent, tools(), **shape.validated_data)
        return Response(AgentShown(queries.agent_of(request.workspace, agent_id)).data)
