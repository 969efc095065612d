"""What both stages of training share: the settings, an optimiser step, a slow copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from orchestrator.worldmodel.data import Replay
from orchestrator.worldmodel.encoders import Actions
from orchestrator.worldmodel.model import WorldModel

Progress = Callable[[str], None]


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
    apart: float = 0.0  # reachability in stage one, so that the encoder sees what is in the way
    facts: float = 1.0
    outcomes: float = 0.5


def actions_at(model: WorldModel, replay: Replay, frames: np.ndarray) -> Actions:
    return model.batch([replay.actions[i] for i in frames])


def optimiser_step(module: torch.nn.Module, rate: float, steps: int) -> Callable[[Any], None]:
    """One step of AdamW on a loss; the rate rises briefly and falls to zero along a cosine."""
    parameters = list(module.parameters())
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, max(steps, 1) + 1, pct_start=0.1
    )

    def step(loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()

    return step


def follow(slow: torch.nn.Module, quick: torch.nn.Module, share: float) -> None:
    """The slow copy moves a little towards the quick one."""
    with torch.no_grad():
        for old, new in zip(slow.parameters(), quick.parameters(), strict=True):
            old.data.lerp_(new, 1 - share)
        for held, seen in zip(slow.buffers(), quick.buffers(), strict=True):
            held.copy_(seen)
