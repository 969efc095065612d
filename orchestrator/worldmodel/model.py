"""The engine on one page: encode, predict, roll out, cost. Planning is in `planners`.

Shapes: B problems or plans, M ensemble members, N tokens (1 for an image), D numbers a token,
T steps. Rollouts carry one imagined future for each member (trajectory sampling, Chua et al. 2018,
arXiv:1805.12114): the mean is the forecast and the spread says how little is known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from orchestrator.worldmodel.base import Action, Observation, TokenSet, WorldSpec
from orchestrator.worldmodel.encoders import (
    ActionEncoder,
    Actions,
    ImageEncoder,
    SetEncoder,
    identities,
)
from orchestrator.worldmodel.heads import InverseDynamics, Outcomes, Reach, Readout
from orchestrator.worldmodel.predictor import Predictor


@dataclass(frozen=True)
class ModelConfig:
    latent: int = 64
    encoder_width: int = 96
    encoder_layers: int = 2
    identity: int = 16
    action_width: int = 64
    members: int = 5
    predictor_width: int = 128
    predictor_blocks: int = 3
    head_width: int = 128
    judges: bool = False  # a value of actions that needs no prediction: the supervised control


@dataclass(frozen=True)
class Seen:
    """An encoded observation. z: (B, N, D); mask: (B, N)."""

    z: Tensor
    mask: Tensor


class WorldModel(nn.Module):
    def __init__(self, spec: WorldSpec, config: ModelConfig | None = None) -> None:
        super().__init__()
        c = config or ModelConfig()
        self.spec, self.config = spec, c
        self.encoder: nn.Module = (
            ImageEncoder(spec.image, c.encoder_width, c.latent)
            if spec.image
            else SetEncoder(spec, c.encoder_width, c.encoder_layers, c.latent, c.identity)
        )
        self.action_encoder = ActionEncoder(spec, c.latent, c.action_width)
        self.predictor = Predictor(
            c.members, c.latent, c.action_width, c.predictor_width, c.predictor_blocks
        )
        self.readout = None if spec.image else Readout(spec, c.latent)
        self.reach = Reach(c.latent, c.head_width)
        self.judge = Reach(c.latent, c.head_width, c.action_width) if c.judges else None
        self.inverse = InverseDynamics(spec, c.latent, c.head_width)
        self.outcomes = (
            Outcomes(spec, c.latent, c.action_width, c.head_width) if spec.outcomes else None
        )

    def encode(self, seen: Observation, identity: Tensor | None = None) -> Seen:
        """A batch of observations as latents; a goal is encoded with its state's identities."""
        if not isinstance(seen, TokenSet):
            z = self.encoder(torch.as_tensor(seen))
            return Seen(z, z.new_ones(z.shape[:2]))
        tokens = seen.map(torch.as_tensor)
        return Seen(self.encoder(tokens, identity), tokens.mask)

    def predict(self, z: Tensor, mask: Tensor, actions: Actions) -> Tensor:
        """The latents after one action, by each member.

        z: (M, B, N, D); mask: (B, N) or (M, B, N); actions: (M, B); returns (M, B, N, D)
        """
        mask = mask.expand(z.shape[:-1])
        return self.predictor(z, self.action_encoder(z, actions), mask)

    def rollout(self, z: Tensor, mask: Tensor, plans: Actions) -> Tensor:
        """The latents after each step of each plan.

        z: (M, B, N, D); plans: (M, B, T); returns (M, B, T, N, D). Raises ValueError if T is zero.
        """
        steps = plans.kinds.shape[-1]
        if steps == 0:
            raise ValueError("a plan needs at least one step")
        path = []
        for step in range(steps):
            z = self.predict(z, mask, plans.take((slice(None), slice(None), step)))
            path.append(z)
        return torch.stack(path, dim=2)

    def cost(self, path: Tensor, mask: Tensor, goal: Tensor, last_weight: float = 1.0) -> Tensor:
        """How far each plan is from the goal, summed over its steps and with the last one weighted.

        path: (M, B, T, N, D); mask: (B, N); goal: (B, N, D) or (1, N, D); returns (M, B)
        """
        steps = self.reach(path, goal[:, None], mask[:, None])
        return steps.sum(-1) + (last_weight - 1) * steps[..., -1]

    def imagined(self, z: Tensor) -> TokenSet:
        """What latents say would be seen; a set world only. z: (B, N, D); numpy arrays."""
        assert self.readout is not None, "an image world has no facts to read"
        features, relations = self.readout(z)
        shape = z.shape[:-1]
        return TokenSet(
            kinds=np.zeros(shape, int),
            features=(features > 0).float().numpy(),
            relations=(relations > 0).float().numpy(),
            mask=np.ones(shape, np.float32),
            partial=np.zeros(shape[:-1], np.float32),
        )

    def each(self, z: Tensor) -> Tensor:
        """(B, N, D) to (M, B, N, D): the same start for each member."""
        return z.expand(self.config.members, *z.shape)

    def identities(self, count: int, tokens: int, generator: torch.Generator) -> Tensor | None:
        """Fresh identities for `count` problems; None if the world is an image."""
        if self.spec.image:
            return None
        return identities(count, tokens, self.config.identity, generator)

    def batch(self, actions: Sequence[Action]) -> Actions:
        """(B) actions as tensors."""
        width = self.spec.pointers
        pointers = [[*a.pointers, *[-1] * (width - len(a.pointers))] for a in actions]
        values = np.array([a.values for a in actions], np.float32)
        return Actions(
            torch.tensor([a.kind for a in actions]),
            torch.tensor(pointers).view(len(actions), width),
            torch.from_numpy(values.reshape(len(actions), self.spec.action_size)),
        )

    def card(self) -> dict[str, object]:
        """What the model is, as JSON."""
        return {
            "spec": dataclasses.asdict(self.spec),
            "config": dataclasses.asdict(self.config),
            "parameters": sum(p.numel() for p in self.parameters()),
        }
