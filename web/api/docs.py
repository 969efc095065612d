"""The API's reference as a plain page, made from its own schema; nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator

from web.workspaces import seated


@seated
def reference(request: HttpRequest) -> HttpResponse:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return render(request, "api/reference.html", {"operations": operations_of(schema)})


def operations_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Each operation: method, path, summary, its query parameters and the fields of its body."""
    return [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("summary", ""),
            "parameters": [p for p in operation.get("parameters", []) if p["in"] == "query"],
            "fields": _fields(schema, operation),
        }
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def _fields(schema: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = operation.get("requestBody", {}).get("content", {})
    body = next((kind["schema"] for kind in kinds.values()), {})
    name = body.get("$ref", "").rsplit("/", 1)[-1]
    shape = schema["components"]["schemas"].get(name, body)
    needed = shape.get("required", [])
    return [
        {
            "name": field,
            "kind": facts.get("type") or facts.get("format") or "",
            "needed": field in needed,
        }
        for field, facts in shape.get("properties", {}).items()
        if not facts.get("readOnly")
    ]
