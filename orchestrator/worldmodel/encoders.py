"""From what is seen to latents: sets of tokens, images, and actions.

A latent is a row of numbers for each token (..., N, D); an image is one token. Tokens have no
names: each gets a random identity for as long as a problem lasts, and links are told by it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from orchestrator.worldmodel.base import TokenSet, WorldSpec


def identities(count: int, tokens: int, size: int, generator: torch.Generator) -> Tensor:
    """(count, tokens, size): which token is which, told anew for each problem and epoch.

    Different unit axes as long as there are enough of them, random directions beyond.
    """
    if tokens > size:
        return functional.normalize(torch.randn(count, tokens, size, generator=generator), dim=-1)
    places = torch.rand(count, size, generator=generator).argsort(-1)[:, :tokens]
    return functional.one_hot(places, size).float()


class SetEncoder(nn.Module):
    """A set transformer over tokens that know their own identity and those they are linked to."""

    def __init__(self, spec: WorldSpec, width: int, layers: int, latent: int, identity: int):
        super().__init__()
        self.kind = nn.Embedding(len(spec.token_kinds), width)
        self.partial = nn.Embedding(2, width)
        self.features = nn.Linear(len(spec.features), width)
        self.text = nn.Linear(spec.text_size, width) if spec.text_size else None
        self.own = nn.Linear(identity, width, bias=False)
        self.outgoing = nn.Linear(len(spec.relations) * identity, width, bias=False)
        self.incoming = nn.Linear(len(spec.relations) * identity, width, bias=False)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.mix = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.project = Projector(width, latent)

    def forward(self, seen: TokenSet, identity: Tensor) -> Tensor:
        """seen: a batch (B, N ...); identity: (B, N, I); returns (B, N, D), zero where padded."""
        links = seen.relations.float()
        out = torch.einsum("brij,bjk->birk", links, identity).flatten(2)
        back = torch.einsum("brji,bjk->birk", links, identity).flatten(2)
        tokens = (
            self.kind(seen.kinds)
            + self.partial(seen.partial.long())[:, None]
            + self.features(seen.features)
            + self.own(identity)
            + self.outgoing(out)
            + self.incoming(back)
        )
        if self.text is not None:
            tokens = tokens + self.text(seen.text)
        mixed = self.mix(tokens, src_key_padding_mask=seen.mask < 0.5)
        return self.project(mixed, seen.mask)


class ImageEncoder(nn.Module):
    """A small convolutional network that says what is there and where; the image is one token.

    Where: each channel's centre of attention, exact to fractions of a pixel (spatial softmax).
    Source: Finn et al. 2016, arXiv:1509.06113.
    """

    def __init__(self, image: tuple[int, int, int], width: int, latent: int):
        super().__init__()
        channels, height, breadth = image
        fine = width // 4
        self.look = nn.Sequential(
            *_convolution(channels, fine // 2, 5, 2), *_convolution(fine // 2, fine, 3, 1)
        )
        self.summary = nn.Sequential(
            *_convolution(fine, fine, 3, 2), *_convolution(fine, fine, 3, 2), nn.Flatten()
        )
        self.sharpness = nn.Parameter(torch.full((fine, 1), 2.0))
        half = ((height + 1) // 2, (breadth + 1) // 2)
        rows, columns = (torch.linspace(-1, 1, size) for size in half)
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)
        self.places: Tensor
        self.register_buffer("places", places, persistent=False)
        coarse = ((half[0] + 3) // 4) * ((half[1] + 3) // 4)
        self.wide = nn.Linear(fine * (coarse + 2), 4 * width)
        self.project = Projector(4 * width, latent)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W) uint8; returns (B, 1, D)."""
        looked = self.look(images.float() / 255)
        attention = torch.softmax(looked.flatten(2) * self.sharpness, -1)
        where = (attention @ self.places).flatten(1)
        flat = functional.silu(self.wide(torch.cat([self.summary(looked), where], 1)))[:, None]
        return self.project(flat, flat.new_ones(flat.shape[:2]))


def _convolution(inside: int, outside: int, kernel: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2),
        nn.BatchNorm2d(outside),
        nn.SiLU(),
    ]


class Projector(nn.Module):
    """Linear, BatchNorm, SiLU, Linear; no LayerNorm at the end, which would fix the norm.

    Source: Maes et al. 2026, LeWorldModel, arXiv:2603.19312.
    """

    def __init__(self, width: int, latent: int):
        super().__init__()
        self.wide = nn.Linear(width, 2 * latent)
        self.norm = nn.BatchNorm1d(2 * latent)
        self.out = nn.Linear(2 * latent, latent)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """tokens: (B, N, W); mask: (B, N), only real tokens count for the norm."""
        real = mask > 0.5
        rows = self.out(functional.silu(self.norm(self.wide(tokens[real]))))
        latent = tokens.new_zeros(*tokens.shape[:2], rows.shape[-1])
        latent[real] = rows
        return latent


class ActionEncoder(nn.Module):
    """An action as one row for each token: what is done, to whom, and whether to me.

    Pointers take the latent of the token they point to, so a new agent or tool needs no new number.
    """

    def __init__(self, spec: WorldSpec, latent: int, width: int):
        super().__init__()
        self.kind = nn.Embedding(max(1, len(spec.actions)), width)
        self.pointed = nn.ModuleList(nn.Linear(latent, width) for _ in range(spec.pointers))
        self.mark = nn.Parameter(torch.randn(spec.pointers + 1, width) / width**0.5)
        self.values = nn.Linear(spec.action_size, width) if spec.action_size else None

    def forward(self, z: Tensor, actions: Actions) -> Tensor:
        """z: (..., N, D); actions: (...); returns (..., N, W)."""
        whole = self.kind(actions.kinds)
        marks = z.new_zeros(*z.shape[:-1], whole.shape[-1])
        for place, layer in enumerate(self.pointed):
            pointer = actions.pointers[..., place]
            hot = functional.one_hot(pointer.clamp(min=0), z.shape[-2]).to(z.dtype)
            hot = hot * (pointer >= 0).unsqueeze(-1)
            there = (hot.unsqueeze(-1) * z).sum(-2)
            whole = whole + layer(there) * (pointer >= 0).unsqueeze(-1)
            marks = marks + hot.unsqueeze(-1) * self.mark[place + 1]
        if self.values is not None:
            whole = whole + self.values(actions.values)
        return whole.unsqueeze(-2) + marks


class Actions:
    """A batch of actions: kinds (...), pointers (..., P) with -1 for none, values (..., A)."""

    def __init__(self, kinds: Tensor, pointers: Tensor, values: Tensor):
        self.kinds, self.pointers, self.values = kinds, pointers, values

    def take(self, index: Any) -> Actions:
        return Actions(self.kinds[index], self.pointers[index], self.values[index])

    def spread(self, members: int) -> Actions:
        """(B) becomes (M, B): the same for each member."""
        parts = (self.kinds, self.pointers, self.values)
        return Actions(*(part.expand(members, *part.shape) for part in parts))
