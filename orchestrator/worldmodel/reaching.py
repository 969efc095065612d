"""Stage two of training: how many steps away a goal is, by hindsight and by its own forecasts."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from orchestrator.worldmodel import losses
from orchestrator.worldmodel.base import TokenSet
from orchestrator.worldmodel.data import Replay
from orchestrator.worldmodel.model import Seen, WorldModel
from orchestrator.worldmodel.steps import (
    Progress,
    TrainConfig,
    actions_at,
    follow,
    optimiser_step,
)

FAR_STEPS = 16  # a pair that no walk connects is pushed this far apart in stage one


def learn_to_reach(
    model: WorldModel,
    replay: Replay,
    config: TrainConfig,
    generator: torch.Generator,
    say: Progress,
) -> dict[str, float]:
    """Stage two: steps-to-go by hindsight and by its own forecast a few steps on."""
    model.eval()
    look = Looks(model, replay, generator)
    slow = copy.deepcopy(model.reach)
    step_of = optimiser_step(model.reach, config.reach_rate, config.reach_steps)
    value = torch.zeros(())
    for step in range(config.reach_steps):
        walked = step < config.reach_steps * config.walked
        value = reach_loss(model, replay, look, slow, config, walked)
        step_of(value)
        follow(slow, model.reach, 0.0 if walked else 0.97)
        if step % 250 == 0:
            say(f"reach {step}/{config.reach_steps}: {value.item():.3f}")
    return {"reach": value.item()}


def learn_to_judge(
    model: WorldModel,
    replay: Replay,
    config: TrainConfig,
    generator: torch.Generator,
    say: Progress,
) -> dict[str, float]:
    """The supervised control: steps-to-go of (what is seen, action, goal) by hindsight alone."""
    assert model.judge is not None
    model.train()
    step_of = optimiser_step(model, config.rate, config.steps)
    loss = torch.zeros(())
    for step in range(config.steps):
        frames = replay.draw(config.batch, 1)
        goals, steps = replay.later(frames)
        sets = [replay.observe(frames), replay.world.hindsight(replay.observe(goals), replay.rng)]
        tokens = len(sets[0]) if isinstance(sets[0], TokenSet) else 1
        identity = model.identities(len(frames), tokens, generator)
        now, goal = (model.encode(one, identity) for one in sets)
        action = model.action_encoder(now.z, actions_at(model, replay, frames))
        left = torch.as_tensor(~replay.world.reached(*sets))
        said = model.judge(now.z, goal.z, goal.mask, action)[left]
        loss = losses.reachability(said, torch.from_numpy(steps).float()[left], config.optimism)
        step_of(loss)
        if step % 100 == 0:
            say(f"judge {step}/{config.steps}: {loss.item():.3f}")
    return {"judge": loss.item()}


def reach_loss(
    model: WorldModel,
    replay: Replay,
    look: Looks,
    slow: torch.nn.Module,
    config: TrainConfig,
    walked: bool,
) -> Tensor:
    """First only what walks did reach; then half of the goals lie anywhere in the same setting.

    Forecasts are only built on once walks have made them too high: coming down is quick, since a
    shorter way is proof; from zero they would have to creep up step by step.
    """
    hops = int(replay.rng.integers(1, config.reach_hops + 1))
    frames = replay.draw(config.reach_batch, hops)
    goals, steps = replay.later(frames)
    half = len(frames) if walked else len(frames) // 2
    goals[half:] = replay.elsewhere(frames[half:])
    known = torch.from_numpy(np.where(np.arange(len(frames)) < half, steps, np.inf)).float()
    now, after, goal, there, there_after = look(frames, frames + hops, goals)
    with torch.no_grad():
        forecast = hops + slow(after.z, goal.z, goal.mask)
        target = known if walked else torch.minimum(forecast, known)
        target = torch.where(there_after, target.clamp(max=hops), target).clamp(
            max=config.farthest_steps
        )
    left = ~there  # where the goal holds already there is nothing to tell: planners see that
    said = model.reach(now.z[left], goal.z[left], goal.mask[left])
    return losses.reachability(said, target[left], config.optimism)


class Looks:
    """Latents of frames and goals, and which goals hold; images are encoded once for all."""

    def __init__(self, model: WorldModel, replay: Replay, generator: torch.Generator) -> None:
        self.model, self.replay, self.generator = model, replay, generator
        self.all: Tensor | None = None
        if model.spec.image:
            frames = np.arange(len(replay.states))
            parts = np.array_split(frames, len(frames) // 256 + 1)
            with torch.no_grad():
                self.all = torch.cat([model.encode(replay.observe(part)).z for part in parts])

    @torch.no_grad()
    def __call__(
        self, frames: np.ndarray, after: np.ndarray, goals: np.ndarray
    ) -> tuple[Seen, Seen, Seen, Tensor, Tensor]:
        """(now, after, goal, whether it holds now, whether it holds after)."""
        if self.all is not None:
            z = self.all[torch.from_numpy(np.stack([frames, after, goals]))]
            now, then, goal = (Seen(part, part.new_ones(part.shape[:2])) for part in z)
            there, there_after = frames == goals, after == goals
        else:
            world = self.replay.world
            seen, seen_after = self.replay.observe(frames), self.replay.observe(after)
            wanted = world.hindsight(self.replay.observe(goals), self.replay.rng)
            tokens = len(seen) if isinstance(seen, TokenSet) else 1
            identity = self.model.identities(len(frames), tokens, self.generator)
            now, then, goal = (
                self.model.encode(one, identity) for one in (seen, seen_after, wanted)
            )
            there, there_after = world.reached(seen, wanted), world.reached(seen_after, wanted)
        return now, then, goal, torch.as_tensor(there), torch.as_tensor(there_after)


def apart_loss(
    model: WorldModel, replay: Replay, frames: np.ndarray, z0: Tensor, config: TrainConfig
) -> Tensor:
    """Image worlds: what a walk reached is near, what lies elsewhere in the same setting is far.

    The negatives are hard: the surroundings are the same, only time tells them apart. What stands
    between the two has to be seen, long before it matters to any one step.
    """
    goals, steps = replay.later(frames)
    images = np.concatenate([replay.observe(goals), replay.observe(replay.elsewhere(frames))])
    near, far = model.encode(images).z.chunk(2)
    mask = z0.new_ones(z0.shape[:2])
    known = torch.from_numpy(steps).float()
    loss = losses.reachability(model.reach(z0, near, mask), known, config.optimism)
    return loss + losses.unreached(model.reach(z0, far, mask), float(FAR_STEPS))
