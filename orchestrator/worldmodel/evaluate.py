"""How good a model is, and whether it is the prediction that makes it so."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orchestrator.worldmodel.base import Action, Box, World
from orchestrator.worldmodel.data import Replay
from orchestrator.worldmodel.encoders import Actions
from orchestrator.worldmodel.model import Seen, WorldModel
from orchestrator.worldmodel.planners import (
    CemConfig,
    Predict,
    SearchConfig,
    icem,
    search,
)


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share. Source: Wilson 1927."""
    if count == 0:
        return 0.0, 1.0
    share = hits / count
    middle = share + z * z / (2 * count)
    width = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale)


# Is the latent space alive?


def effective_rank(rows: Tensor) -> float:
    """exp of the entropy of the normalised singular values; 1 if collapsed. rows: (B, D)."""
    values = torch.linalg.svdvals(rows - rows.mean(0))
    shares = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(shares * (shares + 1e-12).log()).sum()))


def retrieval_at_1(predicted: Tensor, target: Tensor) -> float:
    """How often the nearest of all targets (B, D) is the predicted one's own."""
    nearest = torch.cdist(predicted, target).argmin(1)
    return float((nearest == torch.arange(len(target))).float().mean())


@torch.no_grad()
def latent_figures(
    model: WorldModel, replay: Replay, horizons: Sequence[int] = (1, 2, 4, 8), count: int = 256
) -> dict[str, Any]:
    """Rank, retrieval, and open-loop error over that of copying the last state, by horizon.

    Below 1 the model knows more than that nothing changes.
    """
    generator = torch.Generator().manual_seed(0)
    frames = replay.draw(count, max(horizons))
    first = replay.observe(frames)
    tokens = 1 if model.spec.image else len(first)
    identity = model.identities(count, tokens, generator)
    start = model.encode(first, identity)
    z, figures = model.each(start.z), {}
    weight = start.mask.unsqueeze(-1)
    for step in range(max(horizons)):
        actions = model.batch([replay.actions[i] for i in frames + step])
        z = model.predict(z, start.mask, actions.spread(model.config.members))
        if step + 1 in horizons:
            true = model.encode(replay.observe(frames + step + 1), identity).z
            error = ((z.mean(0) - true).pow(2) * weight).sum()
            copied = ((start.z - true).pow(2) * weight).sum()
            figures[str(step + 1)] = round(float(error / copied.clamp(min=1e-9)), 4)
            if step == 0:
                nearest = retrieval_at_1(z.mean(0).flatten(1), true.flatten(1))
    rank = effective_rank(start.z[start.mask > 0.5])
    return {
        "effective_rank": round(rank, 1),
        "retrieval_at_1": round(nearest, 3),
        "open_loop_over_copy": figures,
    }


# Controls: what if the prediction did not matter?


def shuffled_actions(model: WorldModel, generator: torch.Generator) -> Predict:
    """Each candidate is imagined with another candidate's action."""

    def predict(z: Tensor, mask: Tensor, actions: Actions) -> Tensor:
        order = torch.randperm(z.shape[1], generator=generator)
        return model.predict(z, mask, actions.take((slice(None), order)))

    return predict


def shuffled_predictions(model: WorldModel, generator: torch.Generator) -> Predict:
    """Each candidate gets another candidate's future."""

    def predict(z: Tensor, mask: Tensor, actions: Actions) -> Tensor:
        order = torch.randperm(z.shape[1], generator=generator)
        return model.predict(z, mask, actions)[:, order]

    return predict


def uniform_predictions(model: WorldModel, generator: torch.Generator) -> Predict:
    """All candidates get the same future, the mean of theirs."""

    def predict(z: Tensor, mask: Tensor, actions: Actions) -> Tensor:
        following = model.predict(z, mask, actions)
        return following.mean(1, keepdim=True).expand_as(following)

    return predict


CONTROLS: dict[str, Callable[[WorldModel, torch.Generator], Predict]] = {
    "shuffled_actions": shuffled_actions,
    "shuffled_predictions": shuffled_predictions,
    "uniform_predictions": uniform_predictions,
}


# Acting: plan, act, look, and plan again when something else happened than foreseen.


@dataclass(frozen=True)
class Task:
    """A world, a start and a goal, both as states of it."""

    world: World
    start: Any
    goal: Any


@dataclass(frozen=True)
class Run:
    """How one task went; seconds are of thinking only."""

    reached: bool
    steps: int
    seconds: float
    plans: int


Choose = Callable[[Seen, Seen, Any, Any], list[tuple[Action, Any]]]


def drive(
    model: WorldModel,
    task: Task,
    seed: int,
    choose: Choose,
    most_steps: int,
    most_plans: int = 1000,
) -> Run:
    """Carry out what `choose` says until the goal holds; ask again when a place was not foreseen.

    choose(now, goal, seen, goal_seen) returns actions, each with the place it should lead to or
    None; an empty list gives up.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    world, state = task.world, task.start
    goal_seen = world.goal([task.goal])
    tokens = 1 if model.spec.image else len(goal_seen)
    identity = model.identities(1, tokens, generator)
    with torch.no_grad():
        goal = model.encode(goal_seen, identity)
    todo: list[tuple[Action, Any]] = []
    steps = plans = 0
    seconds = 0.0
    while True:
        seen = world.observe([state])
        if world.reached(seen, goal_seen)[0]:
            return Run(True, steps, seconds, plans)
        if steps >= most_steps:
            break
        if not todo and plans == most_plans:
            break
        if not todo:
            started = time.perf_counter()
            with torch.no_grad():
                todo = choose(model.encode(seen, identity), goal, seen, goal_seen)
            seconds += time.perf_counter() - started
            plans += 1
            if not todo:
                break
        action, expected = todo.pop(0)
        state = world.step(state, action, rng).state
        steps += 1
        if expected is not None and world.key(_first(world.observe([state]))) != expected:
            todo = []
    return Run(False, steps, seconds, plans)


def searching(
    model: WorldModel, world: World, config: SearchConfig, predict: Predict | None = None
) -> Choose:
    """Best-first search; the whole plan is carried out unless something else happens."""

    def choose(now: Seen, goal: Seen, seen: Any, goal_seen: Any) -> list[tuple[Action, Any]]:
        plan = search(model, world, now, goal, goal_seen, config, predict)
        return list(zip(plan.actions, plan.expected, strict=True))

    return choose


def greedy(model: WorldModel, world: World, supervised: bool = False) -> Choose:
    """One step ahead: the nearest forecast; or, without imagining, the best value."""

    def choose(now: Seen, goal: Seen, seen: Any, goal_seen: Any) -> list[tuple[Action, Any]]:
        choices = world.actions(_first(seen))
        assert isinstance(choices, list)
        actions = model.batch(choices)
        if supervised:
            assert model.judge is not None, "only a model with config.judges can do that"
            z = now.z.expand(len(choices), *now.z.shape[1:])
            steps = model.judge(z, goal.z, goal.mask, model.action_encoder(z, actions))
        else:
            z = model.each(now.z.expand(len(choices), *now.z.shape[1:]))
            following = model.predict(z, goal.mask, actions.spread(model.config.members))
            steps = model.reach(following, goal.z, goal.mask).mean(0)
        return [(choices[int(steps.argmin())], None)]

    return choose


def wandering(world: World, seed: int) -> Choose:
    """The floor: any legal action."""
    rng = np.random.default_rng(seed)

    def choose(now: Seen, goal: Seen, seen: Any, goal_seen: Any) -> list[tuple[Action, Any]]:
        choices = world.actions(_first(seen))
        if isinstance(choices, Box):
            values = rng.uniform(-choices.limit, choices.limit, choices.size)
            return [(Action(values=tuple(values.tolist())), None)]
        return [(choices[int(rng.integers(len(choices)))], None)]

    return choose


def steering(
    model: WorldModel,
    box: Box,
    seed: int,
    config: CemConfig,
    acted: int = 4,
    predict: Predict | None = None,
) -> Choose:
    """iCEM with a warm start; `acted` actions of a plan are carried out before the next."""
    generator = torch.Generator().manual_seed(seed)
    rest: list[Tensor] = []

    def choose(now: Seen, goal: Seen, seen: Any, goal_seen: Any) -> list[tuple[Action, Any]]:
        warm = rest.pop() if rest else None
        plan = icem(model, now, goal, box, generator, config, warm, predict)
        rest.append(plan[acted:])
        return [(Action(values=tuple(row.tolist())), None) for row in plan[:acted]]

    return choose


def _first(seen: Any) -> Any:
    """The only one of a batch of one."""
    return seen[0] if isinstance(seen, np.ndarray) else seen.take(0)
