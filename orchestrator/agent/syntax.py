"""The subset of Python that programs are written in, and how a program is found in an answer.

`parse` refuses whatever is not on the list, before anything runs, in words from which a small
model can repair its program.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from orchestrator.tools.values import clean_text

MAX_DEPTH = 60
KEYED = ("sorted", "min", "max", "sort")  # the calls that take key=lambda

METHODS: dict[type, tuple[str, ...]] = {
    str: (
        *("lower", "upper", "title", "capitalize", "casefold", "strip", "lstrip", "rstrip"),
        *("split", "splitlines", "replace", "startswith", "endswith", "join", "count", "find"),
        *("isdigit", "removeprefix", "removesuffix"),
    ),
    list: ("append", "extend", "insert", "pop", "remove", "index", "count", "sort", "copy"),
    dict: ("get", "items", "keys", "values", "setdefault", "update", "pop", "copy"),
    set: ("add", "copy"),
}
_METHOD_NAMES = sorted({name for names in METHODS.values() for name in names})

_STATEMENTS = (ast.Assign, ast.AugAssign, ast.Expr, ast.For, ast.If, ast.Pass)
_STATEMENTS += (ast.Break, ast.Continue)  # type: ignore[assignment]
_EXPRESSIONS = (
    *(ast.Name, ast.Constant, ast.JoinedStr, ast.FormattedValue, ast.Attribute, ast.Subscript),
    *(ast.Slice, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Call, ast.Lambda, ast.IfExp),
    *(ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
_PARTS = (ast.Module, ast.comprehension, ast.keyword, ast.arguments, ast.arg, ast.expr_context)
_OPERATORS = (
    *(ast.boolop, ast.cmpop, ast.UAdd, ast.USub, ast.Not),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.BitOr, ast.BitAnd),
)
_ALLOWED = (*_STATEMENTS, *_EXPRESSIONS, *_PARTS, *_OPERATORS)

_REFUSED: dict[type[ast.AST], str] = {
    ast.Import: "leave imports out: every function on offer is there already",
    ast.ImportFrom: "leave imports out: every function on offer is there already",
    ast.FunctionDef: "def is not offered: write the steps one after the other",
    ast.ClassDef: "class is not offered: use dicts",
    ast.While: "while is not offered: use for ... in a list",
    ast.Try: "try is not offered: check with if",
    ast.With: "with is not offered: the functions open and close files themselves",
    ast.Return: "return is not offered: end with the last call",
    ast.AnnAssign: "leave the type annotation out",
    ast.NamedExpr: ":= is not offered: assign on a line of its own",
    ast.Starred: "* is not offered: name the values",
    ast.Assert: "assert is not offered: check with if",
    ast.Delete: "del is not offered: build a new list without it",
    ast.Raise: "raise is not offered",
}


class Fault(Exception):
    """What a line of the program did wrong; becomes a ProgramError once the line is known."""

    def __init__(self, message: str, line: int = 0):
        super().__init__(message)
        self.line = line


class ProgramError(Exception):
    """A mistake in a program, for the model that wrote it to repair.

    message: the line's text, what was given, what would be right
    line:    1-based; 0 where no line is meant
    """

    def __init__(self, message: str, line: int = 0):
        super().__init__(message)
        self.message = message
        self.line = line

    @classmethod
    def at(cls, source: str, fault: Fault) -> ProgramError:
        """The fault with the text of its line."""
        lines = source.splitlines()
        if not 0 < fault.line <= len(lines):
            return cls(str(fault), 0)
        text = lines[fault.line - 1].strip()[:120]
        return cls(f"line {fault.line}: {text}\n{fault}", fault.line)


def parse(source: str, functions: Mapping[str, Callable[..., Any]], most_chars: int) -> ast.Module:
    """The program's tree, checked: only the subset, only functions on offer, called rightly.

    Raises Fault.
    """
    if len(source) > most_chars:
        raise Fault(f"the program has {len(source)} characters; write one of at most {most_chars}")
    try:
        tree = ast.parse(source)
    except SyntaxError as wrong:
        raise Fault(f"this is not valid Python: {wrong.msg}", wrong.lineno or 0) from None
    except (ValueError, RecursionError, MemoryError, OverflowError):
        raise Fault(
            "this is not valid Python: it cannot be read, or is nested too deeply"
        ) from None
    for node, parent in _walk(tree):
        _check(node, parent, functions)
    return tree


def extract_source(text: str) -> str:
    """The program in a model's answer: without fences, and without prose around it.

    A fence that was never closed (the answer was cut) ends with the text.
    """
    text = text.replace("\r\n", "\n")
    fenced = re.search(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", text, re.S | re.I)
    if fenced:
        return fenced[1].strip("\n").rstrip()
    lines = text.replace("```", "").strip("\n").splitlines()
    starts = [number for number, line in enumerate(lines) if _CODE.match(line)]
    if not starts:
        return "\n".join(lines).strip()
    kept = lines[starts[0] :]
    for end in range(len(kept), max(starts[-1] - starts[0], len(kept) - 40), -1):
        if _parses("\n".join(kept[:end])):
            return "\n".join(kept[:end]).rstrip()
    return "\n".join(kept).rstrip()


_CODE = re.compile(
    r"""\#                                            # a comment
    | for\ .+\ in\ .+:
    | if\ .+:$
    | [A-Za-z_]\w*(\[[^\]]*\])*(,\ *\w+)*\ *[-+*/]?=[^=]   # an assignment
    | [a-z_]\w*(\.\w+)?\(                          # a call""",
    re.VERBOSE,
)


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Every node below the module with its parent. Raises Fault where the tree is too deep."""
    waiting: list[tuple[ast.AST, ast.AST, int]] = [
        (child, tree, 1) for child in ast.iter_child_nodes(tree)
    ]
    while waiting:
        node, parent, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Fault("nested too deeply: split it into several lines", _line(node, parent))
        yield node, parent
        waiting += [(child, node, depth + 1) for child in ast.iter_child_nodes(node)]


def _line(node: ast.AST, parent: ast.AST) -> int:
    return int(getattr(node, "lineno", 0) or getattr(parent, "lineno", 0))


def _check(node: ast.AST, parent: ast.AST, functions: Mapping[str, Callable[..., Any]]) -> None:
    problem = ""
    if not isinstance(node, _ALLOWED):
        name = type(node).__name__
        problem = _REFUSED.get(type(node), f"{name} is not offered in programs")
    elif isinstance(node, ast.For) and node.orelse:
        problem = "for ... else is not offered"
    elif isinstance(node, ast.Name) and node.id.startswith("__"):
        problem = f"the name {node.id} is not offered"
    elif isinstance(node, ast.Constant):
        problem = _problem_of_constant(node)
    elif isinstance(node, ast.comprehension) and node.is_async:
        problem = "async is not offered"
    elif isinstance(node, ast.FormattedValue):
        problem = _problem_of_format(node)
    elif isinstance(node, ast.Attribute):
        problem = _problem_of_attribute(node, parent)
    elif isinstance(node, ast.Call):
        problem = _problem_of_call(node, functions)
    elif isinstance(node, ast.Lambda):
        problem = _problem_of_lambda(node, parent)
    elif isinstance(node, ast.keyword) and node.arg is None:
        problem = "** is not offered: name each argument"
    elif isinstance(node, ast.Dict) and None in node.keys:
        problem = "** is not offered: name each key, or use .update"
    if problem:
        raise Fault(problem, _line(node, parent))


def _problem_of_constant(node: ast.Constant) -> str:
    if isinstance(node.value, str) and clean_text(node.value) != node.value:
        return "a text holds characters that cannot be stored"
    if node.value is None or isinstance(node.value, bool | int | float | str):
        return ""
    return f"{type(node.value).__name__} values are not offered"


_SPEC = re.compile(r"[<>^]?0?\d{0,2},?(\.\d{1,2})?[fd%s]?")


def _problem_of_format(node: ast.FormattedValue) -> str:
    if node.conversion != -1:
        return "!r and !s are not offered in f-strings"
    if node.format_spec is None:
        return ""
    parts = node.format_spec.values if isinstance(node.format_spec, ast.JoinedStr) else []
    texts = [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    if len(texts) != len(parts) or not _SPEC.fullmatch("".join(texts)):
        return "only simple formats are offered in f-strings, such as {x:.2f} or {x:,.2f}"
    return ""


def _problem_of_attribute(node: ast.Attribute, parent: ast.AST) -> str:
    if isinstance(parent, ast.Call) and parent.func is node:
        if node.attr in _METHOD_NAMES:
            return ""
        instead = "; use an f-string" if node.attr == "format" else ""
        return f".{node.attr}() is not offered{instead}. There are: {', '.join(_METHOD_NAMES)}"
    written = node.value.id if isinstance(node.value, ast.Name) else "row"
    return (
        f'.{node.attr} is not offered: to take a value out of a row write {written}["{node.attr}"]'
    )


def _problem_of_lambda(node: ast.Lambda, parent: ast.AST) -> str:
    plain = node.args.args and not (
        node.args.posonlyargs
        or node.args.kwonlyargs
        or node.args.defaults
        or node.args.vararg
        or node.args.kwarg
    )
    if not (isinstance(parent, ast.keyword) and parent.arg == "key"):
        return "lambda is offered only as key= of sorted, min and max"
    if not plain or len(node.args.args) != 1 or node.args.args[0].arg.startswith("__"):
        return "the lambda of key= takes one plain argument: key=lambda row: row[...]"
    return ""


def _problem_of_call(node: ast.Call, functions: Mapping[str, Callable[..., Any]]) -> str:
    called = node.func
    if any(
        keyword.arg == "key" and isinstance(keyword.value, ast.Lambda) for keyword in node.keywords
    ):
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        if name not in KEYED or name in functions:
            return "lambda is offered only as key= of sorted, min and max"
    if isinstance(called, ast.Attribute):
        return ""
    if not isinstance(called, ast.Name):
        return "only functions on offer can be called, by their name"
    if called.id in functions:
        return _problem_of_arguments(called.id, node, functions[called.id])
    if called.id in BUILTINS:
        return ""
    return unknown_function(called.id, functions)


def unknown_function(name: str, functions: Mapping[str, Any]) -> str:
    """Names the functions that may have been meant."""
    near = get_close_matches(name, [*functions, *BUILTINS], 3, 0.6)
    meant = f"; did you mean {' or '.join(near)}" if near else ""
    if name == "print" and "finish" in functions:
        meant = "; to tell the boss the result: finish(answer)"
    return f"there is no function {name}{meant}. The functions are: {', '.join(functions)}"


def _problem_of_arguments(name: str, node: ast.Call, function: Callable[..., Any]) -> str:
    if any(isinstance(part, ast.Starred) for part in node.args):
        return _REFUSED[ast.Starred]
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions of C have none
        return ""
    names = [keyword.arg for keyword in node.keywords if keyword.arg is not None]
    try:
        signature.bind(*node.args, **dict.fromkeys(names))
    except TypeError as wrong:
        return f"{name}: {wrong}. Use: {name}{signature}".replace("'", "")
    return ""


BUILTINS = (
    *("len", "sum", "min", "max", "sorted", "reversed", "round", "abs", "str", "int", "float"),
    *("bool", "range", "enumerate", "zip", "any", "all", "list", "dict", "set", "tuple"),
)
