"""How each benchmark world's model is made: its experience, its size, its training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from orchestrator.worldmodel.base import World, WorldModelError
from orchestrator.worldmodel.data import Episode, Replay
from orchestrator.worldmodel.model import ModelConfig, WorldModel
from orchestrator.worldmodel.steps import Progress, TrainConfig
from orchestrator.worldmodel.train import Report, train
from orchestrator.worldmodel.worlds import blocksworld as blocks
from orchestrator.worldmodel.worlds import tworooms as rooms


@dataclass(frozen=True)
class Recipe:
    """walks(count of transitions, rng) makes experience; world_of(setting) the world it is from."""

    name: str
    walks: Callable[[int, np.random.Generator], list[Episode]]
    world_of: Callable[[dict[str, Any]], World]
    transitions: int
    model: ModelConfig
    training: TrainConfig

    def experience(self, seed: int) -> list[Episode]:
        return self.walks(self.transitions, np.random.default_rng(seed))

    def held_out(self, seed: int) -> Replay:
        """Fresh walks that no training has seen."""
        rng = np.random.default_rng(10_000 + seed)
        return Replay(self.walks(min(2000, self.transitions), rng), self.world_of, rng)

    def train(
        self, seed: int, say: Progress, episodes: Sequence[Episode] | None = None
    ) -> tuple[WorldModel, Replay, Report]:
        """A trained model; the same seed and episodes give the same one on the same machine."""
        torch.manual_seed(seed)
        experience = self.experience(seed) if episodes is None else episodes
        replay = Replay(experience, self.world_of, np.random.default_rng(seed))
        model = WorldModel(replay.world.spec, self.model)
        report = train(model, replay, self.with_seed(seed).training, say)
        return model, replay, report

    def with_seed(self, seed: int) -> Recipe:
        training = dataclasses.replace(self.training, seed=seed)
        return dataclasses.replace(self, training=training)


def blocksworld(scale: float = 1.0) -> Recipe:
    """5,000 random moves with three to six blocks."""
    _check(scale)
    return Recipe(
        name="blocksworld",
        walks=lambda steps, rng: blocks.random_walks(steps, (3, 4, 5, 6), 40, rng),
        world_of=lambda setting: blocks.Blocksworld(setting["objects"]),
        transitions=max(400, round(5000 * scale)),
        model=ModelConfig(),
        training=TrainConfig(
            steps=max(20, round(500 * scale)),
            batch=96,
            reach_steps=max(20, round(500 * scale)),
            reach_batch=192,
            optimism=0.7,
        ),
    )


def tworooms(scale: float = 1.0) -> Recipe:
    """About 50,000 wandering moves around one wall with one door."""
    _check(scale)
    return Recipe(
        name="tworooms",
        walks=lambda steps, rng: rooms.random_walks(1, max(16, steps // 16), 16, rng, fixed=True),
        world_of=lambda setting: rooms.TwoRooms(),
        transitions=max(2048, round(51_200 * scale)),
        model=ModelConfig(encoder_width=64),
        training=TrainConfig(
            steps=max(20, round(400 * scale)),
            batch=96,
            reach_steps=max(20, round(3000 * scale)),
            reach_batch=512,
            regulariser="vicreg",
            variance=1.0,
            covariance=0.5,
            similarity=0.2,
            inverse=2.0,
            optimism=0.8,
        ),
    )


def tworooms_random(scale: float = 1.0) -> Recipe:
    """The harder variant: about 100,000 moves in 400 layouts; any wall, any door."""
    fixed = tworooms(scale)
    training = dataclasses.replace(
        fixed.training,
        steps=max(20, round(1500 * scale)),
        variance=4.0,
        covariance=2.0,
        similarity=0.5,
        apart=0.5,
    )
    return dataclasses.replace(
        fixed,
        name="tworooms-random",
        walks=lambda steps, rng: rooms.random_walks(max(4, steps // 256), 16, 16, rng),
        transitions=max(2048, round(102_400 * scale)),
        training=training,
    )


RECIPES = {
    "blocksworld": blocksworld,
    "tworooms": tworooms,
    "tworooms-random": tworooms_random,
}


def _check(scale: float) -> None:
    if not 0 < scale <= 10:
        raise WorldModelError(f"a scale is above 0 and at most 10; {scale} is not")
