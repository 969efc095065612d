"""The planners on world models that are known: what they find, and that shuffling ruins it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from orchestrator.worldmodel import evaluate
from orchestrator.worldmodel.base import Action, Box, TokenSet
from orchestrator.worldmodel.model import ModelConfig, Seen, WorldModel
from orchestrator.worldmodel.planners import CemConfig, SearchConfig, icem, search
from orchestrator.worldmodel.worlds.tworooms import TwoRooms


class Distance(torch.nn.Module):
    def forward(self, z, goal, mask):
        return (z - goal).norm(dim=-1).sum(-1)


class Plane(WorldModel):
    """Latents are places in a plane, actions are moves, and distance is known."""

    def __init__(self):
        super().__init__(TwoRooms.spec, ModelConfig(latent=2, members=2, encoder_width=16))
        self.reach = Distance()

    def predict(self, z, mask, actions):
        return z + actions.values[..., None, :]


class Line:
    """A line of places 0 .. 9; actions go left or right; the goal is a place."""

    spec = TwoRooms.spec

    def actions(self, seen):
        return [Action(values=(-1.0, 0.0)), Action(values=(1.0, 0.0))]

    def reached(self, seen, goals):
        return (seen.features == goals.features).all((-1, -2))

    def key(self, seen):
        return float(seen.features[0, 0])


class LineModel(Plane):
    def predict(self, z, mask, actions):
        return super().predict(z, mask, actions).clamp(0, 9)

    def imagined(self, z):
        return place(z.numpy())


def place(z):
    shape = z.shape[:-1]
    return TokenSet(
        kinds=np.zeros(shape, int),
        features=z[..., :1].round(),
        relations=np.zeros((*shape[:-1], 0, 1, 1), np.float32),
        mask=np.ones(shape, np.float32),
        partial=np.zeros(shape[:-1], np.float32),
    )


def at(*place_):
    return Seen(torch.tensor([[place_]], dtype=torch.float32), torch.ones(1, 1))


def test_search_finds_the_shortest_way():
    plan = search(LineModel(), Line(), at(2, 0), at(7, 0), place(np.array([[[7.0, 0.0]]])))
    assert plan.arrives and [a.values[0] for a in plan.actions] == [1.0] * 5
    assert plan.expected == (3.0, 4.0, 5.0, 6.0, 7.0)


def test_search_gives_what_comes_nearest_when_the_budget_ends():
    config = SearchConfig(calls=3, width=1)
    goal = place(np.array([[[9.0, 0.0]]]))
    plan = search(LineModel(), Line(), at(2, 0), at(9, 0), goal, config)
    assert not plan.arrives and plan.calls == 3 and plan.expected[-1] > 2


def test_search_that_is_there_already_does_nothing():
    plan = search(LineModel(), Line(), at(2, 0), at(2, 0), place(np.array([[[2.0, 0.0]]])))
    assert plan.arrives and plan.actions == ()


def plan_of(predict=None, horizon=6):
    box, generator = Box(2, 1.0), torch.Generator().manual_seed(0)
    config = CemConfig(horizon=horizon, samples=100, rounds=5)
    return icem(Plane(), at(0, 0), at(4, -3), box, generator, config, predict=predict)


def test_icem_goes_to_the_goal_and_keeps_to_the_limit():
    plan = plan_of()
    assert plan.abs().max() <= 1
    assert (plan.sum(0) - torch.tensor([4.0, -3.0])).norm() < 0.8


@pytest.mark.parametrize("control", sorted(evaluate.CONTROLS))
def test_icem_is_lost_without_its_predictions(control):
    """With a control in the place of the model the end is farther off, in the mean of five."""
    ends = []
    for seed in range(5):
        tampered = evaluate.CONTROLS[control](Plane(), torch.Generator().manual_seed(seed))
        ends.append(float((plan_of(tampered).sum(0) - torch.tensor([4.0, -3.0])).norm()))
    assert np.mean(ends) > 2


def test_an_empty_plan_is_refused():
    model = Plane()
    with pytest.raises(ValueError, match="at least one step"):
        plans = model.batch([Action(values=(0.0, 0.0))])
        empty = plans.take((slice(0, 0),)).spread(2)
        model.rollout(torch.zeros(2, 1, 1, 2), torch.ones(1, 1), empty.take((slice(None), None)))
