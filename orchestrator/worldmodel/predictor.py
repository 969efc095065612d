"""What comes next: an ensemble of small residual networks on the latents, one row for each token.

Members see the same encoder but other samples; where they disagree, little is known.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class MemberLinear(nn.Module):
    """One linear layer for each member: (M, rows, in) to (M, rows, out)."""

    def __init__(self, members: int, inside: int, outside: int, zero: bool = False):
        super().__init__()
        weight = torch.zeros(members, inside, outside)
        if not zero:
            nn.init.uniform_(weight, -(inside**-0.5), inside**-0.5)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(members, 1, outside))

    def forward(self, rows: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, rows, self.weight)


class Block(nn.Module):
    """A residual block whose norm is scaled, shifted and gated by the action (AdaLN-zero).

    Source: Peebles & Xie 2023, arXiv:2212.09748.
    """

    def __init__(self, members: int, width: int, action: int):
        super().__init__()
        self.modulate = MemberLinear(members, action, 3 * width, zero=True)
        self.inside = MemberLinear(members, width, width)
        self.outside = MemberLinear(members, width, width)

    def forward(self, rows: Tensor, action: Tensor) -> Tensor:
        scale, shift, gate = self.modulate(action).chunk(3, dim=-1)
        normed = functional.layer_norm(rows, rows.shape[-1:]) * (1 + scale) + shift
        return rows + (1 + gate) * self.outside(functional.silu(self.inside(normed)))


class Predictor(nn.Module):
    """z' = z + f(z, the mean of all tokens, action), for each member."""

    def __init__(self, members: int, latent: int, action: int, width: int, blocks: int):
        super().__init__()
        self.members = members
        self.inside = MemberLinear(members, 2 * latent, width)
        self.blocks = nn.ModuleList(Block(members, width, action) for _ in range(blocks))
        self.outside = MemberLinear(members, width, latent, zero=True)

    def forward(self, z: Tensor, action: Tensor, mask: Tensor) -> Tensor:
        """z: (M, B, N, D); action: (M, B, N, A); mask: (M, B, N) or less; returns (M, B, N, D)."""
        weight = mask.unsqueeze(-1)
        mean = (z * weight).sum(-2, keepdim=True) / weight.sum(-2, keepdim=True)
        rows = self.inside(torch.cat([z, mean.expand_as(z)], -1).flatten(1, 2))
        conditions = functional.silu(action).flatten(1, 2)
        for block in self.blocks:
            rows = block(rows, conditions)
        return (z + self.outside(rows).view_as(z)) * weight
