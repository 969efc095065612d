"""Reads STRIPS domains and problems in PDDL: what blocksworld files need, and no more.

Requirements :strips and :typing (types are read and ignored); conjunctions of atoms, and `not` in
effects. Anything else is refused with the place where it stands.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.worldmodel.base import WorldModelError

Atom = tuple[str, ...]  # ("on", "a", "b")
Tree = list[Any]  # of words and trees

SYMBOL = re.compile(r"[()]|[^\s();]+|;[^\n]*")
SUPPORTED = {":strips", ":typing"}
LONGEST = 1_000_000  # characters; a longer file is not a problem of this size
DEEPEST = 50


class PddlError(WorldModelError):
    """The file is not what it should be; the message names the file, the place and what to do."""


@dataclass(frozen=True)
class Operator:
    name: str
    parameters: tuple[str, ...]
    needs: frozenset[Atom]
    adds: frozenset[Atom]
    deletes: frozenset[Atom]

    def bound(self, atoms: frozenset[Atom], objects: Sequence[str]) -> frozenset[Atom]:
        """`atoms` with the parameters replaced by `objects`."""
        values = dict(zip(self.parameters, objects, strict=True))
        return frozenset((name, *(values.get(a, a) for a in args)) for name, *args in atoms)


@dataclass(frozen=True)
class Domain:
    name: str
    predicates: Mapping[str, int] = field(hash=False)  # arity by name
    operators: tuple[Operator, ...]


@dataclass(frozen=True)
class Problem:
    name: str
    objects: tuple[str, ...]
    start: frozenset[Atom]
    goal: frozenset[Atom]


def read_domain(path: Path) -> Domain:
    return parse_domain(_text(path), str(path))


def read_problem(path: Path, domain: Domain) -> Problem:
    return parse_problem(_text(path), domain, str(path))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LONGEST:
            raise PddlError(f"{path}: larger than {LONGEST} bytes; this is no planning problem")
        return path.read_text()
    except (OSError, UnicodeDecodeError) as reason:
        raise PddlError(f"{path}: cannot be read as text: {reason}") from reason


def parse_domain(text: str, where: str = "domain") -> Domain:
    sections = _sections(text, "domain", where)
    unsupported = set(_flat(sections.get(":requirements", []), where)) - SUPPORTED
    if unsupported:
        raise PddlError(f"{where}: {', '.join(sorted(unsupported))} is not supported, only :strips")
    predicates = {}
    for entry in sections.get(":predicates", []):
        if not (isinstance(entry, list) and entry and isinstance(entry[0], str)):
            raise PddlError(
                f"{where}: in :predicates, expected (name ?x ...), found {_show(entry)}"
            )
        predicates[entry[0]] = len(_untyped(entry[1:], where))
    if not predicates:
        raise PddlError(f"{where}: has no (:predicates ...)")
    operators = tuple(_operator(tree, predicates, where) for tree in sections[":action"])
    if not operators:
        raise PddlError(f"{where}: has no (:action ...)")
    return Domain(str(sections["name"]), predicates, operators)


def parse_problem(text: str, domain: Domain, where: str = "problem") -> Problem:
    sections = _sections(text, "problem", where)
    objects = tuple(_untyped(sections.get(":objects", []), where))
    if not objects:
        raise PddlError(f"{where}: has no (:objects ...)")
    if len(set(objects)) < len(objects):
        raise PddlError(f"{where}: an object is named twice")
    for needed in (":init", ":goal"):
        if needed not in sections:
            raise PddlError(f"{where}: has no ({needed} ...)")
    start = frozenset(_atom(t, domain.predicates, objects, where) for t in sections[":init"])
    goal = frozenset(
        _atom(t, domain.predicates, objects, where) for t in _conjuncts(sections[":goal"], where)
    )
    if not goal:
        raise PddlError(f"{where}: the goal says nothing")
    return Problem(str(sections["name"]), objects, start, goal)


def legal(domain: Domain, objects: Sequence[str], state: frozenset[Atom]) -> list[tuple[int, Atom]]:
    """(index of the operator, its objects) of everything whose needs are met in `state`."""
    return [
        (index, chosen)
        for index, operator in enumerate(domain.operators)
        for chosen in itertools.permutations(objects, len(operator.parameters))
        if operator.bound(operator.needs, chosen) <= state
    ]


def after(operator: Operator, objects: Sequence[str], state: frozenset[Atom]) -> frozenset[Atom]:
    """The state that the operator makes of `state`."""
    return (state - operator.bound(operator.deletes, objects)) | operator.bound(
        operator.adds, objects
    )


def alignment(domain: Domain, known: Domain) -> tuple[dict[str, str], list[int]] | None:
    """How `domain` is `known` under other names; None if it is not.

    returns: (the known predicate by this domain's name, the known operator's index by this one's)
    Only structure is compared: arities, order of parameters, needs, adds and deletes.
    """
    mine, theirs = domain.predicates, known.predicates
    if sorted(mine.values()) != sorted(theirs.values()):
        return None
    if len(domain.operators) != len(known.operators):
        return None
    shapes = [_shape(operator, {}) for operator in known.operators]
    for names in itertools.permutations(theirs):
        renamed = dict(zip(mine, names, strict=True))
        if any(mine[a] != theirs[b] for a, b in renamed.items()):
            continue
        found = [
            shapes.index(shape) if (shape := _shape(one, renamed)) in shapes else -1
            for one in domain.operators
        ]
        if sorted(found) == list(range(len(shapes))):
            return renamed, found
    return None


def _shape(operator: Operator, renamed: Mapping[str, str]) -> tuple[Any, ...]:
    place = {name: str(index) for index, name in enumerate(operator.parameters)}

    def plain(atoms: frozenset[Atom]) -> frozenset[Atom]:
        return frozenset(
            (renamed.get(n, n), *(place.get(a, a) for a in args)) for n, *args in atoms
        )

    parts = (operator.needs, operator.adds, operator.deletes)
    return (len(operator.parameters), *(plain(part) for part in parts))


def _sections(text: str, kind: str, where: str) -> dict[str, Any]:
    """Its name and the content of each (:key ...); of :action, a list of all."""
    tree = _parse(text, where)
    if len(tree) < 2 or tree[0] != "define" or not isinstance(tree[1], list):
        raise PddlError(f"{where}: expected (define ({kind} NAME) ...)")
    head = tree[1]
    if len(head) != 2 or head[0] != kind or not isinstance(head[1], str):
        raise PddlError(f"{where}: expected a {kind}, found {_show(head)}")
    sections: dict[str, Any] = {"name": head[1], ":action": []}
    for part in tree[2:]:
        if not (isinstance(part, list) and part and isinstance(part[0], str)):
            raise PddlError(f"{where}: expected (:section ...), found {_show(part)}")
        key = part[0]
        if key == ":action":
            sections[key].append(part[1:])
        elif key in sections:
            raise PddlError(f"{where}: {key} is given twice")
        else:
            sections[key] = part[1:]
    return sections


def _operator(tree: Tree, predicates: Mapping[str, int], where: str) -> Operator:
    if not tree or not isinstance(tree[0], str):
        raise PddlError(f"{where}: an :action without a name")
    name, rest = tree[0], tree[1:]
    parts = dict(zip(rest[::2], rest[1::2], strict=False)) if _keyed(rest) else {}
    missing = [key for key in (":parameters", ":effect") if key not in parts]
    if missing:
        raise PddlError(f"{where}: action {name} lacks {' and '.join(missing)}")
    parameters = tuple(_untyped(parts[":parameters"], where))
    needs = _conjuncts([parts.get(":precondition", [])], where)
    adds: Tree = []
    deletes: Tree = []
    for effect in _conjuncts([parts[":effect"]], where):
        negated = isinstance(effect, list) and effect[:1] == ["not"] and len(effect) == 2
        (deletes if negated else adds).append(effect[1] if negated else effect)
    atoms = [
        frozenset(_atom(tree, predicates, parameters, f"{where}: action {name}") for tree in part)
        for part in (needs, adds, deletes)
    ]
    return Operator(name, parameters, *atoms)


def _keyed(rest: Tree) -> bool:
    return len(rest) % 2 == 0 and all(isinstance(key, str) for key in rest[::2])


def _conjuncts(trees: Tree, where: str) -> Tree:
    """The parts of one condition: (and a b), a, or nothing."""
    if len(trees) != 1:
        raise PddlError(f"{where}: expected one condition, found {len(trees)}")
    tree = trees[0]
    if not tree:
        return []
    return tree[1:] if isinstance(tree, list) and tree[0] == "and" else [tree]


def _atom(tree: Any, predicates: Mapping[str, int], known: Sequence[str], where: str) -> Atom:
    if not (isinstance(tree, list) and tree and all(isinstance(word, str) for word in tree)):
        raise PddlError(f"{where}: expected an atom such as (on a b), found {_show(tree)}")
    name, *args = tree
    if name not in predicates:
        raise PddlError(
            f"{where}: no predicate is called {name}; there are {', '.join(predicates)}"
        )
    if len(args) != predicates[name]:
        raise PddlError(f"{where}: {name} takes {predicates[name]}, found {_show(tree)}")
    for arg in args:
        if arg not in known:
            raise PddlError(f"{where}: nothing is called {arg}, in {_show(tree)}")
    return tuple(tree)


def _untyped(words: Any, where: str) -> list[str]:
    """Names without their types: `a b - block` is a, b."""
    names: list[str] = []
    is_type = False
    for word in _flat(words, where):
        if not is_type and word != "-":
            names.append(word)
        is_type = word == "-"
    return names


def _flat(words: Any, where: str) -> list[str]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise PddlError(f"{where}: expected a list of names, found {_show(words)}")
    return words


def _parse(text: str, where: str) -> Tree:
    """The one tree of a file, in small letters."""
    stack: list[Tree] = [[]]
    for found in SYMBOL.finditer(text.lower()):
        symbol = found[0]
        line = text.count("\n", 0, found.start()) + 1
        if symbol == "(":
            if len(stack) > DEEPEST:
                raise PddlError(f"{where}, line {line}: brackets are nested too deeply")
            stack.append([])
        elif symbol == ")":
            if len(stack) == 1:
                raise PddlError(f"{where}, line {line}: a ) too many")
            done = stack.pop()
            stack[-1].append(done)
        elif not symbol.startswith(";"):
            stack[-1].append(symbol)
    if len(stack) > 1:
        raise PddlError(f"{where}: {len(stack) - 1} ( not closed at the end of the file")
    if len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise PddlError(f"{where}: expected one (define ...), found {len(stack[0])} things")
    return stack[0][0]


def _show(tree: Any) -> str:
    if isinstance(tree, list):
        shown = "(" + " ".join(_show(part) for part in tree) + ")"
        return shown if len(shown) < 80 else shown[:77] + "..."
    return str(tree)
