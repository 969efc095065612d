"""Training in two stages: learn to see and predict, then, on frozen latents, how far goals are."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from orchestrator.worldmodel import losses
from orchestrator.worldmodel.base import Observation, TokenSet
from orchestrator.worldmodel.data import Replay
from orchestrator.worldmodel.encoders import Actions
from orchestrator.worldmodel.model import Seen, WorldModel

SMALL_BATCH = 64  # below it, batch statistics cannot keep the latents apart


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run beside the data and the model; weights are of losses.

    regulariser: what keeps latents from collapsing; "none" is a control
    """

    seed: int = 0
    steps: int = 1500
    batch: int = 128
    rate: float = 2e-3
    reach_steps: int = 1500
    reach_batch: int = 256
    reach_rate: float = 1e-3
    reach_hops: int = 1
    walked: float = 0.4  # share of the second stage that learns from walks alone
    optimism: float = 0.9
    farthest_steps: float = 60.0
    keep: float = 0.8  # share of the samples that each ensemble member learns from
    regulariser: Literal["sigreg", "vicreg", "none"] = "sigreg"
    sigreg: float = 0.05
    variance: float = 16.0
    covariance: float = 8.0
    similarity: float = 12.0
    inverse: float = 0.5
    facts: float = 1.0
    outcomes: float = 0.5


@dataclass
class Report:
    """Seconds of the two stages and the last value of each loss."""

    seconds: float
    losses: dict[str, float]


Progress = Callable[[str], None]


def train(
    model: WorldModel, replay: Replay, config: TrainConfig, say: Progress = lambda text: None
) -> Report:
    """Train in place, on one thread's random numbers; the same inputs give the same model."""
    started = time.monotonic()
    generator = torch.Generator().manual_seed(config.seed)
    if model.judge is not None:
        last = learn_to_judge(model, replay, config, generator, say)
    else:
        last = learn_to_predict(model, replay, config, generator, say)
        last |= learn_to_reach(model, replay, config, generator, say)
    model.eval()
    return Report(time.monotonic() - started, last)


def learn_to_predict(
    model: WorldModel, replay: Replay, config: TrainConfig, generator: torch.Generator, say: Progress
) -> dict[str, float]:
    """Stage one: encoder, predictor, readout, inverse dynamics and outcomes together."""
    model.train()
    slow = copy.deepcopy(model.encoder) if config.batch < SMALL_BATCH else None
    step_of = _optimiser(model, config.rate, config.steps)
    values: dict[str, Tensor] = {}
    for step in range(config.steps):
        frames = replay.draw(config.batch, 2)
        values = prediction_losses(model, replay, frames, config, generator, slow)
        step_of(sum(values.values()))
        if slow is not None:
            _follow(slow, model.encoder, 0.99)
        if step % 100 == 0:
            say(f"predict {step}/{config.steps}: {_show(values)}")
    return {name: value.item() for name, value in values.items()}


def prediction_losses(
    model: WorldModel,
    replay: Replay,
    frames: np.ndarray,
    config: TrainConfig,
    generator: torch.Generator,
    slow: torch.nn.Module | None = None,
) -> dict[str, Tensor]:
    """The losses of stage one on two-step windows; frames: (B) where they begin."""
    batch, spec = len(frames), model.spec
    windows = [replay.observe(frames + step) for step in range(3)]
    tokens = len(windows[0]) if isinstance(windows[0], TokenSet) else 1
    identity = model.identities(batch, tokens, generator)
    whole = _concatenate(windows)
    every = None if identity is None else identity.repeat(3, 1, 1)
    seen = model.encode(whole, every)
    z0, z1, z2 = seen.z.chunk(3)
    mask = seen.mask[:batch]
    if slow is not None:
        with torch.no_grad():
            _, t1, t2 = model_targets(model, slow, whole, every).chunk(3)
    else:
        t1, t2 = z1, z2
    first, second = (_actions(model, replay, frames + step) for step in (0, 1))
    chosen = (torch.rand(model.config.members, batch, generator=generator) < config.keep).float()
    p1 = model.predict(model.each(z0), mask, first.spread(model.config.members))
    p2 = model.predict(p1, mask, second.spread(model.config.members))
    real = seen.mask.flatten() > 0.5
    rows = seen.z.flatten(0, 1)[real]
    values = {
        "one step": losses.prediction(p1, t1, mask, chosen),
        "two steps": losses.prediction(p2, t2, mask, chosen),
    }
    if config.regulariser == "sigreg":
        values["sigreg"] = config.sigreg * losses.sigreg(rows, generator)
    elif config.regulariser == "vicreg":
        variance, covariance = losses.vicreg(rows)
        values["variance"] = config.variance * variance
        values["covariance"] = config.covariance * covariance
        values["similarity"] = config.similarity * losses.time_similarity(
            torch.stack([z0, z1]), torch.stack([z1, z2])
        )
    if config.inverse:
        both = [losses.inverse_dynamics(model.inverse(z0, z1, mask), first)]
        both += [losses.inverse_dynamics(model.inverse(z1, z2, mask), second)]
        values["inverse"] = config.inverse * (both[0] + both[1]) / 2
    if model.readout is not None and config.facts:
        values["facts"] = config.facts * _fact_losses(model, windows, z0, (p1, p2), mask)
    if model.outcomes is not None:
        action = model.action_encoder(z0, first)
        said = model.outcomes(z0, action, p1.mean(0), mask)
        truth = [[replay.outcomes[i].get(n, 0.0) for n in spec.outcomes] for i in frames]
        values["outcomes"] = config.outcomes * losses.outcomes(
            said, torch.tensor(truth), spec.outcomes
        )
    return values


def model_targets(
    model: WorldModel, slow: torch.nn.Module, seen: Observation, identity: Tensor | None
) -> Tensor:
    """Latents by the slow copy of the encoder."""
    if isinstance(seen, TokenSet):
        return slow(seen.map(torch.as_tensor), identity)
    return slow(torch.as_tensor(seen))


def _fact_losses(
    model: WorldModel,
    windows: list[Observation],
    z0: Tensor,
    predicted: tuple[Tensor, Tensor],
    mask: Tensor,
) -> Tensor:
    """Facts read off what is seen and off what was imagined."""
    assert model.readout is not None
    total = z0.new_zeros(())
    for z, window in zip((z0, *predicted), windows, strict=True):
        assert isinstance(window, TokenSet)
        features, relations = torch.as_tensor(window.features), torch.as_tensor(window.relations)
        total = total + losses.facts(model.readout(z), features, relations, mask)
    return total


def learn_to_reach(
    model: WorldModel, replay: Replay, config: TrainConfig, generator: torch.Generator, say: Progress
) -> dict[str, float]:
    """Stage two: steps-to-go by hindsight and by its own forecast a few steps on."""
    model.eval()
    look = Looks(model, replay, generator)
    slow = copy.deepcopy(model.reach)
    step_of = _optimiser(model.reach, config.reach_rate, config.reach_steps)
    value = torch.zeros(())
    for step in range(config.reach_steps):
        walked = step < config.reach_steps * config.walked
        value = reach_loss(model, replay, look, slow, config, walked)
        step_of(value)
        _follow(slow, model.reach, 0.0 if walked else 0.97)
        if step % 250 == 0:
            say(f"reach {step}/{config.reach_steps}: {value.item():.3f}")
    return {"reach": value.item()}


def learn_to_judge(
    model: WorldModel, replay: Replay, config: TrainConfig, generator: torch.Generator, say: Progress
) -> dict[str, float]:
    """The supervised control: steps-to-go of (what is seen, action, goal) by hindsight alone."""
    assert model.judge is not None
    model.train()
    step_of = _optimiser(model, config.rate, config.steps)
    loss = torch.zeros(())
    for step in range(config.steps):
        frames = replay.draw(config.batch, 1)
        goals, steps = replay.later(frames)
        sets = [replay.observe(frames), replay.world.hindsight(replay.observe(goals), replay.rng)]
        tokens = len(sets[0]) if isinstance(sets[0], TokenSet) else 1
        identity = model.identities(len(frames), tokens, generator)
        now, goal = (model.encode(one, identity) for one in sets)
        action = model.action_encoder(now.z, _actions(model, replay, frames))
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
        target = torch.where(there_after, target.clamp(max=hops), target).clamp(max=config.farthest_steps)
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
        world = self.replay.world
        if self.all is not None:
            parts = [Seen(z, z.new_ones(z.shape[:2])) for z in self.all[np.stack([frames, after, goals])]]
            there, there_after = frames == goals, after == goals
        else:
            sets = [self.replay.observe(part) for part in (frames, after, goals)]
            sets[2] = world.hindsight(sets[2], self.replay.rng)
            identity = self.model.identities(len(frames), len(sets[0]), self.generator)
            parts = [self.model.encode(one, identity) for one in sets]
            there, there_after = (world.reached(one, sets[2]) for one in sets[:2])
        return (*parts, torch.as_tensor(there), torch.as_tensor(there_after))


def _actions(model: WorldModel, replay: Replay, frames: np.ndarray) -> Actions:
    return model.batch([replay.actions[i] for i in frames])


def _concatenate(windows: list[Observation]) -> Observation:
    if not isinstance(windows[0], TokenSet):
        return np.concatenate(windows)
    names = ("kinds", "features", "relations", "mask", "partial", "text")
    parts: dict[str, Any] = {name: [getattr(one, name) for one in windows] for name in names}
    return TokenSet(
        **{n: None if v[0] is None else np.concatenate(v) for n, v in parts.items()}
    )


def _optimiser(module: torch.nn.Module, rate: float, steps: int) -> Callable[[Any], None]:
    """One step of AdamW on a loss; the rate rises briefly and falls to zero along a cosine."""
    parameters = list(module.parameters())
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, max(steps, 1) + 1, pct_start=0.1)

    def step(loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()

    return step


def _follow(slow: torch.nn.Module, quick: torch.nn.Module, share: float) -> None:
    """The slow copy moves a little towards the quick one."""
    with torch.no_grad():
        for old, new in zip(slow.parameters(), quick.parameters(), strict=True):
            old.lerp_(new, 1 - share)
        for old, new in zip(slow.buffers(), quick.buffers(), strict=True):
            old.copy_(new)


def _show(values: dict[str, Tensor]) -> str:
    return ", ".join(f"{name} {value.item():.3f}" for name, value in values.items())
