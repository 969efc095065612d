"""The losses say what they should of latents that are known to be good or bad."""

from __future__ import annotations

import pytest
import torch

from orchestrator.worldmodel import evaluate, losses


def rows(count=512, size=32, seed=0):
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def sigreg(sample):
    return float(losses.sigreg(sample, torch.Generator().manual_seed(1)))


def test_sigreg_is_small_for_a_gaussian_and_large_for_a_collapsed_batch():
    good = sigreg(rows())
    line = rows(size=1) @ torch.ones(1, 32)
    assert good < 1.5
    assert sigreg(torch.zeros(512, 32)) > 50 * good
    assert sigreg(line) > 10 * good
    assert sigreg(rows() * 4) > 10 * good


def test_sigreg_pulls_a_collapsed_batch_apart():
    points = (0.01 * rows(128, 8)).requires_grad_()
    optimiser = torch.optim.Adam([points], 0.05)
    generator = torch.Generator().manual_seed(2)
    for _ in range(150):
        optimiser.zero_grad()
        losses.sigreg(points, generator).backward()
        optimiser.step()
    assert evaluate.effective_rank(points.detach()) > 6
    assert 0.7 < float(points.detach().std()) < 1.3


def test_vicreg_sees_collapse_and_repetition():
    variance, covariance = losses.vicreg(rows())
    assert float(variance) < 0.1 and float(covariance) < 0.2
    assert float(losses.vicreg(torch.zeros(64, 8))[0]) > 0.9
    same = rows(size=1).expand(512, 32)
    assert float(losses.vicreg(same)[1]) > 10 * float(covariance)


def test_the_reachability_loss_learns_the_shorter_way():
    """Half of the walks took 2 steps and half 10: what is said is much nearer to 2."""
    said = torch.tensor(6.0, requires_grad=True)
    target = torch.tensor([2.0, 10.0])
    optimiser = torch.optim.SGD([said], 0.5)
    for _ in range(300):
        optimiser.zero_grad()
        losses.reachability(said.expand(2), target, optimism=0.9).backward()
        optimiser.step()
    assert 2 <= float(said) < 3


def test_members_learn_only_from_their_own_samples():
    target, mask = torch.zeros(2, 3, 4), torch.ones(2, 3)
    predicted = torch.stack([torch.zeros(2, 3, 4), torch.ones(2, 3, 4)])
    mine = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert float(losses.prediction(predicted, target, mask, mine)) == 0
    assert float(losses.prediction(predicted, target, mask, 1 - mine)) == pytest.approx(1)


def test_rank_and_retrieval():
    assert evaluate.effective_rank(rows()) > 28
    assert evaluate.effective_rank(rows(size=1) @ torch.ones(1, 32)) < 1.1
    assert evaluate.retrieval_at_1(rows(), rows()) == 1
    assert evaluate.retrieval_at_1(rows(seed=3), rows()) < 0.05


def test_intervals():
    low, high = evaluate.wilson(97, 100)
    assert low == pytest.approx(0.9155, abs=1e-3) and high == pytest.approx(0.9897, abs=1e-3)
    assert evaluate.wilson(0, 0) == (0.0, 1.0)
