"""Search in imagination: best-first over discrete actions, iCEM over continuous ones.

A planner sees a start, a goal and what the model can do; it never calls a language model and never
steps the world.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from orchestrator.worldmodel.base import Action, Box, Observation, TokenSet, World
from orchestrator.worldmodel.encoders import Actions
from orchestrator.worldmodel.model import Seen, WorldModel

# (z (M, B, N, D), mask, actions (M, B)) to z; a control puts its own in the place of the model's
Predict = Callable[[Tensor, Tensor, Actions], Tensor]


@dataclass(frozen=True)
class SearchConfig:
    """width: nodes opened together; calls: most imagined transitions; weights of the cost."""

    width: int = 32
    depth: int = 40
    calls: int = 4096
    step_cost: float = 0.5
    spread_cost: float = 1.0


@dataclass(frozen=True)
class Imagined:
    """A node of the search: where a sequence of actions is thought to lead.

    z: (M, N, D); key: what place that is; to_go: forecast steps to the goal.
    """

    z: Tensor
    seen: TokenSet
    key: Hashable
    actions: tuple[Action, ...]
    keys: tuple[Hashable, ...]  # the place after each action
    to_go: float
    arrived: bool


@dataclass(frozen=True)
class Plan:
    """actions; the place that each should lead to; forecast steps left; whether it arrives."""

    actions: tuple[Action, ...]
    expected: tuple[Hashable, ...]
    to_go: float
    arrives: bool
    calls: int


@torch.no_grad()
def search(
    model: WorldModel,
    world: World,
    start: Seen,
    goal: Seen,
    goal_seen: Observation,
    config: SearchConfig | None = None,
    predict: Predict | None = None,
) -> Plan:
    """Best-first search in the latent space for the actions that reach the goal.

    start, goal: encoded with the same identities, (1, N, D). goal_seen: a batch of one.
    returns: a plan that arrives, or the one that comes nearest within the budget of calls.
    """
    c = config or SearchConfig()
    step = predict or model.predict
    count = itertools.count()
    [root] = _nodes(model, world, model.each(start.z), goal, goal_seen, [((), ())])
    best, calls, known = root, 0, {root.key}
    queue = [(0.0, next(count), root)]
    while queue and calls < c.calls and not best.arrived:
        opened = [heapq.heappop(queue)[2] for _ in range(min(c.width, len(queue)))]
        pairs = [(node, a) for node in opened for a in _choices(world, node, c.depth)]
        pairs = pairs[: c.calls - calls]
        if not pairs:
            continue
        calls += len(pairs)
        z = torch.stack([node.z for node, _ in pairs], dim=1)
        actions = model.batch([a for _, a in pairs]).spread(len(z))
        following = step(z, goal.mask, actions)
        spread = following.std(0).mean((-1, -2)) if len(z) > 1 else torch.zeros(len(pairs))
        pasts = [((*node.actions, a), node.keys) for node, a in pairs]
        nodes = _nodes(model, world, following, goal, goal_seen, pasts)
        for node, doubt in zip(nodes, spread.tolist(), strict=True):
            if node.key in known:
                continue
            known.add(node.key)
            cost = c.step_cost * len(node.actions) + node.to_go + c.spread_cost * doubt
            heapq.heappush(queue, (cost, next(count), node))
            if (not node.arrived, node.to_go) < (not best.arrived, best.to_go) or not best.actions:
                best = node
    return Plan(best.actions, best.keys, best.to_go, best.arrived, calls)


def _choices(world: World, node: Imagined, depth: int) -> list[Action]:
    choices = world.actions(node.seen) if len(node.actions) < depth else []
    assert isinstance(choices, list), "search needs discrete actions; this world has a Box"
    return choices


def _nodes(
    model: WorldModel,
    world: World,
    z: Tensor,
    goal: Seen,
    goal_seen: Observation,
    pasts: list[tuple[tuple[Action, ...], tuple[Hashable, ...]]],
) -> list[Imagined]:
    """z: (M, B, N, D) as nodes: what would be seen there, and how far from the goal it is."""
    seen = model.imagined(z.mean(0))
    assert isinstance(goal_seen, TokenSet)
    arrived = world.reached(seen, goal_seen.map(lambda array: np.asarray(array)))
    to_go = model.reach(z, goal.z, goal.mask).mean(0).tolist()
    nodes = []
    for index, (actions, keys) in enumerate(pasts):
        here = seen.take(index)
        key = world.key(here)
        trail = (*keys, key) if actions else ()
        there = bool(arrived[index])
        steps = 0.0 if there else to_go[index]
        nodes.append(Imagined(z[:, index], here, key, actions, trail, steps, there))
    return nodes


@dataclass(frozen=True)
class CemConfig:
    """samples: plans imagined in each round; colour: how much neighbouring actions are alike."""

    horizon: int = 10
    samples: int = 100
    rounds: int = 3
    elites: int = 10
    deviation: float = 1.5
    colour: float = 0.7
    last_weight: float = 1.0


@torch.no_grad()
def icem(
    model: WorldModel,
    start: Seen,
    goal: Seen,
    box: Box,
    generator: torch.Generator,
    config: CemConfig | None = None,
    warm: Tensor | None = None,
    predict: Predict | None = None,
) -> Tensor:
    """The plan of continuous actions that is thought to come nearest the goal, soonest.

    start, goal: (1, N, D). warm: (T, A), the rest of the last plan. returns: (T, A).
    Candidates are dealt out among the ensemble's members, so each is imagined once.
    Source: Pinneri et al. 2020, iCEM, arXiv:2008.06389.
    """
    c = config or CemConfig()
    members = model.config.members
    samples = c.samples // members * members
    mean = torch.zeros(c.horizon, box.size)
    if warm is not None:
        mean[: len(warm)] = warm[: c.horizon]
    deviation = torch.full_like(mean, c.deviation)
    elite = mean[None]
    z = start.z.expand(members, samples // members, *start.z.shape[1:])
    for _ in range(c.rounds):
        noise = coloured((samples - len(elite), *mean.shape), c.colour, generator)
        plans = torch.cat([elite, mean + deviation * noise]).clamp(-box.limit, box.limit)
        costs = imagined_costs(model, z, start.mask, goal, plans, c.last_weight, predict)
        order = costs.argsort()[: c.elites]
        elite = plans[order]
        weights = torch.softmax(-(costs[order] - costs[order[0]]) / (costs[order].std() + 1e-6), 0)
        mean = (weights[:, None, None] * elite).sum(0)
        deviation = ((weights[:, None, None] * (elite - mean).pow(2)).sum(0)).sqrt().clamp(min=0.1)
    return elite[0]


def imagined_costs(
    model: WorldModel,
    z: Tensor,
    mask: Tensor,
    goal: Seen,
    plans: Tensor,
    last_weight: float,
    predict: Predict | None = None,
) -> Tensor:
    """z: (M, S / M, N, D); plans: (S, T, A); returns (S) costs."""
    step = predict or model.predict
    dealt = plans.view(*z.shape[:2], *plans.shape[1:])
    total = torch.zeros(dealt.shape[:2])
    horizon = plans.shape[1]
    nothing = torch.zeros(z.shape[:2], dtype=torch.long)
    no_pointers = torch.zeros(*z.shape[:2], 0, dtype=torch.long)
    for t in range(horizon):
        z = step(z, mask, Actions(nothing, no_pointers, dealt[:, :, t]))
        steps = model.reach(z, goal.z, goal.mask)
        total = total + steps * (last_weight if t == horizon - 1 else 1.0)
    return total.flatten()


def coloured(shape: tuple[int, ...], colour: float, generator: torch.Generator) -> Tensor:
    """(S, T, A) normal noise whose neighbours in time correlate by `colour`."""
    white = torch.randn(shape, generator=generator)
    rows = [white[:, 0]]
    for t in range(1, shape[1]):
        rows.append(colour * rows[-1] + (1 - colour**2) ** 0.5 * white[:, t])
    return torch.stack(rows, dim=1)
