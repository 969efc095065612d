import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.domain.redaction import MARK, Forgotten

SAID = "We agreed with Birch that the delivery comes on 12 March"


@pytest.mark.parametrize(
    "text, left",
    [
        (f"So: {SAID}. And more", f"So: {MARK}. And more"),
        ("WE AGREED, with\nBirch - that the... ", f"{MARK}... "),
        ("delivery comes on 12 March", MARK),
        ("The delivery comes on Friday", "The delivery comes on Friday"),
        ("x = 'We agreed with Birch that it\\'s'", f"x = '{MARK} it\\'s'"),
        ("", ""),
    ],
)
def test_copies_are_taken_out(text, left):
    assert Forgotten([SAID]).out_of(text) == left


def test_what_cites_it_is_taken_out_in_whatever_words():
    forgotten = Forgotten([], [12])
    text = "It rains. On the 12.5th they come, said Ann [m12]. So be it [m1].\nSources: [m12] Ann\n"
    assert forgotten.out_of(text) == f"It rains.{' '}{MARK} So be it [m1].\n{MARK}\n"
    assert forgotten.out_of("nothing [m112] here") == "nothing [m112] here"


def test_a_common_word_is_not_taken_out():
    assert not Forgotten(["Blue", "of the", "7"])
    assert Forgotten(["AB-90417"]).out_of("contract ab 90417.") == f"contract {MARK}."
    assert Forgotten(["90417"]).out_of("no 90417") == f"no {MARK}"


def test_json_keeps_its_form():
    value = {"a": [SAID, 5, None], SAID: {"b": True}}
    assert Forgotten([SAID]).out_of_json(value) == {"a": [MARK, 5, None], MARK: {"b": True}}


WORDS = st.lists(
    st.sampled_from("ann birch chair delta echo fox golf hotel".split()),  # noqa: SIM905
    min_size=5,
)


@given(WORDS, WORDS, WORDS, st.integers(0, 30))
def test_every_run_is_found_by_its_pattern(said, before, after, at):
    """Whatever five words in a row a text has of it, the database sees the text."""
    forgotten = Forgotten([" ".join(said)])
    at %= len(said) - 4
    text = " ".join([*before, *said[at : at + 5], *after])
    assert not forgotten or (
        re.search(forgotten.pattern, text, re.IGNORECASE)
        and (len(set(said[at : at + 5])) < 2 or MARK in forgotten.out_of(text))
    )
