from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inference.pieces import Pieces


def told(pieces: Pieces, *data: bytes) -> list[str]:
    return [pieces.push(part) for part in data]


def test_a_character_waits_for_all_its_bytes():
    one, two = "é".encode()[:1], "é".encode()[1:]
    assert told(Pieces(), b"caf", one, two) == ["caf", "", "é"]


def test_half_a_character_at_the_end_is_dropped():
    pieces = Pieces()
    told(pieces, b"ok", "é".encode()[:1])
    assert pieces.flush() == ""
    assert pieces.text == "ok"


def test_a_stop_string_ends_the_answer_before_itself():
    pieces = Pieces(("END",))
    assert told(pieces, b"one E", b"N", b"D two") == ["one ", "", ""]
    assert pieces.stopped
    assert pieces.flush() == ""
    assert pieces.text == "one "


def test_what_only_looked_like_a_stop_string_is_given_out():
    pieces = Pieces(("END",))
    assert told(pieces, b"E", b"N", b"O") == ["", "", "ENO"]
    assert not pieces.stopped


def test_a_held_back_end_comes_with_the_flush():
    pieces = Pieces(("END",))
    told(pieces, b"the E")
    assert pieces.flush() == "E"
    assert pieces.text == "the E"


def test_the_first_stop_string_in_the_text_counts():
    pieces = Pieces(("later", "now"))
    pieces.push(b"not now, later")
    assert pieces.text == "not "


@given(
    st.text("abé"),
    st.lists(st.integers(1, 5)),
    st.lists(st.text("abé", min_size=1, max_size=3), max_size=1),
)
def test_however_it_is_cut_the_text_is_the_same(text, sizes, stop):
    pieces, data, given_out = Pieces(tuple(stop)), text.encode(), ""
    for size in [*sizes, len(data)]:
        part, data = data[:size], data[size:]
        given_out += pieces.push(part)
        if pieces.stopped:
            break
    given_out += pieces.flush()
    at = min((text.find(s) for s in stop if s in text), default=len(text))
    assert given_out == pieces.text == text[:at]
