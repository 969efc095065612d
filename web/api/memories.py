"""Memories by program: remember, recall, correct, forget."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator import memory as memories
from orchestrator.memory import exchange
from orchestrator.memory.exchange import BadRow
from staff import queries
from staff.actions import memory
from staff.actions.drafts import MAX_CHARS
from staff.actions.memory import Kept
from staff.models import Memory
from staff.recall import Recalled, Sight, narrowed, visible_to
from web.api.goals import checked
from web.api.plumbing import Json, Pages
from web.memory.links import memory_url, passage_url

MAX_BATCH = 1000
SCOPE_HELP = "workspace, boss, team:NAME or agent:NAME (or the agent's number)"


class RememberAsked(serializers.Serializer):
    """Something to remember. A fact has subject, attribute and value, and may leave out its text.

    What somebody else than you said (`actor`, `source`) is kept as untrusted.
    """

    text = serializers.CharField(max_length=MAX_CHARS, required=False, allow_blank=True)
    kind = serializers.ChoiceField(choices=Memory.Kind.choices, default=Memory.Kind.EPISODE)
    actor = serializers.CharField(max_length=120, required=False, allow_blank=True)
    thread = serializers.CharField(max_length=255, required=False, allow_blank=True)
    subject = serializers.CharField(max_length=200, required=False, allow_blank=True)
    attribute = serializers.CharField(max_length=200, required=False, allow_blank=True)
    value = serializers.CharField(max_length=MAX_CHARS, required=False, allow_blank=True)
    said_at = serializers.CharField(max_length=40, required=False, allow_null=True)
    valid_from = serializers.CharField(max_length=40, required=False, allow_null=True)
    source = serializers.CharField(max_length=500, required=False, allow_blank=True)
    scope = serializers.CharField(max_length=120, default="workspace", help_text=SCOPE_HELP)


class RecallAsked(serializers.Serializer):
    q = serializers.CharField(max_length=4000, help_text="the question")
    k = serializers.IntegerField(min_value=1, max_value=100, default=10)
    scope = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    as_of = serializers.DateTimeField(required=False, help_text="what held at that moment")
    past = serializers.BooleanField(default=False, help_text="superseded facts as well")
    kind = serializers.ChoiceField(choices=Memory.Kind.choices, required=False)
    actor = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")


class MemoriesAsked(serializers.Serializer):
    scope = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    kind = serializers.ChoiceField(choices=Memory.Kind.choices, required=False)
    state = serializers.ChoiceField(choices=Memory.State.choices, required=False)


class EditAsked(serializers.Serializer):
    """Any of: new words, a fact's new value, whether it is pinned. `accept` lets a quarantined one
    stand; to turn it down, forget it."""

    text = serializers.CharField(max_length=MAX_CHARS, required=False)
    value = serializers.CharField(max_length=MAX_CHARS, required=False)
    is_pinned = serializers.BooleanField(required=False)
    accept = serializers.BooleanField(required=False)

    def validate_accept(self, accept: bool) -> bool:
        if not accept:
            raise serializers.ValidationError("To turn it down, forget it: DELETE this memory.")
        return accept


class MemoryShown(serializers.ModelSerializer):
    scope = serializers.SerializerMethodField()
    trust = serializers.SerializerMethodField()

    class Meta:
        model = Memory
        fields = [
            "id",
            "scope",
            "kind",
            "state",
            "text",
            "actor",
            "thread",
            "subject",
            "attribute",
            "value",
            "said_at",
            "last_said_at",
            "valid_from",
            "valid_to",
            "recorded_at",
            "superseded_by",
            "goal",
            "task",
            "trust",
            "is_tainted",
            "is_pinned",
            "is_outdated",
        ]

    def get_scope(self, memory: Memory) -> str:
        return exchange.scope_name(memory.scope)

    def get_trust(self, memory: Memory) -> str:
        return Memory.Trust(memory.trust).name.lower()


class KeptShown(serializers.Serializer):
    """outcome: new, again (known already), superseding, earlier (it was true before what is known
    now), quarantined (it waits for you), forgotten (you had it forgotten: it was not kept)."""

    outcome = serializers.CharField()
    memory = MemoryShown(allow_null=True)


class RecalledShown(serializers.Serializer):
    """why adds up to the score; via: the memory that led here by naming somebody; url: where it
    can be looked at, a passage in its document."""

    memory = MemoryShown()
    score = serializers.FloatField()
    why = serializers.DictField(child=serializers.FloatField())
    via = serializers.IntegerField(allow_null=True)
    url = serializers.SerializerMethodField()

    def get_url(self, recalled: Recalled) -> str:
        place = self.context["places"].get(recalled.memory.pk)
        return passage_url(place) if place else memory_url(recalled.memory)


class KeptList(serializers.Serializer):
    results = KeptShown(many=True)


class RecalledList(serializers.Serializer):
    results = RecalledShown(many=True)


class Gone(serializers.Serializer):
    forgotten = serializers.IntegerField()


def sight_of(request: Request, scope: str = "") -> Sight:
    sight = visible_to(request.user, request.workspace)
    return narrowed(sight, scope) if scope else sight


class Memories(APIView):
    parser_classes = [Json]

    @extend_schema(
        operation_id="list_memories",
        summary="What is remembered, the newest first",
        parameters=[MemoriesAsked],
        responses=MemoryShown(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = checked(MemoriesAsked, request.query_params)
        sight = sight_of(request, asked.pop("scope"))
        pages = Pages()
        page = pages.paginate_queryset(queries.memories_of(sight, **asked), request, self)
        return pages.get_paginated_response(MemoryShown(page, many=True).data)

    @extend_schema(
        operation_id="remember",
        summary='Remember one thing, or a batch: {"memories": [...]}',
        request=RememberAsked,
        responses={201: KeptList},
    )
    def post(self, request: Request) -> Response:
        rows = rows_in(request.data)
        kept: list[Kept] = []
        drafts = [draft_in(row, request.user, at) for at, row in enumerate(rows)]
        scopes = [memory.scope_named(request.workspace, request.user, row["scope"]) for row in rows]
        by_scope: dict[int, list[int]] = {}
        for at, scope in enumerate(scopes):
            by_scope.setdefault(scope.pk, []).append(at)
        told: dict[int, Kept] = {}
        for places in by_scope.values():
            kept = memories.remember(
                scopes[places[0]], [drafts[at] for at in places], by=request.user.get_username()
            )
            told |= dict(zip(places, kept, strict=True))
        shown = KeptShown([told[at] for at in range(len(rows))], many=True).data
        return Response({"results": shown}, status=201)


class Recall(APIView):
    @extend_schema(
        operation_id="recall",
        summary="The memories that answer a question best",
        parameters=[RecallAsked],
        responses=RecalledList,
    )
    def get(self, request: Request) -> Response:
        asked = checked(RecallAsked, request.query_params)
        sight = sight_of(request, asked["scope"])
        found = memories.recall(
            sight,
            asked["q"],
            asked["k"],
            as_of=asked.get("as_of"),
            with_past=asked["past"],
            kinds=[asked["kind"]] if "kind" in asked else (),
            actor=asked["actor"],
        )
        places = queries.places_of(sight, [each.memory.pk for each in found])
        shown = RecalledShown(found, many=True, context={"places": places})
        return Response({"results": shown.data})


class OneMemory(APIView):
    parser_classes = [Json]

    @extend_schema(operation_id="get_memory", summary="A memory", responses=MemoryShown)
    def get(self, request: Request, memory_id: int) -> Response:
        return self.shown(request, memory_id)

    @extend_schema(
        operation_id="change_memory",
        summary="Correct, pin or settle a memory",
        request=EditAsked,
        responses=MemoryShown,
    )
    def patch(self, request: Request, memory_id: int) -> Response:
        found = queries.memory_of(sight_of(request), memory_id)
        asked, by = checked(EditAsked, request.data), request.user.get_username()
        if "accept" in asked:
            memory.settle(found, accept=True, by=by)
        if "text" in asked or "value" in asked:
            memories.edit(found, by=by, text=asked.get("text"), value=asked.get("value"))
        if "is_pinned" in asked:
            memory.pin(found, by=by, is_pinned=asked["is_pinned"])
        return self.shown(request, memory_id)

    @extend_schema(
        operation_id="forget_memory",
        summary="Forget a memory and all that was drawn from it, for good",
        responses=Gone,
    )
    def delete(self, request: Request, memory_id: int) -> Response:
        found = queries.memory_of(sight_of(request), memory_id)
        return Response({"forgotten": memory.forget([found], by=request.user.get_username())})

    def shown(self, request: Request, memory_id: int) -> Response:
        return Response(MemoryShown(queries.memory_of(sight_of(request), memory_id)).data)


def rows_in(data: Any) -> list[dict[str, Any]]:
    """One row, or the rows of a batch, each in shape. Raises ValidationError, row by row."""
    if not isinstance(data, dict) or "memories" not in data:
        return [checked(RememberAsked, data)]
    rows = data["memories"]
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_BATCH:
        raise ValidationError({"memories": [f"Give a list of 1 to {MAX_BATCH} memories."]})
    shapes = [RememberAsked(data=row) for row in rows]
    wrong = {f"memories.{at}": s.errors for at, s in enumerate(shapes) if not s.is_valid()}
    if wrong:
        raise ValidationError(wrong)
    return [shape.validated_data for shape in shapes]


def draft_in(row: dict[str, Any], user: Any, at: int) -> memory.Draft:
    try:
        return exchange.draft_of({k: v for k, v in row.items() if k != "scope"}, user)
    except BadRow as reason:
        raise ValidationError({f"memories.{at}": [str(reason)]}) from reason
