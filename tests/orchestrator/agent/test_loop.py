from dataclasses import replace
from datetime import date

import pytest

from orchestrator.agent.loop import (
    Brief,
    GaveUp,
    ProgramFailed,
    ProgramWritten,
    Proposed,
    act,
    offered,
)
from orchestrator.agent.program import Cancelled
from orchestrator.agent.skills import load_skills
from orchestrator.tools.base import ToolContext
from tests.orchestrator.agent.scripted import Answers, MemoryFiles

TODAY = date(2026, 11, 24)
RECORDS = """\
vendor,invoice_number,date,currency,total,source
Baker Ltd,B-1,2026-01-05,EUR,100.50,b1.txt
Baker Ltd,B-1,2026-01-05,EUR,100.50,b1-copy.txt
Carol Inc,C-9,2026-01-07,USD,20.00,c9.txt
Carol Inc,C-10,2026-01-08,USD,,c10.txt
"""
GOOD = """\
```python
rows = read_table(inputs[0])
totals = sum_by(rows, by=["vendor"], value="total")
write_csv(output, totals)
finish("Done.")
```"""
BAD = GOOD.replace('"total"', '"amount"')


def brief(skill="total-by-group", **changes):
    plain = Brief(
        goal_text="Total the invoices per vendor.",
        title="Total per vendor",
        instruction="Sum the totals per vendor.",
        skill=load_skills()[skill],
        inputs=("records.csv",),
        outputs=("totals.csv",),
        today=TODAY,
    )
    return replace(plain, **changes)


def context_of(model, files=None):
    return ToolContext(MemoryFiles(files or {"records.csv": RECORDS}), model, "", TODAY)


def carried_out(model, task, files=None):
    return list(act(task, model, context_of(model, files)))


def origins(steps):
    return [step.origin for step in steps if isinstance(step, ProgramWritten)]


def test_a_first_program_that_runs_is_proposed_and_changes_nothing_yet():
    model = Answers(GOOD)
    context = context_of(model)

    steps = list(act(brief(), model, context))

    assert origins(steps) == ["model"]
    assert isinstance(steps[-1], Proposed)
    assert [effect.tool for effect in steps[-1].effects] == ["write_csv", "finish"]
    assert [entry.name for entry in context.files.list()] == ["records.csv"]


def test_a_mistake_goes_back_once_with_what_was_expected():
    model = Answers(BAD, GOOD)

    steps = carried_out(model, brief())

    assert origins(steps) == ["model", "repair"]
    assert isinstance(steps[-1], Proposed)
    told = model.requests[1].messages[-1].content
    assert 'unknown column "amount"' in told and "invoice_number" in told


def test_the_repair_shares_the_first_prompt_to_the_last_token():
    model = Answers(BAD, GOOD)
    carried_out(model, brief())
    first, second = (request.messages for request in model.requests)
    assert second[: len(first)] == first


def test_a_skill_is_a_program_with_slots_and_the_last_resort():
    steps = carried_out(Answers("I am sorry, I cannot."), brief())

    assert origins(steps) == ["model", "repair", "skill"]
    (written,) = (e for e in steps[-1].effects if e.tool == "write_csv")
    groups = [row[:3] for row in written.arguments["rows"]]
    assert groups[0] == ["Baker Ltd", "EUR", {"$number": "100.50"}]  # the copy counts once
    assert groups[1][:2] == ["Carol Inc", "USD"]


KNOWN = load_skills()["total-by-group"].wordings[0]


def test_a_program_that_is_known_to_be_right_is_run_before_the_model_is_asked():
    model = Answers(GOOD)
    steps = carried_out(model, brief(instruction=KNOWN.upper()))
    assert origins(steps) == ["skill"]
    assert isinstance(steps[-1], Proposed)
    assert model.requests == []


def test_a_known_program_that_does_not_fit_the_table_is_adapted():
    model = Answers(GOOD)
    files = {"records.csv": "vendor,total\nBaker Ltd,100.50\n"}
    steps = carried_out(model, brief(instruction=KNOWN), files)
    assert origins(steps) == ["skill", "model"]
    assert isinstance(steps[-1], Proposed)


def test_work_that_came_back_is_not_done_the_same_way_again():
    steps = carried_out(Answers(GOOD), brief(instruction=KNOWN, reasons=("one vendor only",)))
    assert origins(steps) == ["model"]


def test_what_a_failed_program_noted_is_forgotten():
    steps = carried_out(Answers(GOOD.replace('finish("Done.")', 'finish("")'), GOOD), brief())
    assert origins(steps) == ["model", "repair"]
    assert len(steps[-1].effects) == 2
    assert len(steps[-1].notes) == 1 and "c10.txt" in steps[-1].notes[0]


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ('finish("Done.")', "must write 'totals.csv'"),
        ("rows = read_table(inputs[0])", "changes nothing"),
        (GOOD.replace("output", '"other.csv"'), "must write 'totals.csv'"),
        ('for row in read_table(inputs[0]):\n    write_csv(output, [row])\nfinish("x")', "4 times"),
        (GOOD.replace('finish("Done.")', 'finish("a")\nfinish("b")'), "more than once"),
    ],
)
def test_a_program_that_leaves_the_task_undone_goes_back(program, error):
    steps = carried_out(Answers(program, GOOD), brief())
    (failed,) = (step for step in steps if isinstance(step, ProgramFailed))
    assert error in failed.error
    assert isinstance(steps[-1], Proposed)


def test_it_gives_up_in_plain_words_when_nothing_runs():
    steps = carried_out(Answers(BAD), brief(), {"records.csv": "name,sum\nAda,1\n"})
    assert isinstance(steps[-1], GaveUp)
    assert "No program for this task would run" in steps[-1].reason


def test_an_agent_has_no_tool_that_the_boss_did_not_give_it():
    task = brief(allowed_tools=("read_table", "finish"))
    assert set(offered(task)) == {"read_table", "finish"}
    steps = carried_out(Answers(GOOD), task)
    assert isinstance(steps[-1], GaveUp)
    assert "there is no function" in steps[-1].reason


def test_a_skill_that_is_not_adapted_runs_as_written():
    model = Answers('{"ask_1": "yes"}')
    report = {"page.md": "All five vendors were paid in March and nothing is missing."}
    task = brief("review", inputs=("page.md",), outputs=(), goal_text="Pay vendors")
    steps = carried_out(model, task, report)
    assert origins(steps) == ["skill"]
    assert [effect.tool for effect in steps[-1].effects] == ["accept_work"]
    assert model.purposes == ["review page.md"]  # the tool's own question, none for a program


def test_the_prompt_shows_columns_goal_and_why_the_work_came_back():
    model = Answers(GOOD)
    carried_out(model, brief(reasons=("the currency is missing",)))
    user = model.requests[0].messages[1].content
    assert "'vendor': 'Baker Ltd'" in user and "4 rows" in user
    assert "Mind this: the currency is missing" in user
    assert "sum_by(" in model.requests[0].messages[0].content


SALES = "region,units\nNorth,4\nSouth,2\nNorth,6\nWest,9\n"


def test_a_skill_with_slots_is_set_up_rather_than_rewritten():
    model = Answers('{"by": ["region"]}')
    task = brief("analyse-table", inputs=("sales.csv",), goal_text="North against South: least?")
    steps = carried_out(model, task, {"sales.csv": SALES})
    assert origins(steps) == ["slots"]
    assert "only = {'region': ['North', 'South']}" in steps[0].source
    cells = steps[-1].effects[0].arguments["rows"]
    assert [row[0] for row in cells] == ["South", "North"]
    assert "South: 2; North: 10" in steps[-1].effects[1].arguments["answer"]
    assert model.requests == [], "the question and the table leave nothing open"


class Boss:
    """Colleagues of whom only the boss answers: the last option."""

    def __init__(self):
        self.asked = []

    def ask_boss(self, question, options=()):
        self.asked.append((question, list(options)))
        return options[-1]


def analysed(tables, question, colleagues=None):
    """The program for a question about tables."""
    context = context_of(Answers("{}"), tables)
    if colleagues:
        context.colleagues = colleagues
    task = brief(
        "analyse-table", inputs=tuple(tables), goal_text=question, instruction="", outputs=()
    )
    steps = list(act(task, context.model, context))
    assert origins(steps) == ["slots"], steps
    return steps[0].source


MORE = "region,units\nEast,5\n"
STAFF = "town,people\nRome,5\nBonn,7\n"


def test_tables_that_are_alike_count_as_one():
    source = analysed({"a.csv": SALES, "b.csv": MORE}, "Sum per region")
    assert "tables = ['a.csv', 'b.csv']" in source


@pytest.mark.parametrize(
    ("question", "chosen"),
    [
        ("People per town", "['staff.csv']"),
        ("What about Bonn?", "['staff.csv']"),
        ("Sum up sales.csv", "['sales.csv']"),
        ("Sum up the staff", "['staff.csv']"),
    ],
)
def test_a_question_that_names_a_table_or_what_is_in_it_needs_no_other(question, chosen):
    boss = Boss()
    assert f"tables = {chosen}" in analysed(
        {"sales.csv": SALES, "staff.csv": STAFF}, question, boss
    )
    assert boss.asked == []


def test_where_it_tells_nothing_the_boss_is_asked():
    boss = Boss()
    tables = {f"{n}.csv": SALES for n in "abcde"} | {"staff.csv": STAFF}
    assert "tables = ['staff.csv']" in analysed(tables, "Sum it up", boss)
    ((question, options),) = boss.asked
    assert question == "Which of the tables is this about: Sum it up"
    assert options == ["a.csv, b.csv, c.csv and 2 more", "staff.csv"]


def test_who_may_not_ask_takes_the_first():
    tables = {"sales.csv": SALES, "staff.csv": STAFF, "notes.txt": "no table at all"}
    assert "tables = ['sales.csv']" in analysed(tables, "Sum it up")


def test_settings_that_do_not_run_leave_it_to_the_model():
    program = 'write_csv(output, read_table(inputs[0]))\nfinish("As it is.")'
    task = brief("analyse-table", inputs=("names.csv",))
    steps = carried_out(Answers(program), task, {"names.csv": "name\nAda\n"})
    assert origins(steps) == ["slots", "model"]
    assert isinstance(steps[-1], Proposed)


def test_a_long_goal_does_not_make_a_long_prompt():
    model = Answers(GOOD)
    carried_out(model, brief(goal_text="long " * 5000))
    assert sum(len(message.content) for message in model.requests[0].messages) < 6000


def test_the_report_holds_tables_by_code_and_what_could_not_be_read():
    files = {
        "records.csv": RECORDS,
        "duplicates.csv": "vendor,invoice_number,duplicate_of\n",
        "totals.csv": "vendor,currency,total\nBaker Ltd,EUR,100.50\n",
    }
    task = brief("write-report", inputs=tuple(files), outputs=("summary.md",))
    steps = carried_out(Answers("Baker Ltd is owed 100.50 EUR."), task, files)
    page = steps[-1].effects[0].arguments["text"]
    assert page.startswith("# Summary\n\nBaker Ltd is owed 100.50 EUR.")
    assert page.index("## Totals") < page.index("## Duplicates") < page.index("## Records")
    assert "- c10.txt: total" in page
    assert "| Baker Ltd | EUR | 100.50 |" in page


def test_cancelling_stops_the_program():
    model = Answers(GOOD)
    with pytest.raises(Cancelled):
        list(act(brief(), model, context_of(model), cancelled=lambda: True))
