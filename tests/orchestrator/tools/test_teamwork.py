from datetime import date

import pytest

from orchestrator.tools import registry, teamwork
from orchestrator.tools.base import ToolContext, ToolError, Waiting
from tests.orchestrator.agent.scripted import Answers, MemoryFiles


class Asked:
    """Colleagues that note what reaches them."""

    def __init__(self, *outcomes):
        self.calls, self.outcomes = [], list(outcomes)

    def ask_boss(self, question, options=()):
        self.calls.append((question, list(options)))
        return "yes"

    def ask_lead(self, question):
        return self.ask_boss(question)

    def whom(self, skill):
        return "analyst"

    def delegate(self, work):
        self.calls += work
        if not self.outcomes:
            raise Waiting("later")
        return self.outcomes


def context(colleagues=None, goal="Total the invoices"):
    made = ToolContext(MemoryFiles({}), Answers(""), goal, date(2026, 11, 24))
    if colleagues:
        made.colleagues = colleagues
    return made


def test_alone_nobody_is_there():
    with pytest.raises(ToolError, match="nobody to ask"):
        teamwork.ask_boss(context(), "Which one?")
    with pytest.raises(ToolError, match="nobody to hand"):
        teamwork.delegate(context(), "analyst", "analyse-table", "sum")
    assert teamwork.colleague(context(), "analyse-table") == ""
    assert teamwork.delegate_each(context(), "analyst", "analyse-table", "sum", []) == []


def test_a_question_is_plain_text_of_a_bounded_length():
    asked = Asked()
    teamwork.ask_boss(context(asked), "Which\x00 one \n\n  is it? " + "x" * 900, ["a", "b\nc"])
    ((question, options),) = asked.calls
    assert question.startswith("Which\ufffd one is it? x") and len(question) == 400
    assert options == ["a", "b c"]


@pytest.mark.parametrize(
    ("question", "options", "why"),
    [
        (" ", [], "empty"),
        ("total the invoices!", [], "what you are asked to do"),
        ("Which?", ["a"], "2 to 8"),
        ("Which?", [str(n) for n in range(9)], "2 to 8"),
        ("Which?", ["a", ""], "1 to 80"),
        ("Which?", ["a", "b" * 81], "1 to 80"),
        ("Which?", ["a", " A"], "same"),
    ],
)
def test_questions_that_make_no_sense(question, options, why):
    asked = Asked()
    with pytest.raises(ToolError, match=why):
        teamwork.ask_boss(context(asked), question, options)
    assert asked.calls == []


def test_waiting_leaves_a_program_and_is_no_mistake_of_it():
    from orchestrator.agent.program import run

    functions = registry.bind(registry.tools_of(teamwork.__name__), context(Asked()))
    with pytest.raises(Waiting):
        run('x = [delegate("analyst", "analyse-table", "sum") for n in range(2)]', functions)


def test_what_came_to_nothing_is_noted_once():
    failed = {"answer": "", "files": [], "problem": "Alan could not do it"}
    there = context(Asked(failed, failed))
    rows = teamwork.delegate_each(there, "analyst", "analyse-table", "sum", ["a.csv", "b.csv"])
    assert rows == [failed, failed] and there.notes == ["Alan could not do it"]
