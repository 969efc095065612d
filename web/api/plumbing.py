"""Parsing and paging that stay upright whatever is sent."""

from __future__ import annotations

import json
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.parsers import JSONParser

MAX_BODY_BYTES = 4 * 1024 * 1024


class Json(JSONParser):
    """JSON is UTF-8, of a bounded size and depth."""

    def parse(self, stream: IO[bytes], media_type: Any = None, parser_context: Any = None) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise ParseError(f"The body is larger than {MAX_BODY_BYTES // 2**20} MB.")
        try:
            return json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError) as wrong:
            raise ParseError(f"The body is no JSON: {wrong}") from wrong


class Pages(LimitOffsetPagination):
    """?limit= (at most 200) and ?offset=."""

    default_limit = 50
    max_limit = 200

    def get_offset(self, request: Any) -> int:
        return min(super().get_offset(request), 2**31 - 1)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
