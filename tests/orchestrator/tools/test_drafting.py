from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inference.scripted import ScriptedModel
from orchestrator.tools.base import ToolContext, ToolError
from orchestrator.tools.drafting import NOTHING_LEFT, PROMPT_CHARS, draft, summarise
from orchestrator.tools.folder import GoalFolder
from orchestrator.tools.grounding import Facts, supported

TOTALS = [
    {"vendor": "Acme", "currency": "EUR", "total": Decimal("1310.50")},
    {"vendor": "Bolt", "currency": "GBP", "total": None},
]


def scripted(context: ToolContext, answers: list[str] | Callable[..., str]) -> ScriptedModel:
    model = ScriptedModel(answers)
    context.model = lambda purpose, request: model.complete(request)
    return model


@pytest.mark.parametrize(
    "prose",
    [
        "Acme got EUR 1,310.50.",
        "Acme got 1.310,50 € in all.",
        "It was issued on 12 March 2026.",
        "It was issued on March 12th.",
        "They meet on 4 May.",
        "The code is AP-2291.",
        "That is 19% of it.",
        "In 2026 all went well.",
        "1. Acme comes first.",
        "No figures here.",
    ],
)
def test_what_the_facts_say_may_be_said(prose: str) -> None:
    facts = Facts("Acme | 1310.50 EUR | 2026-03-12 | AP-2291 | tax 19 % | May 4th")
    assert facts.missing_in(prose) == []


@pytest.mark.parametrize(
    ("prose", "missing"),
    [
        ("Acme got EUR 1,310.60.", "EUR 1,310.60"),
        ("It was issued on 13 March 2026.", "13 March 2026"),
        ("It was issued on March 13th.", "March 13th"),
        ("The code is AP-2292.", "AP-2292"),
        ("That is 20% of it.", "20"),
        ("It made 1.5m in a year.", "1.5m"),
        ("In 2025 all went well.", "2025"),
        ("There are no duplicates.", "no duplicates"),
    ],
)
def test_what_they_do_not_say_is_found(prose: str, missing: str) -> None:
    facts = Facts("1310.50 EUR | 2026-03-12 | AP-2291 | tax 19 %", there=["Duplicates"])
    assert facts.missing_in(prose) == [missing]


@given(st.decimals(0, 10**7, places=2), st.decimals(0, 10**7, places=2))
def test_an_amount_is_supported_by_the_same_amount_only(one: Decimal, other: Decimal) -> None:
    facts = Facts(f"total {one:,.2f} EUR")
    assert facts.missing_in(f"It came to €{one}.") == []
    assert bool(facts.missing_in(f"It came to {other:,.2f} EUR.")) == (one != other)


three_digits = st.integers(100, 999)


@given(st.lists(three_digits), st.sets(three_digits))
def test_sentences_are_kept_if_and_only_if_supported(said: list[int], known: set[int]) -> None:
    kept, notes = supported(
        " ".join(f"It is {number}." for number in said), Facts(" and ".join(map(str, known)))
    )
    assert kept == " ".join(f"It is {number}." for number in said if number in known)
    assert len(notes) == sum(number not in known for number in said)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_survived(prose: str, known: str) -> None:
    kept, _ = supported(prose, Facts(known))
    assert set("".join(kept.split())) <= set(prose)


def test_a_sentence_with_another_figure_is_dropped_and_noted(context: ToolContext) -> None:
    scripted(context, ["Acme leads with 1,310.50 EUR. Bolt follows with 900.00 GBP."])
    assert draft(context, "What stands out?", {"Totals": TOTALS}) == (
        "Acme leads with 1,310.50 EUR."
    )
    assert context.notes == [
        'left out, as the facts do not say 900.00 GBP: "Bolt follows with 900.00 GBP."'
    ]


def test_facts_are_shown_as_a_table_with_its_count(context: ToolContext) -> None:
    model = scripted(context, ["There are 2 vendors."])
    assert draft(context, "How many?", {"Totals": TOTALS}) == "There are 2 vendors."
    asked = model.requests[0].messages[1].content
    assert "Totals: 2 rows" in asked and "| Bolt | GBP | could not be read |" in asked
    assert context.notes == []


def test_a_draft_that_is_all_wrong_is_asked_again_then_given_up(context: ToolContext) -> None:
    model = scripted(context, ["It is 7.", "It is 8."])
    assert draft(context, "Sum up", TOTALS) == NOTHING_LEFT
    assert "Do not use any numbers" in model.requests[1].messages[1].content
    assert len(context.notes) == 2


def test_an_answer_that_was_cut_ends_with_a_whole_sentence(context: ToolContext) -> None:
    scripted(context, ["# Heading\nAll is well. But then the"])
    assert draft(context, "Sum up") == "All is well."


def test_one_file_is_summed_up_by_itself(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", b"We meet on 3 May 2026.")
    scripted(context, ["They meet on 3 May 2026. They met on 2 May 2026."])
    assert summarise(context, "a.txt", "When?") == "They meet on 3 May 2026."
    assert len(context.notes) == 1


def test_several_files_are_named_and_put_together(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", b"red")
    folder.write("b.txt", b"blue")
    scripted(
        context,
        lambda request: "Both." if "Notes:" in request.messages[1].content else "One colour.",
    )
    assert summarise(context, ["a.txt", "b.txt"]) == (
        "Both.\n\n**a.txt**: One colour.\n\n**b.txt**: One colour."
    )


def test_a_long_file_is_read_in_parts(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", b"line after line of it\n" * 400)
    model = scripted(context, lambda request: "Fine.")
    assert summarise(context, ["a.txt"]) == "Fine."
    assert len(model.requests) == 4  # three parts and what puts them together
    assert all(len(r.messages[1].content) < PROMPT_CHARS + 100 for r in model.requests)


def test_no_file_to_read_is_told(context: ToolContext) -> None:
    with pytest.raises(ToolError, match="no files were given"):
        summarise(context, [])
