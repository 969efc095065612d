"""Models of benchmark worlds in folders: made, measured, packed, unpacked, made again.

A folder holds the weights, their card and the experience they were trained on. That is all that is
needed to get the same numbers elsewhere.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from orchestrator.worldmodel import checkpoint, data
from orchestrator.worldmodel.base import Box, WorldModelError
from orchestrator.worldmodel.checkpoint import CARD, WEIGHTS, code_version
from orchestrator.worldmodel.evaluate import (
    Run,
    Task,
    drive,
    latent_figures,
    searching,
    steering,
    wandering,
    wilson,
)
from orchestrator.worldmodel.model import WorldModel
from orchestrator.worldmodel.planners import CemConfig, SearchConfig
from orchestrator.worldmodel.recipes import RECIPES, Recipe
from orchestrator.worldmodel.steps import Progress
from orchestrator.worldmodel.worlds import blocksworld as blocks
from orchestrator.worldmodel.worlds import tworooms as rooms

EXPERIENCE = "experience.jsonl"
PARTS = (WEIGHTS, CARD, EXPERIENCE)
MOST_UNPACKED = 2_000_000_000  # bytes
MOST_BLOCK_STEPS = 60
MOST_PLANS = 5
TASK_SEED = 20_000  # of the tasks a model is measured on


def train(
    name: str, folder: Path, say: Progress, seed: int = 0, scale: float = 1.0, tasks: int = 30
) -> dict[str, Any]:
    """Make experience, train on it, measure, and put all of it into `folder`; returns the card."""
    recipe = recipe_of(name, scale)
    folder.mkdir(parents=True, exist_ok=True)
    data.save(folder / EXPERIENCE, recipe.experience(seed))
    return _train_on(recipe, folder, say, seed, scale, tasks)


def evaluate(folder: Path, tasks: int) -> dict[str, Any]:
    """Measure the folder's model on fresh tasks."""
    model, card = checkpoint.load(folder)
    recipe = recipe_of(card["recipe"], float(card["scale"]))
    return measure(model, recipe, int(card["seed"]), tasks)


def pack(folder: Path, archive: Path) -> None:
    """One file with everything that is needed to get the same numbers elsewhere."""
    checkpoint.load(folder)
    _experience(folder, checkpoint.read_card(folder))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in PARTS:
            packed.write(folder / part, part)


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """The card of the model that now stands in `folder`; nothing is left there if it is damaged."""
    try:
        with zipfile.ZipFile(archive) as packed:
            sizes = {info.filename: info.file_size for info in packed.infolist()}
            if set(sizes) != set(PARTS) or sum(sizes.values()) > MOST_UNPACKED:
                raise WorldModelError(f"{archive}: expected {', '.join(PARTS)} and nothing else")
            if folder.exists() and any(folder.iterdir()):
                raise WorldModelError(f"{folder}: is not empty; name another folder")
            folder.mkdir(parents=True, exist_ok=True)
            for part in PARTS:
                (folder / part).write_bytes(packed.read(part))
    except (OSError, zipfile.BadZipFile) as reason:
        raise WorldModelError(f"{archive}: cannot be unpacked: {reason}") from reason
    try:
        _, card = checkpoint.load(folder)
        _experience(folder, card)
    except WorldModelError:
        for part in PARTS:
            (folder / part).unlink(missing_ok=True)
        raise
    return card


def reproduce(folder: Path, say: Progress) -> dict[str, Any]:
    """Train again, beside it, on the exported experience by the card; compare what comes out."""
    card = checkpoint.read_card(folder)
    _experience(folder, card)
    again = folder / "again"
    again.mkdir(exist_ok=True)
    (again / EXPERIENCE).write_bytes((folder / EXPERIENCE).read_bytes())
    scale, seed, tasks = float(card["scale"]), int(card["seed"]), int(card["figures"]["n"])
    recipe = recipe_of(card["recipe"], scale)
    made = _train_on(recipe, again, say, seed, scale, tasks)
    return {
        "same_weights": made["weights_sha256"] == card["weights_sha256"],
        "same_code": card["code_version"] == code_version(),
        "same_torch": card["torch"] == torch.__version__,
        "figures": made["figures"],
        "figures_then": card["figures"],
    }


def recipe_of(name: str, scale: float) -> Recipe:
    if name not in RECIPES:
        raise WorldModelError(f"no world is called {name}; there are {', '.join(sorted(RECIPES))}")
    return RECIPES[name](scale)


def measure(model: WorldModel, recipe: Recipe, seed: int, tasks: int) -> dict[str, Any]:
    """Success with its interval, beside random acting, and how alive the latents are."""
    runs = [_run(model, recipe.name, number, seed, False) for number in range(tasks)]
    floor = [_run(model, recipe.name, number, seed, True) for number in range(tasks)]
    hits = sum(run.reached for run in runs)
    low, high = wilson(hits, tasks)
    return {
        "n": tasks,
        "success": round(hits / max(1, tasks), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "random_success": round(sum(run.reached for run in floor) / max(1, tasks), 4),
        "latents": latent_figures(model, recipe.held_out(seed)),
    }


def _run(model: WorldModel, name: str, number: int, seed: int, floor: bool) -> Run:
    """One task, the same for each model."""
    rng = np.random.default_rng(TASK_SEED + number)
    if name != "blocksworld":
        task = Task(rooms.TwoRooms(), *rooms.task(rng, fixed=name == "tworooms"))
        way = steering(model, Box(2, rooms.LIMIT), seed, CemConfig(), acted=1)
        way = wandering(task.world, number) if floor else way
        return drive(model, task, seed, way, rooms.MOST_ACTIONS)
    [problem] = blocks.problems(1, (3, 4, 5), rng)
    world = blocks.Blocksworld(problem.objects)
    task = Task(world, blocks.plain(problem.start), blocks.plain(problem.goal))
    way = wandering(world, number) if floor else searching(model, world, SearchConfig())
    return drive(
        model, task, seed, way, MOST_BLOCK_STEPS, MOST_BLOCK_STEPS if floor else MOST_PLANS
    )


def _train_on(
    recipe: Recipe, folder: Path, say: Progress, seed: int, scale: float, tasks: int
) -> dict[str, Any]:
    torch.set_num_threads(1)
    episodes = data.load(folder / EXPERIENCE)
    model, replay, report = recipe.train(seed, say, episodes)
    facts = {
        "recipe": recipe.name,
        "seed": seed,
        "scale": scale,
        "training": recipe.with_seed(seed).training.__dict__,
        "experience_sha256": data.digest(folder / EXPERIENCE),
        "episodes": len(episodes),
        "transitions": len(replay),
        "train_s": round(report.seconds, 1),
        "losses": report.losses,
        "figures": measure(model, recipe, seed, tasks),
        "split": "measured on fresh walks and tasks; none of them is in the experience",
        "limits": LIMITS[recipe.name],
    }
    return checkpoint.save(folder, model, facts)


def _experience(folder: Path, card: dict[str, Any]) -> None:
    path = folder / EXPERIENCE
    if not path.exists() or data.digest(path) != card.get("experience_sha256"):
        raise WorldModelError(f"{path}: missing or damaged: not what the card says")


HELD = (
    "One action is held for three of the benchmark's steps. A third of the walks sets out for the "
    "door; without them crossings are rare."
)
LIMITS = {
    "blocksworld": "Facts are read off imagined latents to ask the domain what is legal there. "
    "Trained on three to six blocks; more blocks are imagined worse and searched longer.",
    "tworooms": f"One wall and one door, the same in training and test. {HELD}",
    "tworooms-random": f"Where the door is, is learned late and inexactly. {HELD}",
}
