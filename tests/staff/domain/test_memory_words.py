"""Words, names, slots and dates: the pure parts of memory."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.domain import bm25, facts, ranking
from staff.domain.facts import Standing
from staff.domain.names import Names, without
from staff.domain.spans import find_spans, without_spans
from staff.domain.words import MAX_TERM, gist, terms, words

TODAY = date(2026, 3, 20)  # a Friday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The invoices were paid", ["invoic", "paid"]),
        ("CAFÉ Lumière", ["cafe", "lumier"]),
        ("Straße", ["strass"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("snake_case 0170-555", ["snake", "case", "0170", "555"]),
        ("is it the", []),
    ],
)
def test_terms(text, expected):
    assert terms(text) == expected


@given(st.text())
def test_any_text_has_terms_of_a_bounded_length(text):
    assert all(0 < len(term) <= MAX_TERM for term in words(text))
    assert terms(text) == terms(text.upper()) or not text.isascii()


def test_a_gist_is_never_empty():
    assert gist("Which pet does Tom have?") == "pet Tom"
    assert gist("who is it?") == "who is it?"


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("What did Tom say?", {"Tom Baker"}),
        ("what did tom say?", {"Tom Baker"}),
        ("Did she mark the file?", set()),
        ("Ask Mark", {"Mark"}),
        ("the lisbon office of Ann", {"Lisbon office"}),
        ("nobody", set()),
    ],
)
def test_names_are_found_whole_or_by_a_capital(text, mentioned):
    names, known = Names(), ["Tom Baker", "Mark", "Lisbon office"]
    numbers = {names.add(name): name for name in known}
    assert {numbers[number] for number in names.mentioned(text)} == mentioned
    assert names.add("Mark") == names.number("Mark") and names.add("") == -1


def test_names_are_taken_out_of_a_text():
    assert without("Where does Tom's landlord work?", [frozenset({"tom"})]) == (
        "Where does landlord work?"
    )
    assert without("Tom?", [frozenset({"tom"})]) == "Tom?"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Anna's", "phone_number"), ("anna", "the Phone Number")),
        (("Lisbon Office", "phoneNumber"), ("the lisbon office", "phone number")),
    ],
)
def test_slots_of_the_same_name_are_one(one, other):
    assert facts.slot(*one) == facts.slot(*other)


def test_a_slot_needs_words():
    with pytest.raises(ValueError, match="subject and an attribute"):
        facts.slot("Anna", "?!")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Berlin.", "berlin", True),
        ("5", "-5", False),
        ("1.5", "15", False),
        ("C++", "C", False),
        ("a b", "ab", False),
    ],
)
def test_values(one, other, same):
    assert facts.same_value(one, other) is same
    assert (facts.value_hash("s|a", one) == facts.value_hash("s|a", other)) is same


@pytest.mark.parametrize(
    ("old", "new", "yields"),
    [
        (Standing(1, False), Standing(1, False), True),
        (Standing(3, False), Standing(2, False), False),
        (Standing(0, False), Standing(3, True), False),
        (Standing(2, True), Standing(2, True), True),
        (Standing(2, True, is_pinned=True), Standing(3, True), False),
        (Standing(3, False, is_pinned=True), Standing(3, False), True),
    ],
)
def test_what_a_fact_yields_to(old, new, yields):
    assert old.yields_to(new) is yields


@pytest.mark.parametrize(
    ("text", "expected", "left"),
    [
        ("What did Ann do in May?", ["2025-05-01 2025-06-01"], "What did Ann do ?"),
        ("on 3 March 2025", ["2025-03-03 2025-03-04"], ""),
        ("last week", ["2026-03-09 2026-03-16"], ""),
        ("two weeks ago", ["2026-03-03 2026-03-10"], ""),
        ("a couple of months ago", ["2026-01-05 2026-02-05"], ""),
        ("the first week of May 2025", ["2025-05-01 2025-05-08"], ""),
        ("late October", ["2025-10-21 2025-11-01"], ""),
        ("since January", ["2026-01-01 2200-01-01"], ""),
        ("before 12 May 2025", ["1900-01-01 2025-05-12"], ""),
        ("between 3 March and 10 April", ["2025-03-03 2025-04-11"], "between"),
        ("from May to July", ["2025-05-01 2025-08-01"], "from"),
        ("last summer", ["2025-06-01 2025-09-01"], ""),
        ("in Q2 2024", ["2024-04-01 2024-07-01"], ""),
        ("on Monday", ["2026-03-16 2026-03-17"], ""),
        ("yesterday", ["2026-03-19 2026-03-20"], ""),
        ("im Mai 2025", ["2025-05-01 2025-06-01"], "im"),
        ("What may happen? May I ask?", [], "What may happen? May I ask?"),
        ("a set of out trays, long ago", [], "a set of out trays, long ago"),
        ("in May and in June", ["2025-05-01 2025-06-01", "2025-06-01 2025-07-01"], "and"),
    ],
)
def test_spans(text, expected, left):
    spans = find_spans(text, TODAY)
    assert [f"{span.start} {span.end}" for span in spans] == expected
    assert without_spans(text, spans) == left


@given(st.text(alphabet="0123456789 /.-lastweekmayin ago", max_size=60))
def test_no_text_breaks_the_search_for_spans(text):
    for span in find_spans(text, TODAY):
        assert span.start < span.end


def test_a_remark_may_be_about_the_future():
    (span,) = find_spans("I fly on 2 April", TODAY, is_past=False)
    assert span.start == date(2026, 4, 2)


def test_bm25_by_hand():
    """Three texts; idf = ln(1 + (3 - 1 + 0.5) / (1 + 0.5)) = 0.98083 for a term that one holds.

    The first text has two of three terms: 2 * 0.98083 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2)).
    """
    texts = [["pet", "pet", "dog"], ["invoice"], ["dog", "walk"]]
    scores = bm25.scores(["pet"], texts)
    assert scores == pytest.approx(
        [0.98083 * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 1.5)), 0, 0], 1e-4
    )
    both = bm25.scores(["dog", "dog"], texts)  # a term counts once in a question
    assert both[2] > both[0] > 0 == both[1]


def test_nearness_is_one_inside_and_falls_off():
    moments = np.array([0.0, 5.0, 10.0 + 86_400])
    near = ranking.nearness(moments, 0, 10)
    assert near[0] == near[1] == 1 and near[2] == pytest.approx(0.5 / np.e, 1e-3)


def test_centred_cosines_are_cosines_of_what_is_left():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query, mean = rows[0], rows.mean(axis=0)
    found = ranking.centred_cosines(rows @ query, rows @ mean, query, mean)
    apart = rows - mean
    wanted = apart @ (query - mean)
    wanted /= np.linalg.norm(apart, axis=1) * np.linalg.norm(query - mean)
    assert found == pytest.approx(wanted, abs=1e-5)
    assert found[0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "k", "merged"),
    [
        ([1, 2, 3, 4, 5, 6], [7, 8], 6, [1, 2, 3, 7, 4, 8]),
        ([1, 2, 3], [], 2, [1, 2]),
        ([1], [2, 3], 3, [1, 2, 3]),
        ([1, 2], [2, 1], 4, [1, 2]),
        ([], [], 3, []),
    ],
)
def test_interleaving(first, second, k, merged):
    assert ranking.interleaved(first, second, k) == merged
