"""Both worlds are learned for real, on a small scale, and prediction is what makes the difference.

Margins are far below what is usual, so that a slow machine or another seed does not matter.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from orchestrator.worldmodel import evaluate, recipes, steps, train
from orchestrator.worldmodel.evaluate import CONTROLS, Task, drive, searching, wandering
from orchestrator.worldmodel.model import WorldModel
from orchestrator.worldmodel.planners import SearchConfig
from orchestrator.worldmodel.worlds import blocksworld as blocks

CALLS = SearchConfig(calls=512)
MOST_STEPS = 12


@pytest.fixture(scope="module")
def small_blocks():
    """Two and three blocks, about a thousand random moves."""
    recipe = dataclasses.replace(
        recipes.blocksworld(0.2),
        walks=lambda steps, rng: blocks.random_walks(steps, (2, 3), 25, rng),
        training=steps.TrainConfig(
            steps=150, batch=64, reach_steps=80, reach_batch=96, optimism=0.7
        ),
    )
    model, _, _ = recipe.train(0, lambda text: None)
    return recipe, model


def solved(model, way, problems):
    count = 0
    for problem in problems:
        world = blocks.Blocksworld(problem.objects)
        task = Task(world, blocks.plain(problem.start), blocks.plain(problem.goal))
        count += drive(model, task, 0, way(world), MOST_STEPS).reached
    return count


def test_blocksworld_is_solved_by_imagination_and_not_without(small_blocks):
    """Of 20 problems: at least 16, and at least 6 more than random or shuffled ones."""
    _, model = small_blocks
    problems = blocks.problems(20, (3,), np.random.default_rng(7))
    planned = solved(model, lambda world: searching(model, world, CALLS), problems)
    floor = solved(model, lambda world: wandering(world, 1), problems)
    shuffle = CONTROLS["shuffled_predictions"](model, torch.Generator().manual_seed(0))
    shuffled = solved(model, lambda world: searching(model, world, CALLS, shuffle), problems)
    assert planned >= 16
    assert planned - floor >= 6
    assert planned - shuffled >= 6


def test_the_latents_are_alive_and_foresee_more_than_nothing_changes(small_blocks):
    recipe, model = small_blocks
    figures = evaluate.latent_figures(model, recipe.held_out(0))
    assert figures["effective_rank"] > 10
    assert figures["open_loop_over_copy"]["1"] < 0.5
    assert figures["open_loop_over_copy"]["8"] < 0.8
    assert figures["retrieval_at_1"] > 0.8


def test_without_a_regulariser_the_latents_shrink(small_blocks):
    """Nothing but the prediction: the easiest way to foresee everything is to see nothing."""
    recipe, model = small_blocks
    bare = dataclasses.replace(
        recipe.training, regulariser="none", inverse=0.0, facts=0.0, reach_steps=1
    )
    collapsed, _, _ = dataclasses.replace(recipe, training=bare).train(0, lambda text: None)
    frames = recipe.held_out(0)
    ranks = [evaluate.latent_figures(m, frames)["effective_rank"] for m in (model, collapsed)]
    assert spread(collapsed, frames) < 0.3 * spread(model, frames) or ranks[1] < 0.5 * ranks[0]


def spread(model, frames):
    seen = frames.observe(frames.draw(64, 1))
    tokens = 1 if model.spec.image else len(seen)
    identity = model.identities(64, tokens, torch.Generator().manual_seed(0))
    with torch.no_grad():
        latent = model.encode(seen, identity)
    return float(latent.z[latent.mask > 0.5].std(0).mean())


def test_two_rooms_are_learned_from_pixels():
    """A small model on a fixed wall: what it predicts beats copying, and knows the dot's place."""
    recipe = recipes.tworooms(0.02)
    training = dataclasses.replace(recipe.training, steps=120, batch=64, reach_steps=50)
    recipe = dataclasses.replace(recipe, training=training)
    model, _, report = recipe.train(0, lambda text: None)
    assert np.isfinite(list(report.losses.values())).all()
    frames = recipe.held_out(1)
    assert evaluate.latent_figures(model, frames)["effective_rank"] > 3
    picked = frames.draw(400, 1)
    with torch.no_grad():
        z = model.encode(frames.observe(picked)).z[:, 0].numpy()
    places = np.array([frames.states[i] for i in picked])[:, :2]
    z = np.c_[z, np.ones(len(z))]
    weights = np.linalg.lstsq(z[:300], places[:300], rcond=None)[0]
    error = abs(z[300:] @ weights - places[300:]).mean()
    floor = abs(places[300:] - places[:300].mean(0)).mean()
    assert error < 0.6 * floor


def test_one_batch_can_be_learned_by_heart():
    recipe = recipes.blocksworld(0.1)
    torch.manual_seed(0)
    replay = recipe.held_out(0)
    model = WorldModel(replay.world.spec, recipe.model)
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    frames = replay.draw(64, 2)
    facts = []
    for _ in range(60):
        values = train.prediction_losses(model, replay, frames, recipe.training, generator)
        optimiser.zero_grad()
        sum(values.values()).backward()
        optimiser.step()
        facts.append(values["facts"].item())
    assert facts[-1] < 0.5 * facts[0]


def test_the_same_seed_gives_the_same_model():
    recipe = recipes.blocksworld(0.05)
    training = dataclasses.replace(recipe.training, steps=3, reach_steps=3, batch=16)
    recipe = dataclasses.replace(recipe, training=training)
    first, second = (recipe.train(3, lambda text: None)[0] for _ in range(2))
    other = recipe.train(4, lambda text: None)[0]
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert all(same)
    assert not all(
        torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True)
    )
