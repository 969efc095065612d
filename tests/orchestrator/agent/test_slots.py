from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agent import slots

SLOTS = {
    "only": "rows",
    "by": "columns",
    "measure": {"sum": [], "average": ["average"]},
    "value": "numbers",
    "dates": "dates",
}
PROGRAM = """\
only = {}
by = ["customer"]
measure = "sum"
value = "amount"
dates = ""
rows = read_table(inputs[0])"""
ROWS = [
    {
        "date": "2026-01-03",
        "region": "North",
        "product": "Desk lamp",
        "units": 4,
        "fee": Decimal(1),
    },
    {"date": "2026-02-04", "region": "South", "product": "Office chair", "units": 2, "fee": None},
]
ANSWER = '{"by": ["region", "region"], "measure": "average", "value": "units"}'


def settings(question, answer=ANSWER):
    return slots.filled(PROGRAM, SLOTS, ROWS, question, answer).splitlines()


def test_what_a_question_says_is_not_left_to_the_model():
    assert slots.request(SLOTS, ROWS, "Average units per region") is None
    assert settings("Units per region", "{}")[1:4] == [
        "by = ['region']",
        "measure = 'sum'",
        "value = 'units'",
    ]


def test_what_is_compared_makes_the_groups():
    by = settings("Compare the units of North and South per month", "{}")[1]
    assert by == "by = ['month', 'region']"


def test_the_settings_take_the_place_of_the_examples():
    assert settings("Average units per region") == [
        "only = {}",
        "by = ['region']",
        "measure = 'average'",
        "value = 'units'",
        "dates = 'date'",
        "rows = read_table(inputs[0])",
    ]


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("How did it go in the north region?", {"region": ["North"]}),
        ("Which region sold the fewest desk lamps?", {"product": ["Desk lamp"]}),
        ("Compare North and South", {"region": ["North", "South"]}),
        ("The northern ones", {}),
    ],
)
def test_code_finds_the_rows_that_a_question_names(question, named):
    assert slots.named_rows(ROWS, question) == named
    assert settings(question)[0] == f"only = {named!r}"


@pytest.mark.parametrize(
    ("question", "columns", "numbers"),
    [
        ("Which regions and products do best?", [], ["units", "fee"]),
        ("Which units?", ["date", "region", "product", "month"], []),
        ("What sticks out?", ["date", "region", "product", "month"], ["units", "fee"]),
    ],
)
def test_the_model_may_choose_only_what_the_question_leaves_open(question, columns, numbers):
    request = slots.request(SLOTS, ROWS, question)
    assert request is not None and request.grammar is not None
    offered = {name for name in [*ROWS[0], "month"] if f'{name}\\"' in request.grammar}
    assert offered == {*columns, *numbers}


def test_a_table_without_numbers_leaves_nothing_to_choose():
    assert slots.request(SLOTS, [{"name": "Ada"}], "Who?") is None
    assert slots.request(SLOTS, [], "Who?") is None


def test_an_answer_that_was_cut_leaves_the_first_options():
    filled = slots.filled(PROGRAM, SLOTS, ROWS, "Average", ANSWER[:20]).splitlines()
    assert filled[1:4] == ["by = ['date']", "measure = 'average'", "value = 'units'"]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=3), st.text(max_size=20))
def test_any_values_and_question_make_a_valid_program(texts, question):
    rows = [{"name": text, "n": 1} for text in texts]
    answer = '{"by": ["name"], "measure": "sum", "value": "n"}'
    source = slots.filled(PROGRAM, SLOTS, rows, question, answer)
    compile(source, "program", "exec")
    assert len(source.splitlines()) == len(PROGRAM.splitlines())
