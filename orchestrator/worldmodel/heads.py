"""What is read off latents: facts, how far to a goal, which action it was, how it went."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from orchestrator.worldmodel.base import WorldSpec

LINK_WIDTH = 32


class Readout(nn.Module):
    """Features and links that a latent says are there: what is legal in imagination."""

    def __init__(self, spec: WorldSpec, latent: int):
        super().__init__()
        self.relations = len(spec.relations)
        self.features = nn.Linear(latent, len(spec.features))
        self.source = nn.Linear(latent, self.relations * LINK_WIDTH)
        self.target = nn.Linear(latent, self.relations * LINK_WIDTH)
        self.offset = nn.Parameter(torch.full((self.relations, 1, 1), -2.0))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z: (..., N, D); returns logits: features (..., N, F) and relations (..., R, N, N)."""
        shape = (*z.shape[:-1], self.relations, LINK_WIDTH)
        source = self.source(z).view(shape).transpose(-2, -3)
        target = self.target(z).view(shape).transpose(-2, -3)
        return self.features(z), source @ target.transpose(-1, -2) + self.offset


class Reach(nn.Module):
    """How many steps it takes from z to the goal: a sum over tokens, each at least zero.

    With `action` numbers an action is judged without imagining what it leads to; only the
    supervised control does that.
    """

    def __init__(self, latent: int, width: int, action: int = 0):
        super().__init__()
        self.pair = nn.Sequential(
            nn.Linear(3 * latent + action, width), nn.LayerNorm(width), nn.SiLU()
        )
        self.mix = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.out = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)
        )

    def forward(
        self, z: Tensor, goal: Tensor, mask: Tensor, action: Tensor | None = None
    ) -> Tensor:
        """z, goal: (..., N, D); mask: (..., N); returns (...) steps."""
        goal = goal.expand_as(z)
        parts = [z, goal, z * goal] + ([] if action is None else [action])
        pairs = self.pair(torch.cat(parts, -1))
        tokens = pairs.flatten(0, -3)
        flat_mask = mask.expand(z.shape[:-1]).reshape(tokens.shape[:-1])
        mixed = self.mix(tokens, src_key_padding_mask=flat_mask < 0.5)
        steps = functional.softplus(self.out(mixed).squeeze(-1)) * flat_mask
        return steps.sum(-1).view(z.shape[:-2])


class InverseDynamics(nn.Module):
    """Which action led from z to z': keeps in the latent what actions change.

    Source: Pathak et al. 2017, arXiv:1705.05363; Sobal et al. 2022, arXiv:2211.10831.
    """

    def __init__(self, spec: WorldSpec, latent: int, width: int):
        super().__init__()
        self.token = nn.Sequential(nn.Linear(2 * latent, width), nn.SiLU(), nn.Linear(width, width))
        self.kind = nn.Linear(width, max(1, len(spec.actions)))
        self.pointers = nn.Linear(width, spec.pointers) if spec.pointers else None
        self.values = nn.Linear(width, spec.action_size) if spec.action_size else None

    def forward(self, z: Tensor, after: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of kinds (B, K) and pointers (B, P, N), and values (B, A)."""
        tokens = functional.silu(self.token(torch.cat([z, after], -1)))
        weight = mask.unsqueeze(-1)
        pooled = (tokens * weight).sum(-2) / weight.sum(-2)
        pointers = tokens.new_zeros(*tokens.shape[:-1], 0)
        if self.pointers is not None:
            pointers = self.pointers(tokens).masked_fill(weight < 0.5, -1e4)
        values = pooled.new_zeros(len(pooled), 0) if self.values is None else self.values(pooled)
        return self.kind(pooled), pointers.transpose(-1, -2), values


class Outcomes(nn.Module):
    """Success (a logit), log seconds, log tokens: whatever of them the world reports."""

    def __init__(self, spec: WorldSpec, latent: int, action: int, width: int):
        super().__init__()
        self.names = spec.outcomes
        self.net = nn.Sequential(
            nn.Linear(2 * latent + action, width), nn.SiLU(), nn.Linear(width, len(spec.outcomes))
        )

    def forward(self, z: Tensor, action: Tensor, after: Tensor, mask: Tensor) -> Tensor:
        """z, after: (..., N, D); action: (..., N, A); returns (..., O)."""
        rows = torch.cat([z, action, after], -1) * mask.unsqueeze(-1)
        return self.net(rows.sum(-2) / mask.unsqueeze(-1).sum(-2))
