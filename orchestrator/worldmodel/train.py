"""Training in two stages: learn to see and predict, then, on frozen latents, how far goals are."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orchestrator.worldmodel import losses
from orchestrator.worldmodel.base import Observation, TokenSet
from orchestrator.worldmodel.data import Replay
from orchestrator.worldmodel.model import WorldModel
from orchestrator.worldmodel.reaching import apart_loss, learn_to_judge, learn_to_reach
from orchestrator.worldmodel.steps import (
    Progress,
    TrainConfig,
    actions_at,
    follow,
    optimiser_step,
)

SMALL_BATCH = 64  # below it, batch statistics cannot keep the latents apart


@dataclass
class Report:
    """Seconds of the two stages and the last value of each loss."""

    seconds: float
    losses: dict[str, float]


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
    model: WorldModel,
    replay: Replay,
    config: TrainConfig,
    generator: torch.Generator,
    say: Progress,
) -> dict[str, float]:
    """Stage one: encoder, predictor, readout, inverse dynamics and outcomes together."""
    model.train()
    slow = copy.deepcopy(model.encoder) if config.batch < SMALL_BATCH else None
    step_of = optimiser_step(model, config.rate, config.steps)
    values: dict[str, Tensor] = {}
    for step in range(config.steps):
        frames = replay.draw(config.batch, 2)
        values = prediction_losses(model, replay, frames, config, generator, slow)
        step_of(sum(values.values()))
        if slow is not None:
            follow(slow, model.encoder, 0.99)
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
    first, second = (actions_at(model, replay, frames + step) for step in (0, 1))
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
    if config.apart:
        values["apart"] = config.apart * apart_loss(model, replay, frames, z0, config)
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


def _concatenate(windows: list[Any]) -> Observation:
    if not isinstance(windows[0], TokenSet):
        return np.concatenate(windows)
    names = ("kinds", "features", "relations", "mask", "partial", "text")
    parts: dict[str, Any] = {name: [getattr(one, name) for one in windows] for name in names}
    return TokenSet(**{n: None if v[0] is None else np.concatenate(v) for n, v in parts.items()})


def _show(values: dict[str, Tensor]) -> str:
    return ", ".join(f"{name} {value.item():.3f}" for name, value in values.items())
