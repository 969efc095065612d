"""The bodies that programs send, checked, and what the house makes of them.

Fields that change an answer and that we cannot honour are refused by name; others are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.inference import grammar
from orchestrator.inference.base import ChatRequest, GrammarInvalid, Message
from web.openai import tooling
from web.openai.errors import Refused

DEFAULT_TOKENS = 512
MOST_TOKENS = 1_000_000
BOSS_PRIORITY = 10  # whoever asks here waits for the answer; tasks of the staff can wait
NOT_TAKEN = ("n", "functions", "function_call", "modalities", "audio", "prediction", "web_search")


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=False)


Shape = TypeVar("Shape", bound=_Body)


class Part(_Body):
    type: str
    text: str = ""


class Said(_Body):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    name: str | None = None


class StreamOptions(_Body):
    include_usage: bool = False


class Chat(_Body):
    """The body of /v1/chat/completions. min_tokens and overflow are our own additions."""

    model: str = Field(min_length=1, max_length=200)
    messages: list[Said] = Field(min_length=1, max_length=1000)
    max_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=64)
    tool_choice: str | dict[str, Any] | None = None
    grammar: str | None = None
    min_tokens: int = Field(0, ge=0)
    overflow: Literal["refuse", "drop_oldest"] = "refuse"
    timeout_s: float | None = Field(None, gt=0)

    @property
    def offered(self) -> tooling.Offered | None:
        """The tools that the model may or must call; None if it may call none."""
        return tooling.offered(self.tools or [], self.tool_choice)

    def request(self) -> ChatRequest:
        """Raises Refused."""
        offered = self.offered
        return ChatRequest(
            messages=_messages(self.messages, offered),
            max_tokens=self.max_completion_tokens or self.max_tokens or DEFAULT_TOKENS,
            temperature=1.0 if self.temperature is None else self.temperature,
            seed=(self.seed or 0) % 2**63,
            grammar=self._grammar(offered),
            stop=tuple([self.stop] if isinstance(self.stop, str) else self.stop or ()),
            priority=BOSS_PRIORITY,
            timeout_s=self.timeout_s,
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            min_tokens=self.min_tokens,
            overflow=self.overflow,
        )

    def _grammar(self, offered: tooling.Offered | None) -> str | None:
        wanted = (self.response_format or {}).get("type", "text")
        if wanted not in ("text", "json_object", "json_schema"):
            raise Refused(
                400, f"response_format: {wanted!r} is not known.", param="response_format"
            )
        given = [offered is not None, wanted != "text", self.grammar is not None]
        if sum(given) > 1:
            raise Refused(400, "Give only one of tools, response_format and grammar.")
        try:
            if offered is not None:
                return tooling.grammar_of(offered)
            if wanted == "json_object":
                return grammar.ANY_OBJECT
            if wanted == "json_schema":
                described = (self.response_format or {}).get("json_schema") or {}
                return grammar.from_schema(described.get("schema") or {})
        except GrammarInvalid as reason:
            param = "tools" if offered else "response_format"
            raise Refused(400, str(reason), code="invalid_schema", param=param) from reason
        return self.grammar


class Embed(_Body):
    model: str = Field(min_length=1, max_length=200)
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    @property
    def texts(self) -> list[str]:
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not texts or len(texts) > 2048:
            raise Refused(400, "input: give 1 to 2,048 texts.", param="input")
        if not all(texts):
            raise Refused(400, "input: a text is empty.", param="input")
        return texts


def read(kind: type[Shape], body: bytes) -> Shape:
    """Raises Refused, which names the field that is wrong."""
    try:
        given = json.loads(body)
        if not isinstance(given, dict):
            raise ValueError("an object is expected")
    except (ValueError, RecursionError) as wrong:
        raise Refused(400, f"The body is no JSON: {wrong}") from wrong
    for name in NOT_TAKEN:
        if given.get(name) not in (None, 1, [], {}, ["text"]):
            raise Refused(400, f"{name} is not supported here.", param=name, code="unsupported")
    try:
        return kind.model_validate(given)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise Refused(400, f"{where}: {first['msg']}", param=where) from wrong


def _messages(said: Sequence[Said], offered: tooling.Offered | None) -> tuple[Message, ...]:
    """As the engine takes them: tools described up front, calls and results told as text."""
    messages = [Message(*_plain(each)) for each in said]
    if offered is None:
        return tuple(messages)
    about = tooling.described(offered)
    if messages[0].role == "system":
        first = Message("system", f"{messages[0].content}\n\n{about}")
        return (first, *messages[1:])
    return (Message("system", about), *messages)


def _plain(said: Said) -> tuple[Literal["system", "user", "assistant"], str]:
    text = _text(said.content)
    if said.role == "tool":
        return "user", f"Result of the tool:\n{text}"
    if said.role == "assistant":
        calls = [tooling.as_text(call) for call in said.tool_calls or ()]
        return "assistant", "\n".join([*([text] if text else []), *calls])
    return ("system" if said.role in ("system", "developer") else "user"), text


def _text(content: str | list[Part] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.type != "text":
            raise Refused(400, f"messages: content of type {part.type!r} is not taken; only text.")
    return "".join(part.text for part in content)
