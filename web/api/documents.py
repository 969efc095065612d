"""Documents by program: give, follow the reading, look up passages, fetch, forget."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.intake import GivenFile
from orchestrator.memory import exchange, library
from staff import queries
from staff.actions import documents, memory
from staff.actions.drafts import MemoryRefused
from staff.models import Document, DocumentVersion, Passage
from web.api.goals import checked
from web.api.memories import SCOPE_HELP, Gone, sight_of
from web.api.plumbing import Pages
from web.memory.downloads import sent_version
from web.memory.links import passage_url

MAX_FILES = 50


class DocumentsGiven(serializers.Serializer):
    """One file or several."""

    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), min_length=1, max_length=MAX_FILES
    )
    scope = serializers.CharField(max_length=120, default="workspace", help_text=SCOPE_HELP)


class DocumentsAsked(serializers.Serializer):
    scope = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")


class VersionAsked(serializers.Serializer):
    version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="default: the one remembered"
    )


class VersionShown(serializers.ModelSerializer):
    """passages_done of passages_total are remembered; problem: why it cannot be read, and what to
    do; notes: what was left out."""

    class Meta:
        model = DocumentVersion
        fields = [
            "number",
            "state",
            "sha256",
            "size_bytes",
            "kind",
            "pages",
            "passages_done",
            "passages_total",
            "problem",
            "notes",
            "given_at",
            "read_at",
        ]


class DocumentShown(serializers.ModelSerializer):
    """newest: the version given last; current: the one that is remembered, null if none is yet."""

    scope = serializers.SerializerMethodField()
    newest = VersionShown()
    current = VersionShown(allow_null=True)

    class Meta:
        model = Document
        fields = ["id", "name", "scope", "created_at", "newest", "current"]

    def get_scope(self, document: Document) -> str:
        return exchange.scope_name(document.scope)


class GivenShown(serializers.Serializer):
    """outcome: new, version (a newer one of that name), known (that very file is there already),
    retried (it could not be read, and is read again), refused (error says why)."""

    name = serializers.CharField()
    outcome = serializers.CharField()
    error = serializers.CharField()
    document = DocumentShown(allow_null=True)


class GivenList(serializers.Serializer):
    results = GivenShown(many=True)


class PassageShown(serializers.ModelSerializer):
    """text: null if it was forgotten. page: page, slide or sheet; 0 where there is none."""

    text = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Passage
        fields = [
            "position",
            "memory",
            "heading",
            "page",
            "first_row",
            "last_row",
            "text",
            "url",
        ]

    def get_text(self, passage: Passage) -> str | None:
        return passage.memory.text if passage.memory else None

    def get_url(self, passage: Passage) -> str:
        return passage_url(passage)


class Documents(APIView):
    parser_classes = [MultiPartParser, FormParser]

    @extend_schema(
        operation_id="list_documents",
        summary="Documents in memory, the newest first",
        parameters=[DocumentsAsked],
        responses=DocumentShown(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = checked(DocumentsAsked, request.query_params)
        pages = Pages()
        found = queries.documents_of(sight_of(request, asked["scope"]))
        page = pages.paginate_queryset(found, request, self)
        return pages.get_paginated_response(DocumentShown(page, many=True).data)

    @extend_schema(
        operation_id="give_documents",
        summary="Give documents to be remembered; they are read in the background",
        request={"multipart/form-data": DocumentsGiven},
        responses={201: GivenList},
    )
    def post(self, request: Request) -> Response:
        given = checked(DocumentsGiven, request.data)
        scope = memory.scope_named(request.workspace, request.user, given["scope"])
        told = [
            self.added(request, scope, GivenFile(file.name, file.file, file.size))
            for file in given["files"]
        ]
        status = 201 if any(each["document"] for each in told) else 400
        return Response({"results": GivenShown(told, many=True).data}, status=status)

    def added(self, request: Request, scope: Any, file: GivenFile) -> dict[str, Any]:
        try:
            given = library.add(scope, request.user, file)
        except MemoryRefused as reason:
            shown = {"outcome": "refused", "error": str(reason), "document": None}
            return {"name": file.name, **shown}
        document = queries.document_of(sight_of(request), given.document.pk)
        return {
            "name": document.name,
            "outcome": given.outcome,
            "error": "",
            "document": document,
        }


class OneDocument(APIView):
    @extend_schema(
        operation_id="get_document", summary="A document, and how far it is read",
        responses=DocumentShown,
    )  # fmt: skip
    def get(self, request: Request, document_id: int) -> Response:
        return Response(DocumentShown(queries.document_of(sight_of(request), document_id)).data)

    @extend_schema(
        operation_id="forget_document",
        summary="Forget a document: its passages in all versions, what was drawn from them, its "
        "files; for good",
        responses=Gone,
    )
    def delete(self, request: Request, document_id: int) -> Response:
        document = queries.document_of(sight_of(request), document_id)
        return Response({"forgotten": documents.forget(document, by=request.user.get_username())})


class Passages(APIView):
    @extend_schema(
        operation_id="list_passages",
        summary="The passages of a document in order",
        parameters=[VersionAsked],
        responses=PassageShown(many=True),
    )
    def get(self, request: Request, document_id: int) -> Response:
        version = version_asked(request, document_id)
        pages = Pages()
        page = pages.paginate_queryset(queries.passages_of(version), request, self)
        return pages.get_paginated_response(PassageShown(page, many=True).data)


class Content(APIView):
    @extend_schema(
        operation_id="get_document_file",
        summary="The file as it was given",
        parameters=[VersionAsked],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, document_id: int) -> HttpResponse:
        return sent_version(version_asked(request, document_id))


def version_asked(request: Request, document_id: int) -> DocumentVersion:
    """The version that is asked for; else the one that is remembered, else the newest."""
    number = checked(VersionAsked, request.query_params).get("version")
    document = queries.document_of(sight_of(request), document_id)
    if number is None:
        return document.current or document.newest
    return document.versions.get(number=number)
