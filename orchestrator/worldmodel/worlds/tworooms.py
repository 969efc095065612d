"""Two rooms from pixels: a dot, a wall with a door, and a goal given as an image.

A state is [x, y, wall, door] in pixels. The geometry is that of eb_jepa's ac_video_jepa benchmark
(65 x 65, borders 4 pixels in, a wall 3 thick, a door 9 high, success within 4.5 pixels, 200 steps,
moves of up to 2.45 along each axis); the simulator and the generator are our own. An action is a
move that is held for three of the benchmark's steps.
Source: Sobal et al. 2025, PLDM, arXiv:2502.14819.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from orchestrator.worldmodel.base import Action, Box, Observation, Transition, WorldSpec
from orchestrator.worldmodel.data import Episode

SIZE = 65
LOW, HIGH = 4.0, 60.0  # the borders
HALF_WALL = 1.0
HALF_DOOR = 4.0
DOT_DEVIATION = 1.3
RADIUS = 4.5  # success
LIMIT = 2.45  # of a move along one axis
HOLD = 3  # benchmark steps that one action is held for
MOST_ACTIONS = 200 // HOLD
SUBSTEPS = 16
BOUNCE = 0.5  # pixels; hitting a wall pushes back by a little chance
FIXED = (32.0, 18.0)  # wall and door of the easier benchmark
GRID = np.arange(SIZE, dtype=np.float32)

Layout = tuple[float, float]


class TwoRooms:
    spec = WorldSpec(name="tworooms", action_size=2, image=(2, SIZE, SIZE))

    def observe(self, states: Sequence[Any]) -> Observation:
        """(B, 2, 65, 65): the dot as a blurred spot, the walls."""
        x, y, wall, door = np.asarray(states, np.float32).T[..., None]
        columns = np.exp(-((GRID - x) ** 2) / (2 * DOT_DEVIATION**2))
        rows = np.exp(-((GRID - y) ** 2) / (2 * DOT_DEVIATION**2))
        dot = rows[:, :, None] * columns[:, None, :]
        walls = (abs(GRID - wall) <= HALF_WALL)[:, None, :] & (abs(GRID - door) > HALF_DOOR)[
            :, :, None
        ]
        edge = (GRID == LOW) | (GRID == HIGH)
        walls = walls | edge[None, :, None] | edge[None, None, :]
        return np.stack([dot * 255, walls * 255], 1).astype(np.uint8)

    def goal(self, goals: Sequence[Any]) -> Observation:
        return self.observe(goals)

    def actions(self, seen: Observation) -> Box:
        return Box(2, LIMIT)

    def step(self, state: Any, action: Action, rng: np.random.Generator) -> Transition:
        moved = move(np.array([state]), np.array([action.values]), rng)
        return Transition(moved[0].tolist())

    def reached(self, seen: Observation, goals: Observation) -> np.ndarray:
        distance = np.linalg.norm(centre(seen) - centre(goals), axis=-1)
        found: np.ndarray = distance < RADIUS
        return found

    def hindsight(self, seen: Observation, rng: np.random.Generator) -> Observation:
        return seen

    def key(self, seen: Observation) -> Hashable:
        return tuple(centre(np.asarray(seen)[None])[0].round().tolist())


def centre(images: Observation) -> np.ndarray:
    """(B, 2): where the dot is, in pixels, measured on the image."""
    dot = np.asarray(images)[:, 0].astype(np.float32)
    total = dot.sum((1, 2)) + 1e-6
    return np.stack([(dot.sum(1) * GRID).sum(1) / total, (dot.sum(2) * GRID).sum(1) / total], 1)


def solid(states: np.ndarray) -> np.ndarray:
    """(B) bool: which of the states (B, 4) are inside a wall."""
    x, y, wall, door = states.T
    outside = (x <= LOW) | (x >= HIGH) | (y <= LOW) | (y >= HIGH)
    found: np.ndarray = outside | ((abs(x - wall) <= HALF_WALL) & (abs(y - door) > HALF_DOOR))
    return found


def move(states: np.ndarray, moves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """States (B, 4) after moves (B, 2), each held: on while the way is free, else pushed back."""
    for _ in range(HOLD):
        states = _once(states, moves, rng)
    return states


def _once(states: np.ndarray, moves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    now, free = states.copy(), np.ones(len(states), bool)
    part = np.clip(moves, -LIMIT, LIMIT) / SUBSTEPS
    for _ in range(SUBSTEPS):
        following = now.copy()
        following[:, :2] += part
        free &= ~solid(following)
        now[free] = following[free]
    pushed = now.copy()
    pushed[:, :2] += rng.normal(0, BOUNCE, moves.shape)
    bounced = ~free & ~solid(pushed)
    now[bounced] = pushed[bounced]
    return now


def layout(rng: np.random.Generator, fixed: bool = False) -> Layout:
    return FIXED if fixed else (float(rng.integers(20, 45)), float(rng.integers(10, 55)))


def anywhere(layouts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """States (B, 4) at free places of the layouts (B, 2)."""
    states = np.concatenate([rng.uniform(LOW, HIGH, layouts.shape), layouts], 1)
    while (inside := solid(states)).any():
        states[inside, :2] = rng.uniform(LOW, HIGH, (int(inside.sum()), 2))
    return states


def task(rng: np.random.Generator, fixed: bool = False) -> tuple[list[float], list[float]]:
    """(start, goal) in different rooms, both two dot widths from any wall."""
    wall, door = layout(rng, fixed)
    margin = 2 * DOT_DEVIATION
    left = (
        rng.uniform(LOW + margin, wall - HALF_WALL - margin),
        rng.uniform(LOW + margin, HIGH - margin),
    )
    right = (
        rng.uniform(wall + HALF_WALL + margin, HIGH - margin),
        rng.uniform(LOW + margin, HIGH - margin),
    )
    ends = [[*left, wall, door], [*right, wall, door]]
    if rng.random() < 0.5:
        ends.reverse()
    return ends[0], ends[1]


def random_walks(
    layouts: int,
    walks: int,
    length: int,
    rng: np.random.Generator,
    fixed: bool = False,
    through: float = 0.35,
) -> list[Episode]:
    """Experience without goals: wandering dots whose heading drifts; some set out for the door.

    layouts * walks episodes of `length` steps; the family is the column of the wall.
    """
    places = np.repeat([layout(rng, fixed) for _ in range(layouts)], walks, axis=0)
    states = anywhere(places, rng)
    heading = rng.uniform(0, 2 * np.pi, len(states))
    crossing = rng.random(len(states)) < through
    aim = heading.copy()
    paths, moves = [states], []
    for _ in range(length):
        aim_now = np.arctan2(states[:, 3] - states[:, 1], states[:, 2] - states[:, 0])
        near = np.hypot(states[:, 2] - states[:, 0], states[:, 3] - states[:, 1]) < 4
        crossing &= ~near  # arrived: on it goes, the same way
        aim = np.where(crossing, aim_now, heading)
        heading = aim + rng.vonmises(0, 5.0, len(states))
        pace = rng.uniform(0.2, LIMIT, len(states))
        moved = np.stack([np.cos(heading), np.sin(heading)], 1) * pace[:, None]
        states = move(states, moved, rng)
        paths.append(states)
        moves.append(moved)
    path, taken = np.stack(paths, 1).round(3), np.stack(moves, 1).round(3)
    return [
        Episode(
            f"wall {places[i, 0]:.0f}",
            {"wall": places[i, 0], "door": places[i, 1]},
            path[i].tolist(),
            [Action(values=tuple(one)) for one in taken[i].tolist()],
        )
        for i in range(len(path))
    ]
