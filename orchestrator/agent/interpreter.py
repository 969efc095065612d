"""Walk a checked program over plain data, with operators and functions of our own."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

from orchestrator.agent import builtin, methods, operations
from orchestrator.agent.meter import Meter, checked_number
from orchestrator.agent.syntax import Fault, unknown_function
from orchestrator.tools.base import ToolError
from orchestrator.tools.values import listed, plain

_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


class _Break(Fault):
    """break, on its way to its loop; a mistake if there is none"""


class _Continue(Fault):
    """continue, on its way to its loop"""


class Interpreter:
    """One run. `scopes` holds the variables: the program's, then those of open comprehensions."""

    def __init__(
        self,
        meter: Meter,
        functions: Mapping[str, Callable[..., Any]],
        variables: dict[str, Any],
    ):
        self.meter = meter
        self.functions = functions
        self.scopes = [variables]
        self.statements: dict[type[ast.AST], Callable[[Any], None]] = {
            ast.Assign: self._assign,
            ast.AugAssign: self._augment,
            ast.Expr: lambda node: self.value(node.value),
            ast.For: self._for,
            ast.If: self._if,
            ast.Pass: lambda node: None,
            ast.Break: self._break,
            ast.Continue: self._continue,
        }
        self.expressions: dict[type[ast.AST], Callable[[Any], Any]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.JoinedStr: self._joined,
            ast.FormattedValue: self._shown,
            ast.Subscript: self._subscript,
            ast.List: lambda node: self._values(node.elts),
            ast.Tuple: lambda node: tuple(self._values(node.elts)),
            ast.Set: lambda node: {operations.as_key(v) for v in self._values(node.elts)},
            ast.Dict: self._dict,
            ast.Call: self._call,
            ast.IfExp: lambda node: self.value(node.body if self.value(node.test) else node.orelse),
            ast.BoolOp: self._bool,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.Compare: self._compare,
            ast.ListComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.SetComp: lambda node: {operations.as_key(v) for v in self._comprehension(node)},
            ast.DictComp: self._dict_comprehension,
        }

    # Statements

    def run_all(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self.meter.step()
            try:
                self.statements[type(statement)](statement)
            except Fault as fault:
                fault.line = fault.line or statement.lineno
                raise

    def _assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self._bind(target, value)

    def _augment(self, node: ast.AugAssign) -> None:
        change = self.value(node.value)
        if isinstance(node.target, ast.Subscript):
            owner, key = self.value(node.target.value), self._key(node.target)
            old = operations.item(owner, key)
            operations.put(owner, key, self._changed(node.op, old, change))
        elif isinstance(node.target, ast.Name):
            old = self._name(node.target)
            self.scopes[-1][node.target.id] = self._changed(node.op, old, change)
        else:
            raise Fault("only a variable or an item can be changed")

    def _changed(self, kind: ast.operator, old: Any, change: Any) -> Any:
        if isinstance(old, list) and isinstance(kind, ast.Add):
            return methods.call_method(self.meter, old, "extend", [change], {}) or old
        return operations.binary(self.meter, type(kind), old, change)

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.scopes[-1][target.id] = value
        elif isinstance(target, ast.Subscript):
            operations.put(self.value(target.value), self._key(target), value)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = operations.iterate(self.meter, value)
            if len(parts) != len(target.elts):
                raise Fault(f"{len(target.elts)} names for {len(parts)} values")
            for part, item in zip(target.elts, parts, strict=True):
                self._bind(part, item)
        else:
            raise Fault("only a variable or an item can be assigned")

    def _key(self, target: ast.Subscript) -> Any:
        if isinstance(target.slice, ast.Slice):
            raise Fault("a part of a list cannot be assigned: build a new list")
        return self.value(target.slice)

    def _for(self, node: ast.For) -> None:
        for item in operations.iterate(self.meter, self.value(node.iter)):
            self.meter.step()
            self._bind(node.target, item)
            try:
                self.run_all(node.body)
            except _Continue:
                continue
            except _Break:
                break

    def _if(self, node: ast.If) -> None:
        self.run_all(node.body if self.value(node.test) else node.orelse)

    def _break(self, node: ast.Break) -> None:
        raise _Break("break belongs inside a for")

    def _continue(self, node: ast.Continue) -> None:
        raise _Continue("continue belongs inside a for")

    # Expressions

    def value(self, node: ast.expr) -> Any:
        self.meter.step()
        try:
            return self.expressions[type(node)](node)
        except Fault as fault:  # the innermost line claims it
            fault.line = fault.line or node.lineno
            raise

    def _values(self, nodes: Sequence[ast.expr]) -> list[Any]:
        self.meter.built(8 * len(nodes))
        return [self.value(node) for node in nodes]

    def _constant(self, node: ast.Constant) -> Any:
        return admitted(node.value)

    def _name(self, node: ast.Name) -> Any:
        for scope in reversed(self.scopes):
            if node.id in scope:
                return scope[node.id]
        if node.id in self.functions or node.id in builtin.FUNCTIONS:
            raise Fault(f"{node.id} is a function: call it, {node.id}(...)")
        names = [name for scope in self.scopes for name in scope]
        there = f"the variables are: {listed(names)}" if names else "there are no variables yet"
        raise Fault(f"there is no variable {node.id}; {there}")

    def _joined(self, node: ast.JoinedStr) -> str:
        parts = [str(self.value(part)) for part in node.values]
        self.meter.built(sum(map(len, parts)))
        return "".join(parts)

    def _shown(self, node: ast.FormattedValue) -> str:
        spec = str(self.value(node.format_spec)) if node.format_spec else ""
        return operations.formatted(self.meter, self.value(node.value), spec)

    def _subscript(self, node: ast.Subscript) -> Any:
        value = self.value(node.value)
        if not isinstance(node.slice, ast.Slice):
            return operations.item(value, self.value(node.slice))
        bounds = [node.slice.lower, node.slice.upper, node.slice.step]
        return operations.cut(self.meter, value, *(b and self.value(b) for b in bounds))

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        keys = self._values([key for key in node.keys if key is not None])
        values = self._values(node.values)
        return {operations.as_key(key): value for key, value in zip(keys, values, strict=True)}

    def _bool(self, node: ast.BoolOp) -> Any:
        stops_at = isinstance(node.op, ast.Or)
        value = None
        for part in node.values:
            value = self.value(part)
            if bool(value) is stops_at:
                break
        return value

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return not value
        return operations.signed(value, _SIGNS[type(node.op)])

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        return operations.binary(self.meter, type(node.op), left, right)

    def _compare(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for kind, part in zip(node.ops, node.comparators, strict=True):
            right = self.value(part)
            if not operations.compare(self.meter, type(kind), left, right):
                return False
            left = right
        return True

    # Comprehensions

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> list[Any]:
        return self._collected(node.generators, lambda: self.value(node.elt))

    def _dict_comprehension(self, node: ast.DictComp) -> dict[Any, Any]:
        pairs = self._collected(
            node.generators,
            lambda: (operations.as_key(self.value(node.key)), self.value(node.value)),
        )
        return dict(pairs)

    def _collected(
        self, generators: Sequence[ast.comprehension], make: Callable[[], Any]
    ) -> list[Any]:
        made: list[Any] = []

        def go_through(depth: int) -> None:
            if depth == len(generators):
                self.meter.built(8)
                made.append(make())
                return
            each = generators[depth]
            for item in operations.iterate(self.meter, self.value(each.iter)):
                self.meter.step()
                self._bind(each.target, item)
                if all(self.value(test) for test in each.ifs):
                    go_through(depth + 1)

        with self._scope():
            go_through(0)
        return made

    @contextmanager
    def _scope(self) -> Iterator[dict[str, Any]]:
        self.scopes.append({})
        try:
            yield self.scopes[-1]
        finally:
            self.scopes.pop()

    # Calls

    def _call(self, node: ast.Call) -> Any:
        named = {k.arg: self._argument(k.value) for k in node.keywords if k.arg is not None}
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            args = [self.value(arg) for arg in node.args]
            return methods.call_method(self.meter, owner, node.func.attr, args, named)
        assert isinstance(node.func, ast.Name)  # `parse` let nothing else through
        name = node.func.id
        args = [self.value(arg) for arg in node.args]
        if name in self.functions:
            return self._call_offered(name, args, named)
        if name in builtin.FUNCTIONS:
            return builtin.call_function(self.meter, name, args, named)
        raise Fault(unknown_function(name, self.functions))

    def _argument(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Lambda):
            return lambda value: self._call_lambda(node, value)
        return self.value(node)

    def _call_lambda(self, node: ast.Lambda, value: Any) -> Any:
        with self._scope() as scope:
            scope[node.args.args[0].arg] = value
            return self.value(node.body)

    def _call_offered(self, name: str, args: list[Any], named: dict[str, Any]) -> Any:
        self.meter.weigh([args, named])
        started_s = self.meter.call()
        try:
            result = self.functions[name](*args, **named)
        except ToolError as mistake:
            raise Fault(str(mistake)) from mistake
        finally:
            self.meter.returned(started_s)
        value = admitted(result)
        self.meter.weigh(value)
        return value


def admitted(value: Any) -> Any:
    """The value as a program holds it: plain data of its own, amounts as Decimals, ISO dates."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | Decimal):
        return checked_number(value)
    if isinstance(value, float):
        return checked_number(Decimal(repr(value)))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {admitted(key): admitted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        parts = [admitted(item) for item in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, set | frozenset):
        return {admitted(item) for item in value}
    raise TypeError(f"a function returned {plain(value)}, which is not plain data")
