from __future__ import annotations

import logging

from orchestrator.inference.shelf import PrefixShelf

PROMPT = list(range(200))
STATE = bytes(range(256)) * 4


def shelf(folder, identity="model 1", limit_bytes=1_000_000) -> PrefixShelf:
    return PrefixShelf(folder, identity, limit_bytes)


def kept(folder, tokens=PROMPT, **options) -> None:
    one = shelf(folder, **options)
    one.put(tokens, STATE)
    one.close()


def test_a_prefix_is_found_by_the_next_process(tmp_path):
    kept(tmp_path)
    after = shelf(tmp_path)
    assert after.longest([*PROMPT, 7]) == 200
    assert after.longest([0, 1, 2, 99]) == 3
    assert after.take([*PROMPT, 7]) == (tuple(PROMPT), STATE)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*.kv")] == [0o600]


def test_another_model_or_version_sees_nothing_of_it(tmp_path):
    kept(tmp_path)
    assert shelf(tmp_path, "model 2").longest(PROMPT) == 0


def test_a_damaged_state_is_dropped_with_a_line_in_the_log(tmp_path, caplog):
    kept(tmp_path)
    (path,) = tmp_path.glob("*/*.kv")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    after = shelf(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert after.take(PROMPT) is None
    assert "is not what was written" in caplog.text
    assert not path.exists() and after.longest(PROMPT) == 0


def test_files_that_are_cut_short_or_nonsense_are_dropped(tmp_path, caplog):
    kept(tmp_path)
    (path,) = tmp_path.glob("*/*.kv")
    whole = path.read_bytes()
    for bad in (b"", whole[:10], whole[:60], b"GGUF" + whole, whole[:12] + b"{}" + whole[14:]):
        path.write_bytes(bad)
        assert shelf(tmp_path).longest(PROMPT) == 0
        assert not path.exists()
    assert caplog.text.count("is dropped") == 5


def test_the_least_recently_used_go_when_the_shelf_is_full(tmp_path):
    first, second, third = ([n] * 200 for n in (1, 2, 3))
    size = 3000  # two files of about 1,900 bytes do not fit
    kept(tmp_path, first)
    kept(tmp_path, second, identity="another model", limit_bytes=5000)
    assert shelf(tmp_path).longest(first) == 200
    kept(tmp_path, third, limit_bytes=size)
    after = shelf(tmp_path)
    assert (after.longest(first), after.longest(third)) == (0, 200)
    assert shelf(tmp_path, "another model").longest(second) == 0
