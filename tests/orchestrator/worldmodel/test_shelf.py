"""Models in folders: what is damaged is refused, and the exported can be made again."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import numpy as np
import pytest
import torch

from orchestrator.worldmodel import checkpoint, data, recipes, shelf
from orchestrator.worldmodel.base import Action, WorldModelError
from orchestrator.worldmodel.data import Episode, Replay
from orchestrator.worldmodel.worlds.blocksworld import Blocksworld


def quiet(text):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of five steps: it knows nothing, but everything is there."""
    place = tmp_path_factory.mktemp("model")
    shelf.train("blocksworld", place, quiet, seed=5, scale=0.01, tasks=2)
    return place


def copied(folder, place):
    shelf.pack(folder, place / "model.zip")
    shelf.unpack(place / "model.zip", place / "model")
    return place / "model"


def test_a_model_is_read_back_as_it_was(folder):
    model, card = checkpoint.load(folder, Blocksworld.spec)
    again, _ = checkpoint.load(folder)
    for one, other in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert card["seed"] == 5 and card["transitions"] >= 400
    assert 0 <= card["figures"]["low"] <= card["figures"]["success"] <= card["figures"]["high"]


def test_what_is_exported_suffices_to_make_it_again_elsewhere(folder, tmp_path):
    there = copied(folder, tmp_path)
    compared = shelf.reproduce(there, quiet)
    assert compared["same_weights"] and compared["same_code"]
    assert compared["figures"] == compared["figures_then"]
    assert (there / "again" / "card.json").exists()


@pytest.mark.parametrize("part", [checkpoint.WEIGHTS, shelf.EXPERIENCE])
def test_a_damaged_part_is_refused(folder, tmp_path, part):
    there = copied(folder, tmp_path)
    whole = bytearray((there / part).read_bytes())
    whole[len(whole) // 2] ^= 1
    (there / part).write_bytes(whole)
    with pytest.raises(WorldModelError, match=f"{part}: missing or damaged"):
        shelf.pack(there, tmp_path / "again.zip")


def test_a_damaged_archive_leaves_nothing_behind(folder, tmp_path):
    shelf.pack(folder, tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for part in shelf.PARTS:
            content = (folder / part).read_bytes()
            bad.writestr(part, content + b"x" if part == shelf.EXPERIENCE else content)
    with pytest.raises(WorldModelError, match="missing or damaged"):
        shelf.unpack(tmp_path / "bad.zip", tmp_path / "there")
    assert not list((tmp_path / "there").iterdir())
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(WorldModelError, match="cannot be unpacked"):
        shelf.unpack(tmp_path / "text.zip", tmp_path / "there")


def test_an_archive_with_other_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as odd:
        odd.writestr("../outside", "x")
    with pytest.raises(WorldModelError, match="nothing else"):
        shelf.unpack(tmp_path / "odd.zip", tmp_path / "there")
    assert not (tmp_path / "outside").exists()


def test_a_model_of_another_world_is_refused(folder):
    other = dataclasses.replace(Blocksworld.spec, features=("clear",))
    with pytest.raises(WorldModelError, match="train a new one"):
        checkpoint.load(folder, other)


def test_a_card_that_is_none_is_refused(tmp_path):
    (tmp_path / checkpoint.CARD).write_text(json.dumps({"config": {}}))
    with pytest.raises(WorldModelError, match="not a model's card"):
        checkpoint.load(tmp_path)


def test_experience_is_read_back_and_bad_lines_are_named(tmp_path):
    path = tmp_path / "experience.jsonl"
    episode = Episode("f", {"objects": ["a"]}, [[1], [2]], [Action(1, (0,))], [], 3.0)
    data.save(path, [episode])
    assert data.load(path) == [episode]
    path.write_text(path.read_text() + '{"states": []}\n')
    with pytest.raises(WorldModelError, match="line 2: not an episode"):
        data.load(path)
    path.write_text("")
    with pytest.raises(WorldModelError, match="holds no experience"):
        data.load(path)


def test_splits_keep_time_and_families_apart():
    episodes = [Episode("ab"[i % 2], {}, [0, 0], [Action()], at=float(-i)) for i in range(10)]
    older, newer = data.split_by_time(episodes)
    assert len(newer) == 2 and max(e.at for e in older) < min(e.at for e in newer)
    inside, outside = data.split_by_family(episodes, ["b"])
    assert {e.family for e in inside} == {"a"} and {e.family for e in outside} == {"b"}


def test_replay_draws_half_from_the_newest():
    recipe = recipes.blocksworld(0.1)
    episodes = [dataclasses.replace(e, at=float(i)) for i, e in enumerate(recipe.experience(0))]
    replay = Replay(episodes, recipe.world_of, np.random.default_rng(0), recent=0.1)
    frames = replay.draw(200, 1)
    newest = len(replay.states) * 0.88
    assert (frames > newest).mean() > 0.45
    with pytest.raises(WorldModelError, match="record longer ones"):
        replay.draw(10, 1000)
    with pytest.raises(WorldModelError, match="no experience yet"):
        Replay([], recipe.world_of, np.random.default_rng(0))


def test_an_unknown_world_and_a_bad_scale_are_refused(tmp_path):
    with pytest.raises(WorldModelError, match="there are blocksworld, tworooms"):
        shelf.train("chess", tmp_path, quiet)
    with pytest.raises(WorldModelError, match="a scale is above 0"):
        shelf.train("blocksworld", tmp_path, quiet, scale=0)
