"""`manage.py worldmodel` and `manage.py bench worldmodel`, as somebody types them."""

from __future__ import annotations

import json
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command


def said(*words, **options):
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO(), **options)
    return json.loads(out.getvalue().strip().splitlines()[-1])


def test_a_model_is_trained_exported_and_made_again_in_another_folder(tmp_path):
    here, archive, there = (str(tmp_path / name) for name in ("here", "model.zip", "there"))
    card = said(
        "worldmodel", "train", "blocksworld", "--scale", "0.01", "--tasks", "2", "--folder", here
    )
    assert card["figures"]["n"] == 2 and card["spec"]["name"] == "blocksworld"
    assert said("worldmodel", "evaluate", "--tasks", "2", "--folder", here)["n"] == 2
    said("worldmodel", "export", archive, "--folder", here)
    compared = said("worldmodel", "import", archive, "--again", "--folder", there)
    assert compared["same_weights"] and compared["figures"] == compared["figures_then"]


def test_what_cannot_be_done_is_said_in_one_line(tmp_path):
    with pytest.raises(CommandError, match="no world is called chess"):
        said("worldmodel", "train", "chess", "--folder", str(tmp_path / "chess"))
    with pytest.raises(CommandError, match="cannot be read"):
        said("worldmodel", "evaluate", "--folder", str(tmp_path / "nothing"))
    with pytest.raises(CommandError, match=r"expected one file named \*domain"):
        said("bench", "worldmodel", "blocksworld", "--problems", str(tmp_path))


def test_without_torch_the_command_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("orchestrator.worldmodel")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(CommandError, match="make worldmodel"):
        said("worldmodel", "evaluate")


def test_the_blocksworld_bench_prints_every_control():
    figures = said("bench", "worldmodel", "blocksworld", "--seeds", "1", "--scale", "0.01")
    assert {"solved", "n", "seconds_p50", "tokens", "disguised"} <= set(figures)
    assert figures["tokens"] == 0 and figures["classical_search_solved"] == 1
    assert set(figures["controls"]) == {
        "greedy",
        "random",
        "shuffled_actions",
        "shuffled_predictions",
        "uniform_predictions",
        "disguised",
        "six_and_seven_blocks",
        "no_regulariser",
        "no_inverse_dynamics",
        "supervised_only",
    }
    for one in figures["controls"].values():
        assert one["low"] <= one["success"] <= one["high"]
