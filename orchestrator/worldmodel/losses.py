"""What the latents are trained by: predictable, not collapsed, aware of actions, reachable."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from orchestrator.worldmodel.encoders import Actions

MOST_ROWS = 512


def prediction(predicted: Tensor, target: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
    """Mean squared error of each member on the samples that are its own.

    predicted: (M, B, N, D); target: (B, N, D); mask: (B, N); chosen: (M, B), 1 where the member
    learns from the sample (bootstrap)
    """
    error = (predicted - target).pow(2).mean(-1)
    weight = mask * chosen.unsqueeze(-1)
    return (error * weight).sum() / weight.sum()


def sigreg(rows: Tensor, generator: torch.Generator, slices: int = 256, knots: int = 17) -> Tensor:
    """How far the rows are from an isotropic normal distribution: 0 if they are one.

    rows: (B, D). Random directions; along each, the Epps-Pulley distance between the empirical
    characteristic function and the normal one, integrated at `knots` points, times B. Of many rows
    a random part is looked at: the statistic says enough, and its cost is most of a step's.
    Source: Balestriero & LeCun 2025, LeJEPA, arXiv:2511.08544.
    """
    if len(rows) > MOST_ROWS:
        rows = rows[torch.randperm(len(rows), generator=generator)[:MOST_ROWS]]
    directions = torch.randn(rows.shape[-1], slices, generator=generator)
    along = rows @ functional.normalize(directions, dim=0)
    points = torch.linspace(0.2, 4.0, knots)
    angles = along.unsqueeze(-1) * points
    normal = torch.exp(-points.pow(2) / 2)
    error = (angles.cos().mean(0) - normal).pow(2) + angles.sin().mean(0).pow(2)
    return len(rows) * torch.trapezoid(error * normal, points, dim=-1).mean()


def vicreg(rows: Tensor, floor: float = 1.0) -> tuple[Tensor, Tensor]:
    """(variance, covariance): each number varies by at least `floor`; no two say the same.

    rows: (B, D). Source: Bardes et al. 2022, arXiv:2105.04906.
    """
    centred = rows - rows.mean(0)
    deviation = (centred.pow(2).mean(0) + 1e-4).sqrt()
    covariance = centred.T @ centred / max(1, len(rows) - 1)
    off_diagonal = covariance - torch.diag(covariance.diagonal())
    return functional.relu(floor - deviation).mean(), off_diagonal.pow(2).sum() / rows.shape[-1]


def time_similarity(z: Tensor, after: Tensor) -> Tensor:
    """Neighbours in time are neighbours in the latent space. Source: Sobal et al. 2025, PLDM."""
    return (after - z).pow(2).mean()


def inverse_dynamics(said: tuple[Tensor, Tensor, Tensor], actions: Actions) -> Tensor:
    """How badly the action was guessed from the latents before and after it."""
    kinds, pointers, values = said
    loss = values.new_zeros(())
    if kinds.shape[-1] > 1:
        loss = loss + functional.cross_entropy(kinds, actions.kinds)
    if pointers.shape[1]:
        loss = loss + functional.cross_entropy(
            pointers.flatten(0, 1), actions.pointers.flatten(), ignore_index=-1
        )
    if values.shape[-1]:
        loss = loss + functional.mse_loss(values, actions.values)
    return loss


def facts(said: tuple[Tensor, Tensor], features: Tensor, relations: Tensor, mask: Tensor) -> Tensor:
    """Whether what was observed can be read off the latents; shapes may lead by M."""
    pairs = mask[:, None, :, None] * mask[:, None, None, :]
    losses = []
    for logits, truth, weight in (
        (said[0], features, mask.unsqueeze(-1)),
        (said[1], relations, pairs),
    ):
        error = functional.binary_cross_entropy_with_logits(
            logits, truth.expand_as(logits), reduction="none"
        )
        losses.append((error * weight).sum() / weight.expand_as(error).sum())
    return losses[0] + losses[1]


def reachability(steps: Tensor, target: Tensor, optimism: float = 0.9) -> Tensor:
    """Asymmetric squared error on steps-to-go, so that it learns of the shorter ways.

    A walk that took k steps proves that k suffice, not that they are needed: saying more than the
    target is punished `optimism` / (1 - `optimism`) times as much as saying less. Targets come
    from hindsight (what a walk did reach) and, for goals from the same surroundings that it did not
    reach (temporal hard negatives), from the forecast n steps on.
    Source: Kostrikov et al. 2022, arXiv:2110.06169; Park et al. 2023, arXiv:2307.11949.
    """
    error = steps - target
    weight = torch.where(error > 0, optimism, 1 - optimism)
    scale = 1 / (1 + target)  # two steps instead of one is worse than eleven instead of ten
    return (weight * scale * error.pow(2)).mean()


def unreached(steps: Tensor, far: float) -> Tensor:
    """Pushes goals that nothing is known to reach away, up to `far` steps."""
    return 0.1 * (functional.relu(far - steps).pow(2) / far).mean()


def outcomes(said: Tensor, truth: Tensor, names: tuple[str, ...]) -> Tensor:
    """said, truth: (B, O): success as 0 or 1, seconds and tokens as they are."""
    loss = said.new_zeros(())
    for place, name in enumerate(names):
        if name == "success":
            loss = loss + functional.binary_cross_entropy_with_logits(
                said[:, place], truth[:, place]
            )
        else:
            loss = loss + functional.mse_loss(said[:, place], torch.log1p(truth[:, place]))
    return loss
