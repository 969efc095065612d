"""Nothing of Python's own can be reached from a program, whatever it is made of."""

from __future__ import annotations

import ast
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.agent import interpreter, program, syntax
from orchestrator.agent.program import Limits, ProgramError, run

REACHED: list[Any] = []
SMALL = Limits(steps=20_000, cpu_s=2)
FUNCTIONS = {"echo": lambda value: value, "rows": lambda: [{"a": Decimal("1.5"), "b": None}]}

ESCAPES = [
    "().__class__",
    "().__class__.__bases__[0].__subclasses__()",
    "[].__class__.__mro__[-1].__subclasses__()",
    "''.__class__.__init__.__globals__",
    "echo.__globals__",
    "echo.__code__",
    "echo.__self__",
    "(lambda: 0).__code__",
    "(lambda: 0).__globals__['__builtins__']",
    "(lambda x: x)(1)",
    "sorted([1], key=lambda x: x.__class__)",
    "sorted([1], key=lambda x, y=().__class__: y)",
    "sorted([1], key=lambda *a: a)",
    "echo(key=lambda x: x)",
    "__import__('os').system('true')",
    "__builtins__",
    "__builtins__['eval']",
    "__name__",
    "__file__",
    "eval('1')",
    "exec('1')",
    "compile('1', '', 'eval')",
    "open('/etc/passwd').read()",
    "globals()",
    "locals()",
    "vars()",
    "dir()",
    "getattr((), '__class__')",
    "setattr(echo, 'a', 1)",
    "type(1)",
    "type('X', (), {})",
    "object()",
    "breakpoint()",
    "input()",
    "exit()",
    "print(1)",
    "memoryview(b'a')",
    "bytearray(1)",
    "b'a'",
    "1j",
    "...",
    "'{0.__class__}'.format(1)",
    "'{0.__class__.__mro__}'.format_map({'0': 1})",
    "str.format('{0.__class__}', 1)",
    "f'{().__class__}'",
    "f'{1!r}'",
    "f'{1:{10 ** 9}}'",
    "f'{1:999999999}'",
    "f'{1:.999999999f}'",
    "f\"{'a':>{'9' * 9}}\"",
    "'%s' % ().__class__",
    "'%999999999d' % 1",
    "'a'.join.__self__",
    "'a'.encode()",
    "'a'.translate({})",
    "'a'.center(10 ** 9)",
    "'a'.ljust(10 ** 9)",
    "'a'.zfill(10 ** 9)",
    "'\\t'.expandtabs(10 ** 9)",
    "(x for x in [1]).gi_frame",
    "(x for x in [1]).gi_frame.f_back.f_globals",
    "[x for x in [1]].__iter__",
    "[y := 1, y]",
    "[*[1]]",
    "{**{}}",
    "echo(*[1])",
    "echo(**{'value': 1})",
    "dict(**{'a': 1})",
    "(yield)",
    "await echo(1)",
    "[x async for x in echo(1)]",
    "'a' * 10 ** 9",
    "[0] * 10 ** 9",
    "((((1,) * 99999) * 99999) * 99999)",
    "9 ** 9 ** 9",
    "(-9) ** 0.5",
    "2.5 ** 10 ** 9",
    "1 << 10 ** 9",
    "~1",
    "1 @ 1",
    "int('9' * 10 ** 6)",
    "float('nan')",
    "float('inf')",
    "float('1e999999999')",
    "'%c' % 99",
    "str(str)",
    "len(len)",
    "sum([[1], [2]], [])",
    "sorted([echo])",
    "{}.fromkeys('ab')",
    "{}.__getitem__('a')",
    "{}.get.__self__",
    "rows()[0].a",
    "rows().sort.__self__",
    "Decimal(1)",
    "rows()[0]['a'].as_tuple()",
    "rows()[0]['a'].quantize(1)",
]
STATEMENTS = [
    "import os",
    "from os import system",
    "def f(): return f()\nf()",
    "class X: pass",
    "class X(metaclass=type): pass",
    "while True: pass",
    "try:\n    1 / 0\nexcept Exception as e:\n    x = e.__traceback__",
    "with open('a') as f: pass",
    "global x",
    "nonlocal x",
    "del x",
    "raise ValueError",
    "assert False",
    "return 1",
    "@echo\ndef f(): pass",
    "async def f(): pass",
    "match 1:\n    case int(): pass",
    "x: int = ().__class__",
    "__builtins__ = 1",
    "x.__class__ = 1",
    "echo.a = 1",
    "(echo).__defaults__ = ()",
    "for __x in [1]: pass",
    "for x.a in [1]: pass",
    "[x for x.a in [1]]",
    "x = []\nx[:] = [1]",
    "a = b = []\na.append(b)\nc = a == b",
    "type X = int",
    "\0",
    "x = '\\ud800'",
    "x = '\\0'",
]


def is_plain(value: Any, depth: int = 0) -> bool:
    if depth > 40:
        return False
    if isinstance(value, dict):
        return all(is_plain(part, depth + 1) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set):
        return all(is_plain(part, depth + 1) for part in value)
    return value is None or type(value) in (bool, int, Decimal, str)


def ends_well(source: str) -> None:
    """The program ends soon, in plain values or in a ProgramError fit to be stored."""
    started_s = time.monotonic()
    try:
        assert is_plain(run(source, FUNCTIONS, SMALL))
    except ProgramError as wrong:
        assert len(wrong.message) < 4_000
        assert "\0" not in wrong.message.removeprefix("line") or "\0" in source
    assert time.monotonic() - started_s < 10


@pytest.mark.parametrize("source", [f"x = {escape}" for escape in ESCAPES] + STATEMENTS)
def test_classic_escapes_are_refused(source):
    with pytest.raises(ProgramError):
        run(source, FUNCTIONS, SMALL)


def test_a_loop_over_a_growing_list_ends():
    assert run("x = [0]\nfor i in x:\n    x.append(i)\n    x += x", {}, SMALL)["x"] == [0] * 4


def test_no_node_type_is_allowed_without_being_evaluated():
    walker = interpreter.Interpreter(None, {}, {})  # type: ignore[arg-type]
    evaluated = {*walker.expressions, *walker.statements}
    structure = {ast.Attribute, ast.Slice, ast.Lambda}  # met only inside of those
    assert set(syntax._EXPRESSIONS) | set(syntax._STATEMENTS) == evaluated | structure


TOKENS = """
x y rows() echo( ) [ ] { } ( : , . = == + - * ** / // % < > in not and or if else for lambda is None
True 0 1 -1 2.5 10**9 'a' '' f'{x}' f'{x:.2f}' key= sorted( sum( min( len( str( dict( range( zip(
.get( .items() .append( .join( .__class__ ['a'] [0] [1:] pass break continue += *= |= & ~ @ := ** _
yield import __x__
"""
WORDS = st.sampled_from([*TOKENS.split(), "\n", "\n    "])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS, max_size=40), st.booleans())
def test_token_soup(words, spaced):
    ends_well((" " if spaced else "").join(words))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text):
    ends_well(text)


OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "<", "==", "in", "and", "or", "is", "|")
LEAVES = ("x", "y", "1", "2.5", "'ab'", "None", "[]", "{}", "rows()", "(1, 'a')")
EXPRESSIONS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(st.sampled_from(syntax.BUILTINS), st.lists(inner, max_size=3)).map(
            lambda t: f"{t[0]}({', '.join(t[1])})"
        ),
        st.tuples(inner, st.sampled_from(syntax._METHOD_NAMES), st.lists(inner, max_size=2)).map(
            lambda t: f"{t[0]}.{t[1]}({', '.join(t[2])})"
        ),
        st.tuples(inner, inner).map(lambda t: f"{t[0]}[{t[1]}]"),
        st.tuples(inner, inner).map(lambda t: f"[{t[0]} for x in {t[1]}]"),
        st.tuples(inner, inner).map(lambda t: f"sorted({t[0]}, key=lambda y: {t[1]})"),
        inner.map(lambda t: f'f"{{{t}:,.2f}}"' if '"' not in t and "{" not in t else t),
    ),
    max_leaves=8,
)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EXPRESSIONS, min_size=1, max_size=4))
def test_valid_programs_over_every_function_and_method(expressions):
    lines = ["x = [1]", "y = {'a': x}"]
    for number, expression in enumerate(expressions):
        lines.append(f"{'xy'[number % 2]} = {expression}")
    ends_well("\n".join(lines))


SOURCES = [Path(module.__file__ or "").read_text() for module in (program, interpreter)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pieces_of_real_python(data):
    lines = data.draw(st.sampled_from(SOURCES)).splitlines()
    start = data.draw(st.integers(0, len(lines) - 1))
    piece = "\n".join(lines[start : start + data.draw(st.integers(1, 15))])
    cut = data.draw(st.integers(0, len(piece)))
    ends_well(piece[:cut] + data.draw(st.sampled_from(["", "(", "\n", "x", ".a", "= 1"])))
    ends_well(piece)
