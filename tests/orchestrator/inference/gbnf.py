"""A second opinion on grammars: turns GBNF without recursion into a Python regular expression."""

from __future__ import annotations

import re

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\{[0-9,]*\}|[()|?*+]|[a-z][a-z0-9-]*')


def pattern(grammar: str) -> re.Pattern[str]:
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())
    return re.compile(_expression(rules["root"], rules), re.DOTALL)


def _expression(body: str, rules: dict[str, str]) -> str:
    left = TOKEN.sub("", body).strip()
    assert left == "", f"not understood: {left!r} in {body!r}"
    return "".join(_part(token, rules) for token in TOKEN.findall(body))


def _part(token: str, rules: dict[str, str]) -> str:
    if token[0] == '"':
        return f"(?:{re.escape(_unescape(token[1:-1]))})"
    if token == "(":
        return "(?:"
    if token[0].isalpha():
        return f"(?:{_expression(rules[token], rules)})"
    return token


def _unescape(text: str) -> str:
    named = {"n": "\n", "r": "\r", "t": "\t"}

    def char(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else named.get(code, code)

    return re.sub(r"\\(x[0-9A-F]{2}|u[0-9A-F]{4}|U[0-9A-F]{8}|.)", char, text)
