"""GBNF, llama.cpp's grammar notation, built from data: JSON schemas and lists of strings.

The JSON that these grammars admit is compact: properties in the schema's order, all of them, and
at most one space after a colon or comma. Small models fall into loops of free whitespace.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from orchestrator.inference.base import GrammarInvalid

Schema = dict[str, Any]

MOST_REPEATS = 1000  # llama.cpp unrolls a{0,n}; far beyond this it refuses
_PRIMITIVES = {
    "char": r'[^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "string": r'"\"" char* "\""',
    "integer": r'"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": r'integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,3})?',
    "boolean": r'"true" | "false"',
    "null": r'"null"',
    "comma": r'"," " "?',
}
_NEEDS = {"string": ("char",), "number": ("integer",)}
_NOTES = {"title", "description", "default", "examples", "$schema", "$defs", "strict"}
_NOTES |= {"additionalProperties", "format"}
_KEYS = {
    "object": {"properties", "required"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "x-copy"},
    "integer": set[str](),
    "number": set[str](),
    "boolean": set[str](),
    "null": set[str](),
}
ANY_OBJECT = r"""root ::= object
object ::= "{" (member (comma member)*)? "}"
member ::= string ":" " "? value
array ::= "[" (value (comma value)*)? "]"
value ::= object | array | string | number | boolean | null
""" + "".join(f"{name} ::= {body}\n" for name, body in _PRIMITIVES.items())


def from_schema(schema: Schema) -> str:
    """A grammar whose root is the JSON of this schema.

    Taken: object (every property, in order), array (items, minItems, maxItems), string
    (minLength, maxLength), number, integer, boolean, null, a list of types, enum, const, anyOf;
    a `$ref` to the schema's own `$defs`; and on a string `"x-copy": [...]`, which admits only these
    strings.
    Raises GrammarInvalid with the path of what is not taken.
    """
    builder = _Builder(schema.get("$defs", {}) if isinstance(schema, dict) else {})
    root = builder.value(schema, "$")
    return builder.text(root)


def one_of(strings: Sequence[str]) -> str:
    """Rule text that admits exactly these strings, sharing their beginnings.

    A trie keeps hundreds of alternatives cheap: llama.cpp tracks one state per live branch.
    Raises GrammarInvalid if there are none.
    """
    if not strings:
        raise GrammarInvalid("one_of needs at least one string.")
    return _trie(sorted(set(strings)))


def literal(text: str) -> str:
    """The text as a GBNF literal."""
    if "\0" in text:
        raise GrammarInvalid("A grammar cannot hold the character NUL.")
    return '"' + "".join(_escaped(char) for char in text) + '"'


class _Builder:
    """Collects the rules that a schema needs; `value` returns text that may stand in a rule."""

    def __init__(self, defs: dict[str, Any]) -> None:
        self._rules: dict[str, str] = {}
        self._defs = defs
        self._named: dict[str, str] = {}

    def text(self, root: str) -> str:
        rules = {"root": root, **self._rules}
        return "".join(f"{name} ::= {body}\n" for name, body in rules.items())

    def value(self, schema: Any, path: str) -> str:
        if not isinstance(schema, dict):
            raise GrammarInvalid(f"{path}: expected a schema object, got {schema!r}.")
        if "$ref" in schema:
            return self._referred(str(schema["$ref"]), path)
        if "const" in schema:
            return _quoted([schema["const"]])
        if "enum" in schema:
            return self._enum(schema["enum"], path)
        if "anyOf" in schema:
            options = _non_empty(schema["anyOf"], f"{path}.anyOf")
            return _either([self.value(s, f"{path}.anyOf[{i}]") for i, s in enumerate(options)])
        kind: Any = schema.get("type")
        kinds = _non_empty(kind, f"{path}.type") if isinstance(kind, list) else [kind]
        self._check(schema, kinds, path)
        options = [self._typed(one, schema, path) for one in kinds]
        return _either(options) if len(options) > 1 else options[0]

    def _check(self, schema: Schema, kinds: list[Any], path: str) -> None:
        for kind in kinds:
            if kind not in _KEYS:
                raise GrammarInvalid(f"{path}: type {kind!r} is not one of {', '.join(_KEYS)}.")
        unknown = set(schema) - {"type"} - _NOTES.union(*(_KEYS[kind] for kind in kinds))
        if unknown:
            raise GrammarInvalid(f"{path}: a grammar cannot express {', '.join(sorted(unknown))}.")

    def _typed(self, kind: str, schema: Schema, path: str) -> str:
        if kind == "object":
            return self._object(schema, path)
        if kind == "array":
            return self._array(schema, path)
        if kind == "string":
            return self._string(schema, path)
        return self._primitive(kind)

    def _object(self, schema: Schema, path: str) -> str:
        properties = schema.get("properties", {})
        missing = set(schema.get("required", ())) - set(properties)
        if missing:
            raise GrammarInvalid(f"{path}: required but not described: {sorted(missing)}.")
        members = [
            f'{literal(json.dumps(name, ensure_ascii=False) + ":")} " "? '
            + self.value(value, f"{path}.{name}")
            for name, value in properties.items()
        ]
        between = f" {self._primitive('comma')} "
        return " ".join(part for part in ('"{"', between.join(members), '"}"') if part)

    def _array(self, schema: Schema, path: str) -> str:
        if "items" not in schema:
            raise GrammarInvalid(f"{path}: an array needs items.")
        least, most = self._range(schema, "minItems", "maxItems", path)
        if most == 0:
            return '"[]"'
        item = self._rule("item", self.value(schema["items"], f"{path}[]"))
        more = f"({self._primitive('comma')} {item})"
        rest = more + _repeat(max(least - 1, 0), None if most is None else most - 1)
        items = f"{item} {rest}" if least else f"({item} {rest})?"
        return f'"[" {items} "]"'

    def _string(self, schema: Schema, path: str) -> str:
        if "x-copy" in schema:
            return self._enum(schema["x-copy"], f"{path}.x-copy")
        least, most = self._range(schema, "minLength", "maxLength", path)
        if (least, most) == (0, None):
            return self._primitive("string")
        return rf'"\"" {self._primitive("char")}{_repeat(least, most)} "\""'

    def _enum(self, values: Any, path: str) -> str:
        return f"({_quoted(_non_empty(values, path))})"

    def _range(self, schema: Schema, low: str, high: str, path: str) -> tuple[int, int | None]:
        least, most = schema.get(low, 0), schema.get(high)
        if not 0 <= least <= (least if most is None else most) <= MOST_REPEATS:
            raise GrammarInvalid(
                f"{path}: {low} {least} and {high} {most} must be in order, and at most "
                f"{MOST_REPEATS:,}."
            )
        return least, most

    def _referred(self, reference: str, path: str) -> str:
        """The name of the rule for one of the $defs, made when it is first met: it may refer to
        itself."""
        name = reference.removeprefix("#/$defs/")
        if name not in self._defs:
            raise GrammarInvalid(f"{path}: {reference} is not among the schema's $defs.")
        if name not in self._named:
            rule = self._named[name] = f"def-{len(self._named)}"
            self._rules[rule] = ""
            self._rules[rule] = self.value(self._defs[name], f"$defs.{name}")
        return self._named[name]

    def _primitive(self, name: str) -> str:
        for needed in (*_NEEDS.get(name, ()), name):
            self._rules.setdefault(needed, _PRIMITIVES[needed])
        return name

    def _rule(self, stem: str, body: str) -> str:
        name = f"{stem}-{len(self._rules)}"
        self._rules[name] = body
        return name


def _trie(strings: list[str]) -> str:
    """strings: sorted, without duplicates; an empty one comes first and makes the rest optional"""
    optional = strings[0] == ""
    branches = []
    for _, group in groupby(strings[optional:], key=lambda string: string[0]):
        branch = list(group)
        shared = _shared_start(branch)
        rests = [string[len(shared) :] for string in branch]
        rest = _trie(rests) if len(rests) > 1 else ""
        branches.append(f"{literal(shared)} {rest}".rstrip())
    if not branches:
        return '""'
    text = " | ".join(branches)
    if optional:
        return f"({text})?"
    return f"({text})" if len(branches) > 1 else text


def _shared_start(strings: list[str]) -> str:
    """Of sorted strings, the first and the last differ first."""
    first, last = strings[0], strings[-1]
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: min(len(first), len(last)) if length is None else length]


def _quoted(values: Sequence[Any]) -> str:
    return one_of([json.dumps(value, ensure_ascii=False) for value in values])


def _either(options: list[str]) -> str:
    return f"({' | '.join(options)})"


def _non_empty(values: Any, path: str) -> list[Any]:
    if not isinstance(values, list | tuple) or not values:
        raise GrammarInvalid(f"{path}: expected a list with at least one entry, got {values!r}.")
    return list(values)


def _repeat(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _escaped(char: str) -> str:
    named = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
    if char in named:
        return named[char]
    return char if char.isprintable() and char.isascii() else _codepoint(char)


def _codepoint(char: str) -> str:
    number = ord(char)
    if number <= 0xFF:
        return f"\\x{number:02X}"
    return f"\\u{number:04X}" if number <= 0xFFFF else f"\\U{number:08X}"
