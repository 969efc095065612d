"""Tools of a calling program: told to the model as text, called by it as JSON under a grammar.

Any model can do that, whatever its template knows of tools: the answer is either one JSON object
with "name" and "arguments", in the shape that the tool's schema asks for, or plain text.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from orchestrator.inference import grammar
from orchestrator.inference.base import GrammarInvalid
from web.openai.errors import Refused

PLAIN_TEXT = r"[^{ \t\n] [^\x00]*"  # what does not begin as a call


@dataclass(frozen=True)
class Offered:
    """functions: name, description and parameters of each; is_required: it must call one."""

    functions: tuple[dict[str, Any], ...]
    is_required: bool


def offered(tools: list[dict[str, Any]], choice: str | dict[str, Any] | None) -> Offered | None:
    """Raises Refused if tools and choice do not go together."""
    functions = tuple(_function(tool) for tool in tools)
    if choice == "none" or (not functions and choice in (None, "auto")):
        return None
    if not functions:
        raise Refused(400, "tool_choice: there are no tools to choose from.", param="tool_choice")
    if choice in (None, "auto", "required"):
        return Offered(functions, is_required=choice == "required")
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    named = tuple(each for each in functions if each["name"] == name)
    if not named:
        raise Refused(400, f"tool_choice: there is no tool {name!r}.", param="tool_choice")
    return Offered(named, is_required=True)


def described(offer: Offered) -> str:
    """What the model is told."""
    lines = [json.dumps(each, ensure_ascii=False) for each in offer.functions]
    how = 'To call one, answer with only {"name": NAME, "arguments": {...}} and nothing else.'
    may = "You must call a tool now." if offer.is_required else "Otherwise answer in plain text."
    return "\n".join(["You can call these tools:", *lines, how, may])


def grammar_of(offer: Offered) -> str:
    """Admits a call of one of the tools; plain text too, unless a call is required.

    Raises GrammarInvalid, naming the tool whose parameters a grammar cannot express.
    """
    calls = {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "name": {"const": each["name"]},
                    "arguments": each.get("parameters") or {"type": "object", "properties": {}},
                },
            }
            for each in offer.functions
        ]
    }
    try:
        rules = grammar.from_schema(calls)
    except GrammarInvalid as reason:
        raise GrammarInvalid(f"tools: {reason}") from reason
    if offer.is_required:
        return rules
    return rules.replace("root ::= ", "call ::= ", 1) + f"root ::= call | {PLAIN_TEXT}\n"


def called(text: str) -> dict[str, Any] | None:
    """The call that an answer is, in OpenAI's shape; None if it is plain text, or cut short."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not (isinstance(found, dict) and isinstance(found.get("name"), str)):
        return None
    arguments = json.dumps(found.get("arguments", {}), ensure_ascii=False)
    function = {"name": found["name"], "arguments": arguments}
    return {"id": f"call_{secrets.token_hex(8)}", "type": "function", "function": function}


def as_text(call: dict[str, Any]) -> str:
    """A call of an earlier turn, as the model said it."""
    function = call.get("function") or {}
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except ValueError:
        arguments = function.get("arguments")
    return json.dumps({"name": function.get("name"), "arguments": arguments}, ensure_ascii=False)


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        raise Refused(400, "tools: only tools of type function are taken.", param="tools")
    if not isinstance(function.get("name"), str) or not function["name"]:
        raise Refused(400, "tools: a function has no name.", param="tools")
    kept = ("name", "description", "parameters")
    return {key: function[key] for key in kept if function.get(key) is not None}
