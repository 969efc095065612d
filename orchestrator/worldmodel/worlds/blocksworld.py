"""Blocksworld: the standard four operators, under whatever names.

A state is a sorted list of ground atoms. A token is a block, and one the hand; unary predicates are
features of a block, predicates without arguments features of the hand, and `on` is a link. The
domain says what is legal and lets the simulator step; the engine never sees effects or names.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.worldmodel.base import (
    Action,
    ActionKind,
    Observation,
    TokenSet,
    Transition,
    WorldSpec,
    pad,
)
from orchestrator.worldmodel.data import Episode
from orchestrator.worldmodel.worlds import pddl
from orchestrator.worldmodel.worlds.pddl import Atom, Domain, PddlError, Problem

STANDARD = """
(define (domain blocksworld-4ops)
  (:requirements :strips)
  (:predicates (clear ?x) (ontable ?x) (handempty) (holding ?x) (on ?x ?y))
  (:action pick-up :parameters (?ob)
    :precondition (and (clear ?ob) (ontable ?ob) (handempty))
    :effect (and (holding ?ob) (not (clear ?ob)) (not (ontable ?ob)) (not (handempty))))
  (:action put-down :parameters (?ob)
    :precondition (holding ?ob)
    :effect (and (clear ?ob) (handempty) (ontable ?ob) (not (holding ?ob))))
  (:action stack :parameters (?ob ?underob)
    :precondition (and (clear ?underob) (holding ?ob))
    :effect (and (handempty) (clear ?ob) (on ?ob ?underob)
                 (not (clear ?underob)) (not (holding ?ob))))
  (:action unstack :parameters (?ob ?underob)
    :precondition (and (on ?ob ?underob) (clear ?ob) (handempty))
    :effect (and (holding ?ob) (clear ?underob)
                 (not (on ?ob ?underob)) (not (clear ?ob)) (not (handempty)))))
"""
KNOWN = pddl.parse_domain(STANDARD, "the standard domain")
BLOCK, HAND = 0, 1
State = list[list[str]]


class Blocksworld:
    """One set of blocks; objects are tokens in the order given, the hand is the last token."""

    spec = WorldSpec(
        name="blocksworld",
        token_kinds=("block", "hand"),
        features=tuple(name for name, arity in KNOWN.predicates.items() if arity < 2),
        relations=tuple(name for name, arity in KNOWN.predicates.items() if arity == 2),
        actions=tuple(ActionKind(o.name, len(o.parameters)) for o in KNOWN.operators),
    )

    def __init__(self, objects: Sequence[str]) -> None:
        self.objects = tuple(objects)
        self.index = {name: number for number, name in enumerate(self.objects)}

    def observe(self, states: Sequence[State]) -> TokenSet:
        return pad([self._tokens(state, partial=False) for state in states])

    def goal(self, goals: Sequence[State]) -> TokenSet:
        return pad([self._tokens(goal, partial=True) for goal in goals])

    def actions(self, seen: Observation) -> list[Action]:
        return [
            Action(kind, tuple(self.index[name] for name in chosen))
            for kind, chosen in pddl.legal(KNOWN, self.objects, self.atoms(seen))
        ]

    def step(self, state: State, action: Action, rng: np.random.Generator) -> Transition:
        operator = KNOWN.operators[action.kind]
        chosen = [self.objects[i] for i in action.pointers]
        now = frozenset(tuple(atom) for atom in state)
        if not operator.bound(operator.needs, chosen) <= now:
            return Transition(state, success=False)
        return Transition(plain(pddl.after(operator, chosen, now)))

    def reached(self, seen: Observation, goals: Observation) -> np.ndarray:
        assert isinstance(seen, TokenSet) and isinstance(goals, TokenSet)
        features = (goals.features <= seen.features).all(axis=(-1, -2))
        links = (goals.relations <= seen.relations).all(axis=(-1, -2, -3))
        return np.asarray(features & links)

    def hindsight(self, seen: Observation, rng: np.random.Generator) -> Observation:
        """Some of what is on what: half of the goals keep all links, the others a random part."""
        assert isinstance(seen, TokenSet)
        batch = len(seen.kinds)
        share = np.where(rng.random(batch) < 0.5, 1.0, rng.random(batch))
        kept = rng.random(seen.relations.shape) < share[:, None, None, None]
        return dataclasses.replace(
            seen,
            features=np.zeros_like(seen.features),
            relations=seen.relations * kept,
            partial=np.ones_like(seen.partial),
        )

    def key(self, seen: Observation) -> Hashable:
        return self.atoms(seen)

    def atoms(self, seen: Observation) -> frozenset[Atom]:
        """The ground atoms that an observation, real or imagined, says are true."""
        assert isinstance(seen, TokenSet)
        found: set[Atom] = set()
        for token, feature in np.argwhere(np.asarray(seen.features) > 0.5):
            name = self.spec.features[feature]
            if token == len(self.objects):
                found.add((name,))
            elif token < len(self.objects):
                found.add((name, self.objects[token]))
        for relation, i, j in np.argwhere(np.asarray(seen.relations) > 0.5):
            if max(i, j) < len(self.objects):
                found.add((self.spec.relations[relation], self.objects[i], self.objects[j]))
        return frozenset(found)

    def _tokens(self, state: State, partial: bool) -> TokenSet:
        size = len(self.objects) + 1
        features = np.zeros((size, len(self.spec.features)), np.float32)
        relations = np.zeros((len(self.spec.relations), size, size), np.float32)
        for name, *args in state:
            places = [self.index[arg] for arg in args]
            if len(places) == 2:
                relations[self.spec.relations.index(name), places[0], places[1]] = 1
            else:
                features[places[0] if places else size - 1, self.spec.features.index(name)] = 1
        kinds = np.full(size, BLOCK)
        kinds[-1] = HAND
        return TokenSet(kinds, features, relations, np.ones(size, np.float32), np.float32(partial))


def plain(atoms: frozenset[Atom]) -> State:
    return sorted(list(atom) for atom in atoms)


def understood(problem: Problem, domain: Domain) -> Problem:
    """The same problem in the standard domain's words; a disguise is seen through by structure."""
    found = pddl.alignment(domain, KNOWN)
    if found is None:
        raise PddlError(
            f"domain {domain.name}: this is not the four-operator blocksworld, nor a renaming of it"
        )
    names = found[0]

    def said(atoms: frozenset[Atom]) -> frozenset[Atom]:
        return frozenset((names[name], *args) for name, *args in atoms)

    return Problem(problem.name, problem.objects, said(problem.start), said(problem.goal))


def read_problems(folder: Path) -> list[Problem]:
    """All problems of a folder, which holds one domain file and problem files (*.pddl)."""
    files = sorted(folder.rglob("*.pddl")) if folder.is_dir() else []
    domains = [path for path in files if "domain" in path.stem.lower()]
    if len(domains) != 1:
        raise PddlError(
            f"{folder}: expected one file named *domain*.pddl and problem files beside it, "
            f"found {len(domains)} domain files among {len(files)} .pddl files"
        )
    domain = pddl.read_domain(domains[0])
    problems = [pddl.read_problem(path, domain) for path in files if path != domains[0]]
    if not problems:
        raise PddlError(f"{folder}: holds a domain but no problem files (*.pddl)")
    return [understood(problem, domain) for problem in problems]


def random_state(objects: Sequence[str], rng: np.random.Generator) -> frozenset[Atom]:
    """Towers: blocks in random order, each on the last one or on the table."""
    atoms: set[Atom] = {("handempty",)}
    top = ""
    for number, block in enumerate(rng.permutation(list(objects)).tolist()):
        if number == 0 or rng.random() < 1 / (1 + number / 2):
            atoms.add(("ontable", block))
            atoms |= {("clear", top)} if top else set()
        else:
            atoms.add(("on", block, top))
        top = block
    return frozenset(atoms | {("clear", top)})


def problems(count: int, blocks: Sequence[int], rng: np.random.Generator) -> list[Problem]:
    """Problems as PlanBench has them: two random arrangements, the goal says only what is on what.

    Source for the size: Valmeekam et al. 2023, PlanBench, arXiv:2206.10498 (3 to 5 blocks).
    """
    made: list[Problem] = []
    while len(made) < count:
        objects = [f"b{number}" for number in range(int(rng.choice(list(blocks))))]
        start, end = random_state(objects, rng), random_state(objects, rng)
        goal = frozenset(atom for atom in end if atom[0] == "on")
        if goal and not goal <= start:
            made.append(Problem(f"made-{len(made)}", tuple(objects), start, goal))
    return made


def random_walks(
    steps: int, blocks: Sequence[int], length: int, rng: np.random.Generator
) -> list[Episode]:
    """Experience: uniformly random legal actions, nothing else; the family is the block count."""
    episodes = []
    while steps > 0:
        world = Blocksworld([f"b{n}" for n in range(int(rng.choice(list(blocks))))])
        states: list[Any] = [plain(random_state(world.objects, rng))]
        actions = []
        for _ in range(min(length, steps)):
            choices = world.actions(world.observe(states[-1:]).take(0))
            action = choices[int(rng.integers(len(choices)))]
            actions.append(action)
            states.append(world.step(states[-1], action, rng).state)
        steps -= len(actions)
        setting = {"objects": list(world.objects)}
        episodes.append(Episode(f"{len(world.objects)} blocks", setting, states, actions))
    return episodes


def shortest(problem: Problem, most_states: int = 200_000) -> int | None:
    """Steps of a shortest plan, by breadth-first search in the true domain; None beyond the limit.

    The classical planner that stands beside the learned one.
    """
    seen = {problem.start}
    queue = deque([(problem.start, 0)])
    while queue and len(seen) < most_states:
        state, depth = queue.popleft()
        if problem.goal <= state:
            return depth
        for kind, chosen in pddl.legal(KNOWN, problem.objects, state):
            following = pddl.after(KNOWN.operators[kind], chosen, state)
            if following not in seen:
                seen.add(following)
                queue.append((following, depth + 1))
    return None


def disguised(problem: Problem, rng: np.random.Generator) -> tuple[str, str]:
    """(domain, problem) as PDDL with every name replaced by a meaningless one."""
    words = [f"x{number}" for number in rng.permutation(900)]
    names = {name: words.pop() for name in [*KNOWN.predicates, *problem.objects]}
    names |= {operator.name: words.pop() for operator in KNOWN.operators}

    def shown(atoms: frozenset[Atom], without: frozenset[Atom] = frozenset()) -> str:
        parts = [f"({' '.join(names.get(w, w) for w in a)})" for a in sorted(atoms)]
        parts += [f"(not ({' '.join(names.get(w, w) for w in a)}))" for a in sorted(without)]
        return f"(and {' '.join(parts)})"

    order = rng.permutation(len(KNOWN.operators))
    actions = [
        f"(:action {names[o.name]} :parameters ({' '.join(o.parameters)}) "
        f":precondition {shown(o.needs)} :effect {shown(o.adds, o.deletes)})"
        for o in (KNOWN.operators[i] for i in order)
    ]
    predicates = [
        f"({names[name]} {' '.join(f'?v{i}' for i in range(arity))})"
        for name, arity in KNOWN.predicates.items()
    ]
    domain = f"(define (domain d) (:predicates {' '.join(predicates)}) {' '.join(actions)})"
    return domain, (
        f"(define (problem p) (:domain d) (:objects {' '.join(names[o] for o in problem.objects)})"
        f"(:init {shown(problem.start)[5:-1]}) (:goal {shown(problem.goal)}))"
    )
