import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agent.skills import load_skills
from orchestrator.planning import Choice, Colleague, propose, rank, wire
from orchestrator.tools.base import FileEntry
from staff.domain.plans import PlanRefused, check
from tests.orchestrator.agent.scripted import Answers

SKILLS = load_skills()
WORKING = sorted(name for name, skill in SKILLS.items() if not skill.is_playbook)
STAFF = [
    Colleague("Ana", "analyst"),
    Colleague("Rui", "researcher"),
    Colleague("Wim", "writer"),
    Colleague("Rea", "reviewer"),
    Colleague("Ada", "assistant"),
]
INVOICES = [FileEntry(f"invoice-{n}.txt", 400, "text") for n in range(3)]
SALES = [FileEntry("sales.csv", 4000, "csv")]
INVOICE_GOAL = "Total these invoices per vendor, flag duplicates, and write me a one-page summary"


def answer(*steps):
    return json.dumps({"steps": [{"skill": skill, "do": do} for skill, do in steps]})


SUMMARISE = Answers(answer(("summarise-documents", "sum up the invoices")))


def skills_of(plan):
    return [step.skill for step in plan.steps]


def best(goal, files, model=SUMMARISE):
    return rank(propose(goal, files, SKILLS, STAFF, model), goal, SKILLS)[0]


def test_the_invoice_goal_follows_its_playbook():
    ranked = best(INVOICE_GOAL, INVOICES)
    steps = {step.skill: step for step in ranked.plan.steps}

    assert ranked.plan.source == "playbook:invoices-to-summary"
    records = steps["extract-records"].key
    assert steps["find-duplicates"].after == steps["total-by-group"].after == (records,)
    assert steps["write-report"].inputs == ("records.csv", "duplicates.csv", "totals.csv")
    assert steps["write-report"].outputs == ("summary.md",)
    assert steps["review"].reviews == steps["write-report"].key
    assert steps["total-by-group"].agent_role == "analyst"
    assert ranked.why.startswith("5 steps; does 4 of the 4 things asked for, follows a playbook")


def test_the_models_plan_is_an_alternative_beside_the_playbook():
    plans = propose(INVOICE_GOAL, INVOICES, SKILLS, STAFF, SUMMARISE)
    assert [plan.source for plan in plans] == ["playbook:invoices-to-summary", "model"]
    assert skills_of(plans[1]) == ["summarise-documents"]


def test_each_goal_of_its_kind_finds_its_playbook():
    meeting = "List the action items in these meeting notes with owner and due date"
    sales = "Which products bring the most revenue in this sales table? Write a report"
    assert best(meeting, INVOICES).plan.source == "playbook:meeting-to-actions"
    assert best(sales, SALES).plan.source == "playbook:table-to-report"


def test_a_table_playbook_without_a_table_is_no_candidate():
    (plan,) = propose("Best product and region in the sales table?", [], SKILLS, STAFF, SUMMARISE)
    assert skills_of(plan) == ["answer-question"], "nothing is attached that could be read"


@pytest.mark.parametrize("text", ["", "{", '{"steps": [{"skill": "extract-rec'])
def test_an_answer_that_was_cut_leaves_the_other_candidates(text):
    (plan,) = propose("Look into this", SALES, SKILLS, STAFF, Answers(text))
    assert plan.source == "fallback"
    assert skills_of(plan) == ["analyse-table", "write-report", "review"]


def test_a_small_model_that_repeats_itself_is_heard_once():
    model = Answers(answer(*[("summarise-documents", "sum up")] * 4))
    (plan,) = propose("Tell me about it", INVOICES, SKILLS, STAFF, model)
    assert skills_of(plan) == ["summarise-documents"]


def test_a_file_that_the_goal_names_is_the_output():
    goal = "Total the amounts of sales.csv per region into regions.csv, with a page in report.md"
    model = Answers(answer(("write-report", "z"), ("analyse-table", "x"), ("total-by-group", "y")))
    plan = propose(goal, SALES, SKILLS, STAFF, model)[1]
    assert [step.outputs for step in plan.steps] == [
        ("analysis.csv",),
        ("regions.csv",),
        ("report.md",),
        (),
    ]


def test_tables_of_documents_wait_until_these_are_read():
    model = Answers(answer(("total-by-group", "what we owe Delta Cloud")))
    plan = propose("How much do we owe Delta Cloud?", INVOICES, SKILLS, STAFF, model)[0]
    assert skills_of(plan) == ["extract-records", "total-by-group"]
    assert plan.steps[1].instruction == "what we owe Delta Cloud"


def test_the_goals_words_alone_make_a_plan():
    goal = "Who has to do something before 15 March? Put the tasks in todo.csv"
    plans = propose(goal, INVOICES, SKILLS, STAFF, Answers("{"))
    assert [(plan.source, skills_of(plan)) for plan in plans] == [("words", ["action-items"])]
    assert plans[0].steps[0].outputs == ("todo.csv",)


def test_only_skills_that_fit_the_goal_and_its_files_are_offered_to_the_model():
    model = Answers(answer(("analyse-table", "x")))
    propose("Average units per region", SALES, SKILLS, STAFF, model)
    catalogue = model.requests[0].messages[0].content
    assert "- analyse-table:" in catalogue
    assert "- find-duplicates:" not in catalogue and "- extract-records:" not in catalogue


def test_outputs_never_replace_what_is_attached():
    files = [*SALES, FileEntry("analysis.csv", 10, "csv")]
    plan = wire([Choice(SKILLS["analyse-table"])], "", files, STAFF, "model")
    assert plan.steps[0].outputs == ("analysis-2.csv",)


def test_a_table_may_be_read_but_only_a_table_is_analysed():
    both = [*INVOICES, *SALES]
    read, analysed = wire(
        [Choice(SKILLS["summarise-documents"]), Choice(SKILLS["analyse-table"])],
        *("", both, STAFF, "model"),
    ).steps
    assert read.inputs == tuple(entry.name for entry in both)
    assert analysed.inputs == ("sales.csv",)


def test_the_work_goes_to_whoever_may_do_it():
    lone = [Colleague("Bo", "clerk", tools=("finish",)), Colleague("Cy", "generalist")]
    plan = wire([Choice(SKILLS["analyse-table"])], "", SALES, lone, "model")
    assert plan.steps[0].agent_role == "generalist"


def test_nobody_to_do_the_work_is_for_the_boss_to_mend():
    with pytest.raises(PlanRefused, match="hire"):
        propose("Anything", [], SKILLS, [], SUMMARISE)


def test_the_planning_prompt_is_short_whatever_the_goal():
    model = Answers(answer(("answer-question", "x")))
    propose("why? " * 3000, INVOICES * 50, SKILLS, STAFF, model)
    (request,) = model.requests
    assert sum(len(message.content) for message in request.messages) < 3500
    assert request.grammar and request.max_tokens <= 200


entries = st.builds(
    FileEntry, st.sampled_from(["a.csv", "b.md", "summary.md"]), st.just(9), st.just("csv")
)


@given(
    st.lists(st.sampled_from(WORKING), min_size=1, max_size=20),
    st.lists(entries, max_size=3, unique_by=lambda entry: entry.name),
    st.lists(st.sampled_from(STAFF), min_size=1),
)
def test_any_choice_of_skills_is_wired_into_a_plan_that_can_be_carried_out(names, files, staff):
    plan = wire([Choice(SKILLS[name]) for name in names], "", files, staff, "model")
    check(plan, SKILLS, {one.role for one in staff})
    written = {name for step in plan.steps for name in step.outputs}
    assert not written & {entry.name for entry in files}
    available = {entry.name for entry in files}
    for step in plan.steps:
        assert set(step.inputs) <= available, "a step works on what is there by then"
        available |= set(step.outputs)
