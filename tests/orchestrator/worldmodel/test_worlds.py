"""The worlds keep their own rules, and what is seen is what is there."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from orchestrator.worldmodel.base import Action
from orchestrator.worldmodel.worlds import blocksworld as blocks
from orchestrator.worldmodel.worlds import tworooms as rooms


def test_base_and_worlds_need_no_torch():
    code = (
        "import orchestrator.worldmodel.base, orchestrator.worldmodel.worlds.blocksworld,"
        "orchestrator.worldmodel.worlds.tworooms, sys; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_random_walks_of_blocks_are_legal_and_their_states_can_be_read_off():
    rng = np.random.default_rng(0)
    for episode in blocks.random_walks(200, (3, 4, 5), 20, rng):
        world = blocks.Blocksworld(episode.setting["objects"])
        seen = world.observe(episode.states)
        for t, action in enumerate(episode.actions):
            atoms = {tuple(atom) for atom in episode.states[t]}
            assert world.atoms(seen.take(t)) == atoms
            assert action in world.actions(seen.take(t))
            assert world.step(episode.states[t], action, rng).state == episode.states[t + 1]


def test_an_illegal_move_changes_nothing():
    world = blocks.Blocksworld(["a", "b"])
    state = [["clear", "a"], ["handempty"], ["on", "a", "b"], ["ontable", "b"]]
    done = world.step(state, Action(0, (1,)), np.random.default_rng(0))
    assert not done.success and done.state == state


def test_names_are_not_seen():
    states = [[["clear", name], ["handempty"], ["ontable", name]] for name in ("a", "zebra")]
    seen = [blocks.Blocksworld([s[0][1]]).observe([s]) for s in states]
    assert (seen[0].features == seen[1].features).all()
    assert (seen[0].relations == seen[1].relations).all()


def test_hindsight_goals_hold_where_they_come_from():
    rng = np.random.default_rng(0)
    [episode] = blocks.random_walks(30, (5,), 30, rng)
    world = blocks.Blocksworld(episode.setting["objects"])
    seen = world.observe(episode.states)
    assert world.reached(seen, world.hindsight(seen, rng)).all()


def test_walls_hold_and_the_door_is_open():
    rng = np.random.default_rng(0)
    wall, door = 32.0, 18.0
    start = np.array([[28.0, 40.0, wall, door], [28.0, door, wall, door]])
    right = np.full((2, 2), [2.4, 0.0])
    blocked, through = rooms.move(rooms.move(start, right, rng), right, rng)
    assert blocked[0] < wall - rooms.HALF_WALL and through[0] > wall + rooms.HALF_WALL
    walks = rooms.random_walks(20, 4, 16, rng)
    states = np.concatenate([episode.states for episode in walks])
    assert rooms.solid(states).mean() < 0.01


def test_the_image_shows_the_dot_where_it_is():
    states = [[10.3, 50.8, 30.0, 20.0], [45.0, 12.5, 40.0, 30.0]]
    seen = rooms.TwoRooms().observe(states)
    assert seen.shape == (2, 2, 65, 65) and seen.dtype == np.uint8
    assert rooms.centre(seen) == pytest.approx(np.array(states)[:, :2], abs=0.1)
    assert seen[0, 1, 20, 30] == 0 and seen[0, 1, 30, 30] == 255  # the door, the wall


def test_tasks_lie_in_different_rooms():
    rng = np.random.default_rng(0)
    for _ in range(50):
        start, goal = rooms.task(rng)
        assert (start[0] < start[2]) != (goal[0] < goal[2])
        assert not rooms.solid(np.array([start, goal])).any()
