"""The sceptic's table: what a world model achieves, and what is left when a part is taken away.

Needs no house, no database and no language model.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from orchestrator.worldmodel.base import Box, WorldModelError
from orchestrator.worldmodel.evaluate import (
    CONTROLS,
    Choose,
    Run,
    Task,
    drive,
    greedy,
    latent_figures,
    searching,
    steering,
    wandering,
    wilson,
)
from orchestrator.worldmodel.model import WorldModel
from orchestrator.worldmodel.planners import CemConfig, SearchConfig
from orchestrator.worldmodel.recipes import RECIPES, Recipe, blocksworld
from orchestrator.worldmodel.train import Report
from orchestrator.worldmodel.worlds import blocksworld as blocks
from orchestrator.worldmodel.worlds import pddl
from orchestrator.worldmodel.worlds import tworooms as rooms

Say = Callable[[str], None]
MOST_BLOCK_STEPS = 60
MOST_PLANS = 5  # searches a problem; a plan is made again only when something else happened


class Tally:
    """Runs of one way of acting, over all seeds."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.by_seed: list[float] = []

    def add(self, runs: Sequence[Run]) -> None:
        self.runs += runs
        self.by_seed.append(sum(run.reached for run in runs) / len(runs))

    def figures(self) -> dict[str, Any]:
        hits, count = sum(run.reached for run in self.runs), len(self.runs)
        low, high = wilson(hits, count)
        return {
            "success": round(hits / count, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "reached": hits,
            "n": count,
            "by_seed": [round(share, 3) for share in self.by_seed],
        }


def run(
    name: str, say: Say, seeds: int = 3, scale: float = 1.0, problems: Path | None = None
) -> dict[str, Any]:
    """Train and measure `seeds` models; `scale` below 1 shortens training and evaluation alike."""
    if seeds < 1:
        raise WorldModelError("at least one seed is needed: --seeds 3")
    torch.set_num_threads(1)
    if name != "blocksworld":
        return run_tworooms(RECIPES[name](scale), say, seeds, scale)
    return run_blocksworld(say, seeds, scale, problems)


def trained(recipe: Recipe, seed: int, say: Say) -> tuple[WorldModel, Report]:
    """A model of a recipe, and what training it was like."""
    model, _, report = recipe.train(seed, say)
    return model, report


def ablations(recipe: Recipe) -> dict[str, Recipe]:
    """The same training with one part taken away."""
    training = recipe.training
    return {
        "no_regulariser": dataclasses.replace(
            recipe, training=dataclasses.replace(training, regulariser="none")
        ),
        "no_inverse_dynamics": dataclasses.replace(
            recipe, training=dataclasses.replace(training, inverse=0.0)
        ),
    }


# Blocksworld


def run_blocksworld(say: Say, seeds: int, scale: float, folder: Path | None) -> dict[str, Any]:
    recipe = blocksworld(scale)
    tallies: dict[str, Tally] = {}
    latents: dict[str, list[dict[str, Any]]] = {}
    seconds: list[float] = []
    from_folder = blocks.read_problems(folder) if folder else []
    for seed in range(seeds):
        rng = np.random.default_rng(1000 + seed)
        given = from_folder or blocks.problems(max(10, round(100 * scale)), (3, 4, 5), rng)
        hidden = [in_disguise(problem, rng) for problem in given]
        beyond = blocks.problems(max(5, round(30 * scale)), (6, 7), rng)
        model, report = trained(recipe, seed, say)
        seconds.append(report.seconds)
        say(f"seed {seed}: trained in {report.seconds:.0f} s")
        ways = block_ways(model, seed)
        few = given[: max(10, round(len(given) / 3))]  # for controls; most of them think in vain
        for name, way in ways.items():
            _attempt(tallies, name, model, given if name == "planned" else few, seed, way)
        _attempt(tallies, "disguised", model, hidden, seed, ways["planned"])
        _attempt(tallies, "six_and_seven_blocks", model, beyond, seed, ways["planned"])
        latents.setdefault("full", []).append(latent_figures(model, recipe.held_out(seed)))
        for name, other in ablations(recipe).items():
            less, _ = trained(other, seed, say)
            latents.setdefault(name, []).append(latent_figures(less, recipe.held_out(seed)))
            _attempt(tallies, name, less, few, seed, block_ways(less, seed)["planned"])
        judge = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, judges=True))
        supervised, _ = trained(judge, seed, say)
        way = judging(supervised)
        _attempt(tallies, "supervised_only", supervised, few, seed, way)
        say(f"seed {seed}: " + ", ".join(f"{n} {t.by_seed[-1]:.0%}" for n, t in tallies.items()))
    lengths = [blocks.shortest(problem) for problem in given]
    planned = tallies["planned"]
    figures = planned.figures()
    return {
        "world": "blocksworld",
        "solved": figures["success"],
        "solved_low": figures["low"],
        "solved_high": figures["high"],
        "n": figures["n"],
        "seconds_p50": round(statistics.median(r.seconds for r in planned.runs), 3),
        "seconds_max": round(max(r.seconds for r in planned.runs), 3),
        "tokens": 0,
        "disguised": tallies["disguised"].figures()["success"],
        "classical_search_solved": sum(n is not None for n in lengths) / len(lengths),
        "shortest_plan_mean": round(statistics.mean(n for n in lengths if n is not None), 1),
        "steps_mean": round(statistics.mean(r.steps for r in planned.runs if r.reached), 1)
        if figures["reached"]
        else None,
        "transitions": recipe.transitions,
        "train_s": round(statistics.median(seconds), 1),
        "plan_64x8_s": round(plan_speed(model), 3),
        "seeds": seeds,
        "scale": scale,
        "controls": {name: t.figures() for name, t in tallies.items() if name != "planned"},
        "latents": latents,
    }


def block_ways(model: WorldModel, seed: int) -> dict[str, Callable[[Any], Choose]]:
    """Ways of acting with one model, by name."""
    generator = torch.Generator().manual_seed(seed)
    config = SearchConfig()
    ways: dict[str, Callable[[Any], Choose]] = {
        "planned": lambda world: searching(model, world, config),
        "greedy": lambda world: greedy(model, world),
        "random": lambda world: wandering(world, seed),
    }
    small = dataclasses.replace(config, calls=512)  # they do not arrive; more would only take time
    for name, control in CONTROLS.items():
        tampered = control(model, generator)
        ways[name] = lambda world, t=tampered: searching(model, world, small, t)  # type: ignore[misc]
    return ways


def judging(model: WorldModel) -> Callable[[Any], Choose]:
    """Acting by the value of actions, without imagining anything."""
    return lambda world: greedy(model, world, supervised=True)


def in_disguise(problem: pddl.Problem, rng: np.random.Generator) -> pddl.Problem:
    """The problem written with meaningless names, and read back as a stranger would."""
    domain_text, problem_text = blocks.disguised(problem, rng)
    domain = pddl.parse_domain(domain_text, "disguised domain")
    return blocks.understood(pddl.parse_problem(problem_text, domain, "disguised problem"), domain)


def _attempt(
    tallies: dict[str, Tally],
    name: str,
    model: WorldModel,
    given: Sequence[pddl.Problem],
    seed: int,
    way: Callable[[Any], Choose],
) -> None:
    runs = []
    for problem in given:
        world = blocks.Blocksworld(problem.objects)
        task = Task(world, blocks.plain(problem.start), blocks.plain(problem.goal))
        thinks = name not in ("greedy", "random", "supervised_only")  # those look one step ahead
        plans = MOST_PLANS if thinks else MOST_BLOCK_STEPS
        runs.append(drive(model, task, seed, way(world), MOST_BLOCK_STEPS, plans))
    tallies.setdefault(name, Tally()).add(runs)


@torch.no_grad()
def plan_speed(model: WorldModel, candidates: int = 64, depth: int = 8, tokens: int = 6) -> float:
    """Seconds of one core to imagine and cost `candidates` plans of `depth` steps; best of 3."""
    generator = torch.Generator().manual_seed(0)
    z = model.each(torch.randn(candidates, tokens, model.config.latent, generator=generator))
    mask = torch.ones(candidates, tokens)
    kinds = torch.randint(0, 4, (model.config.members, candidates, depth), generator=generator)
    pointers = torch.randint(0, tokens, (*kinds.shape, model.spec.pointers), generator=generator)
    plans = type(model.batch([]))(kinds, pointers, torch.zeros(*kinds.shape, 0))
    times = []
    for _ in range(3):
        started = time.process_time()
        path = model.rollout(z, mask, plans)
        model.cost(path, mask, z[0])
        times.append(time.process_time() - started)
    return min(times)


# Two rooms


def run_tworooms(recipe: Recipe, say: Say, seeds: int, scale: float) -> dict[str, Any]:
    tallies: dict[str, Tally] = {}
    latents: dict[str, list[dict[str, Any]]] = {}
    fixed = recipe.name == "tworooms"
    seconds: list[float] = []
    count = max(10, round(300 * scale))
    few = max(10, round(60 * scale))
    for seed in range(seeds):
        rng = np.random.default_rng(1000 + seed)
        tasks = [Task(rooms.TwoRooms(), *rooms.task(rng, fixed)) for _ in range(count)]
        model, report = trained(recipe, seed, say)
        seconds.append(report.seconds)
        say(f"seed {seed}: trained in {report.seconds:.0f} s")
        for name, way in room_ways(model, seed).items():
            part = tasks if name in ("planned", "random") else tasks[:few]
            runs = [drive(model, task, seed, way(), rooms.MOST_ACTIONS) for task in part]
            tallies.setdefault(name, Tally()).add(runs)
            say(f"seed {seed}: {name} {tallies[name].by_seed[-1]:.1%} of {len(part)}")
        latents.setdefault("full", []).append(latent_figures(model, recipe.held_out(seed)))
        for name, other in ablations(recipe).items():
            less, _ = trained(other, seed, say)
            latents.setdefault(name, []).append(latent_figures(less, recipe.held_out(seed)))
            way = room_ways(less, seed)["planned"]
            runs = [drive(less, task, seed, way(), rooms.MOST_ACTIONS) for task in tasks[:few]]
            tallies.setdefault(name, Tally()).add(runs)
            say(f"seed {seed}: {name} {tallies[name].by_seed[-1]:.1%} of {few}")
    planned = tallies["planned"].figures()
    return {
        "world": recipe.name,
        "success": planned["success"],
        "success_low": planned["low"],
        "success_high": planned["high"],
        "n": planned["n"],
        "by_seed": planned["by_seed"],
        "random_success": tallies["random"].figures()["success"],
        "train_s": round(statistics.median(seconds), 1),
        "plan_s_per_episode": round(
            statistics.mean(run.seconds for run in tallies["planned"].runs), 2
        ),
        "transitions": recipe.transitions,
        "seeds": seeds,
        "scale": scale,
        "controls": {name: t.figures() for name, t in tallies.items() if name != "planned"},
        "latents": latents,
    }


def room_ways(model: WorldModel, seed: int) -> dict[str, Callable[[], Choose]]:
    """Ways of steering with one model, by name."""
    generator = torch.Generator().manual_seed(seed)
    box = Box(2, rooms.LIMIT)
    config = CemConfig()
    one_step = dataclasses.replace(config, horizon=1)
    ways: dict[str, Callable[[], Choose]] = {
        "planned": lambda: steering(model, box, seed, config, acted=1),
        "greedy": lambda: steering(model, box, seed, one_step, acted=1),
        "random": lambda: wandering(rooms.TwoRooms(), seed),
    }
    for name, control in CONTROLS.items():
        tampered = control(model, generator)
        ways[name] = lambda t=tampered: steering(model, box, seed, config, 1, t)  # type: ignore[misc]
    return ways
