"""Questions of the staff: shown where the boss looks, answered with a click or in words."""

from __future__ import annotations

import pytest
from django.urls import reverse

from staff.actions import questions
from staff.models import Question, Task
from tests.web import made
from tests.web.conftest import browser_of
from tests.web.test_api import Program, error
from tests.web.test_goals import do, said
from web.management.commands.goal import as_line, waits_for_boss

TRAP = '<script>alert("x")</script> & which one?'


def asking(boss, office, text=TRAP, options=()):
    goal = made.running(boss, office)
    questions.ask(made.claimed(goal), "r" * 64, text, options)
    return goal


@pytest.fixture
def free(boss, office):
    return asking(boss, office)


@pytest.fixture
def choice(boss, office):
    return asking(boss, office, options=["sales.csv", 'a "quoted" one'])


@pytest.fixture
def spent(boss, office):
    goal = made.running(boss, office)
    made.use(goal, tokens=120, cap=100)
    questions.ask_for_budget(made.claimed(goal), "The budget of 100 tokens is spent.")
    return goal


def needs(client, goal):
    return client.get(reverse("panel", args=[goal.pk, "needs"])).content.decode()


def question_of(goal):
    return goal.questions.get()


def test_a_question_is_plain_text_with_who_asks(desk, free):
    page = needs(desk, free)
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; which one?" in page
    assert "<script>" not in page
    assert "Alan · Total 0" in page and "<textarea" in page


def test_options_are_buttons(desk, choice):
    page = needs(desk, choice)
    assert '<button name="answer" value="sales.csv">sales.csv</button>' in page
    assert 'value="a &quot;quoted&quot; one"' in page and "<textarea" not in page


def test_an_answer_lets_the_staff_go_on(desk, free):
    question = question_of(free)
    assert said(do(desk, free, "answer", question=question.pk, answer=" The first. "))["good"]
    question.refresh_from_db()
    assert (question.state, question.answer) == ("answered", "The first.")
    assert question.answered_by.username == free.boss.username
    assert Task.objects.get(goal=free, key="s0").state == "ready"
    assert needs(desk, free).strip() == ""
    late = said(do(desk, free, "answer", question=question.pk, answer="The second."))
    assert not late["good"] and "answered already: The first." in late["said"]


@pytest.mark.parametrize(
    ("answer", "why"), [("", "empty"), ("\0 ", "empty"), ("x" * 4001, "4001 characters")]
)
def test_an_answer_that_is_none_says_why(desk, free, answer, why):
    told = said(do(desk, free, "answer", question=question_of(free).pk, answer=answer))
    assert not told["good"] and why in told["said"]
    assert question_of(free).state == "open"


def test_an_option_that_is_none_names_those_there_are(desk, choice):
    told = said(do(desk, choice, "answer", question=question_of(choice).pk, answer="other.csv"))
    assert not told["good"] and 'one of these: sales.csv; a "quoted" one' in told["said"]


def test_without_scripts_what_was_typed_is_kept(desk, free):
    form = {"question": question_of(free).pk, "answer": "Long and <good> " + "x" * 4000}
    page = desk.post(reverse("act", args=[free.pk, "answer"]), form)
    assert page.status_code == 422
    text = page.content.decode()
    assert "Long and &lt;good&gt; " in text and "at most 4000" in text


@pytest.mark.parametrize("number", ["", "x", "999999", "9" * 30])
def test_ids_that_are_none(desk, free, number):
    assert do(desk, free, "answer", question=number, answer="x").status_code == 404


def test_a_question_of_another_goal_or_office_is_not_found(desk, free, proposed, outsider):
    question = question_of(free)
    assert do(desk, proposed, "answer", question=question.pk, answer="x").status_code == 404
    assert do(browser_of(outsider), free, "answer", question=question.pk).status_code == 404
    assert question_of(free).state == "open"


def test_a_viewer_reads_and_does_not_answer(viewer, choice):
    client = browser_of(viewer)
    page = needs(client, choice)
    assert "One of: sales.csv" in page and "/do/answer" not in page
    assert do(client, choice, "answer", question=question_of(choice).pk).status_code == 403
    assert "/do/answer" not in client.get("/").content.decode()


def test_the_inbox_shows_it_and_takes_a_choice(desk, choice, free, spent):
    page = desk.get("/").content.decode()
    assert page.count("&lt;script&gt;") == 3  # two texts, and what one form is called
    assert "<script>alert" not in page and "<textarea" not in page
    assert f'action="{reverse("act", args=[choice.pk, "answer"])}"' in page
    assert "The budget of 100 tokens is spent." in page
    form = {"question": question_of(choice).pk, "answer": "sales.csv"}
    desk.post(reverse("act", args=[choice.pk, "answer"]), form)
    assert question_of(choice).answer == "sales.csv"


def test_a_spent_budget_is_raised_where_it_is_asked_for(desk, spent):
    page = needs(desk, spent)
    assert "The budget of 100 tokens is spent." in page and 'id="more_token_budget"' in page
    low = said(do(desk, spent, "budget", token_budget="120"))
    assert not low["good"] and "120 tokens are used already" in low["said"]
    assert question_of(spent).state == "open"
    assert said(do(desk, spent, "budget", token_budget="500"))["good"]
    assert question_of(spent).state == "answered"
    assert Task.objects.get(goal=spent, key="s0").state == "ready"


def test_the_goal_s_page_has_no_id_twice(desk, spent):
    page = desk.get(reverse("goal", args=[spent.pk])).content.decode()
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_by_program(boss, office, choice, spent):
    program = Program(boss, office)
    path = f"/goals/{choice.pk}"
    (shown,) = program.get(path).json()["questions"]
    assert (shown["kind"], shown["options"][0]) == ("question", "sales.csv")
    assert shown["text"] == TRAP and shown["task"] == Task.objects.get(goal=choice, key="s0").pk
    wrong = program.post(f"{path}/answer", {"question": shown["id"], "answer": "no.csv"})
    assert wrong.status_code == 400 and "one of these" in error(wrong)["message"]
    for body in ({}, {"question": shown["id"]}, {"question": shown["id"], "answer": " "}):
        assert program.post(f"{path}/answer", body).status_code == 400
    for number in (spent.questions.get().pk, 2**31 - 1):
        answer = program.post(f"{path}/answer", {"question": number, "answer": "x"})
        assert answer.status_code == 404
    good = program.post(f"{path}/answer", {"question": shown["id"], "answer": "SALES.csv"})
    assert good.status_code == 200 and good.json()["questions"] == []
    assert Question.objects.get(pk=shown["id"]).answer == "sales.csv"
    late = program.post(f"{path}/answer", {"question": shown["id"], "answer": "sales.csv"})
    assert late.status_code == 400 and "already" in error(late)["message"]
    budget = spent.questions.get().pk
    refused = program.post(f"/goals/{spent.pk}/answer", {"question": budget, "answer": "more"})
    assert refused.status_code == 400 and "raise the budget" in error(refused)["message"]


def test_a_reader_s_token_may_not_answer(boss, office, choice):
    program = Program(boss, office, scope="read")
    body = {"question": question_of(choice).pk, "answer": "sales.csv"}
    assert program.post(f"/goals/{choice.pk}/answer", body).status_code == 403


def test_the_command_line_says_what_is_asked(choice):
    assert waits_for_boss(choice)
    told = as_line(choice.events.get(kind="question.asked"))
    assert told.endswith(f'asks you: {TRAP} / sales.csv / a "quoted" one')
