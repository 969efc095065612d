"""Documents in passages: nothing is lost, nothing is too long, nothing is mixed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from staff.domain.passages import CHARS, HEAD_CHARS, WORDS, Block, head, passages

WORDS_AND_SIGNS = ["Yes.", "no", "“Stop!”", "3.5", "年。", "\n", "x" * 90]
TEXT = st.one_of(
    st.text(max_size=400),
    st.lists(st.sampled_from(WORDS_AND_SIGNS), max_size=700).map(" ".join),
)
BLOCKS = st.lists(
    st.builds(
        Block,
        text=TEXT,
        heading=st.sampled_from([(), ("Leave",), ("Leave", "Parental")]),
        page=st.integers(0, 2),
        columns=st.sampled_from(["", "name | pay"]),
        row=st.integers(0, 3),
    ),
    max_size=6,
)


def bare(texts):
    return "".join("".join(texts).split())


@settings(max_examples=60, deadline=None)
@given(BLOCKS)
@example([Block("word " * 2000), Block("x" * 20_000, row=1), Block("。" * 3000)])
def test_nothing_is_lost_and_the_order_stays(blocks):
    found = list(passages(blocks))
    assert bare(each.text for each in found) == bare(block.text for block in blocks)
    assert all(each.text for each in found)
    places = [(b.heading, b.page, b.columns) for b in blocks if b.text.strip()]
    assert {(p.heading, p.page, p.columns) for p in found} == set(places)


@settings(max_examples=60, deadline=None)
@given(BLOCKS)
@example([Block("word " * 2000), Block("x" * 20_000), Block("a b. " * 900)])
def test_every_passage_is_within_the_limit(blocks):
    for each in passages(blocks):
        assert len(each.text.split()) <= WORDS
        assert len(each.text) <= CHARS + 200  # the line breaks between rows come on top


def test_a_long_section_is_cut_evenly_between_sentences():
    sentence = "The staff may take leave when the lead agrees to it. "
    found = list(passages([Block(sentence * 60, ("Leave",), 4)]))  # 660 words
    assert len(found) == 3
    assert all(each.text.endswith("agrees to it.") and each.page == 4 for each in found)
    sizes = [len(each.text.split()) for each in found]
    assert max(sizes) - min(sizes) <= 22


def test_a_table_keeps_its_columns_and_row_numbers():
    rows = [Block(f"{n} | Anna | 1200 | Lisbon", columns="no | name", row=n) for n in range(2, 200)]
    found = list(passages(rows))
    assert len(found) > 3 and found[0].first_row == 2 and found[-1].last_row == 199
    for before, after in pairwise(found):
        assert after.first_row == before.last_row + 1
    assert all(each.indexed("pay.csv").startswith("pay.csv\nno | name\n") for each in found)


def test_what_is_indexed_names_the_document_and_its_headings():
    (found,) = passages([Block("Five days.", ("2 Leave", "Moving house"), 3)])
    assert found.indexed("handbook.pdf") == "handbook.pdf › 2 Leave › Moving house\nFive days."
    assert len(head("a.txt", ("very long " * 90,))) == HEAD_CHARS
    assert "\n" not in head("a\nb.txt", ("two\nlines",))
