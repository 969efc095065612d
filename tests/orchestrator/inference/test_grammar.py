from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.inference.base import GrammarInvalid
from orchestrator.inference.grammar import from_schema, literal, one_of

from .gbnf import pattern

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def admits(schema: dict[str, Any], text: str) -> bool:
    return pattern(from_schema(schema)).fullmatch(text) is not None


@given(st.sets(texts.filter(lambda t: "\0" not in t), min_size=1, max_size=30), texts)
def test_one_of_admits_these_strings_and_no_other(strings, other):
    found = pattern(f"root ::= {one_of(sorted(strings))}")
    assert all(found.fullmatch(string) for string in strings)
    assert bool(found.fullmatch(other)) == (other in strings)


def test_one_of_shares_beginnings():
    addresses = [f"colleague.{n:03}@office.example" for n in range(300)]
    assert one_of(addresses).count("colleague.") == 1
    assert one_of(["on", "only", "on"]) == '"on" ("ly")?'


def test_one_of_nothing_is_an_error():
    with pytest.raises(GrammarInvalid, match="at least one"):
        one_of([])


def test_a_literal_escapes_what_gbnf_would_read():
    assert literal('a"b\\c\nd\x01é€😀') == r'"a\"b\\c\nd\x01\xE9\u20AC\U0001F600"'
    with pytest.raises(GrammarInvalid, match="NUL"):
        literal("a\0b")


def schemas() -> st.SearchStrategy[tuple[dict[str, Any], Any]]:
    """A schema and a value that obeys it."""
    leaves = st.one_of(
        st.tuples(st.just({"type": "string"}), texts),
        st.tuples(st.just({"type": "string", "maxLength": 8, "title": "t"}), texts),
        st.tuples(st.just({"type": "integer"}), st.integers(-(10**15), 10**15)),
        st.tuples(st.just({"type": "number"}), st.floats(-1e9, 1e9).map(lambda x: round(x, 3))),
        st.tuples(st.just({"type": "boolean"}), st.booleans()),
        st.tuples(st.just({"type": ["null", "boolean"]}), st.none() | st.booleans()),
        st.lists(texts, min_size=1).flatmap(
            lambda xs: st.tuples(
                st.sampled_from([{"type": "string", "x-copy": xs}, {"enum": xs}]),
                st.sampled_from(xs),
            )
        ),
        texts.map(lambda x: ({"const": x}, x)),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.dictionaries(texts, inner, max_size=3).map(
                lambda d: (
                    {
                        "type": "object",
                        "properties": {k: s for k, (s, _) in d.items()},
                        "required": list(d),
                    },
                    {k: v for k, (_, v) in d.items()},
                )
            ),
            st.tuples(inner, st.integers(0, 3)).map(
                lambda pair: (
                    {"type": "array", "items": pair[0][0], "maxItems": 3},
                    [pair[0][1]] * pair[1],
                )
            ),
            st.tuples(inner, inner).map(lambda p: ({"anyOf": [p[0][0], p[1][0]]}, p[1][1])),
        ),
        max_leaves=6,
    )


@settings(max_examples=150)
@given(schemas())
def test_the_json_of_a_fitting_value_is_admitted(pair):
    schema, value = pair
    tight = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    spaced = json.dumps(value, ensure_ascii=False)
    assert admits(schema, tight)
    assert admits(schema, spaced)


def test_other_whitespace_is_refused():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"}}}
    assert admits(schema, '{"a": 1, "b": null}')
    for text in ('{ "a":1,"b":null}', '{"a":  1,"b":null}', '{"b":null,"a":1}', '{"a":1}'):
        assert not admits(schema, text)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, "[1,2,3]", "[1]"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 1}, "[]", "[1,2]"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, "[]", "[1]"),
        ({"type": "string", "minLength": 1, "maxLength": 2}, '"ab"', '"abc"'),
        ({"type": "string", "x-copy": ["a@x.org", "b@x.org"]}, '"b@x.org"', '"c@x.org"'),
        ({"type": "integer"}, "-12", "012"),
        ({"type": "number"}, "1.5e3", "1."),
        ({"enum": [1, "one", None]}, '"one"', "one"),
        ({"type": "object"}, "{}", '{"a":1}'),
    ],
)
def test_limits(schema, good, bad):
    assert admits(schema, good)
    assert not admits(schema, bad)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object", "properties": {"a": {"type": "date"}}}, r"\$\.a: type 'date'"),
        ({"type": "array", "items": {"type": "string", "pattern": "x"}}, r"\$\[\]: .*pattern"),
        ({"type": "integer", "minimum": 3}, r"\$: a grammar cannot express minimum"),
        ({"type": "array"}, "needs items"),
        ({"anyOf": []}, r"\$\.anyOf: expected a list"),
        ({"type": "string", "x-copy": []}, r"x-copy: expected a list"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "in order"),
        ({"type": "string", "maxLength": 99999}, "at most 1,000"),
        ({"type": "object", "required": ["b"]}, "required but not described"),
        ({"$ref": "#/x"}, "not among"),
        ({"type": "object", "properties": {"a": True}}, r"\$\.a: expected a schema object"),
    ],
)
def test_what_is_not_taken_is_named_with_its_path(schema, message):
    with pytest.raises(GrammarInvalid, match=message):
        from_schema(schema)
