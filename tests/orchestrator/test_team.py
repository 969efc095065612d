"""Promises through the house: asked, let go, and kept by whichever worker comes next."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orchestrator import dispatch, execution, runtime
from orchestrator.agent.skills import load_skills
from staff.actions import control, goals, queue, recovery
from staff.actions.goals import GoalRefused
from staff.domain import delegation as rules
from staff.models import Agent, Attempt, Budget, Event, ModelCall, Outbox, Question, Task
from tests.orchestrator.team import (
    COORDINATE,
    SALES,
    running,
    scripted,
    states,
    step,
    task_of,
    work_on,
)

pytestmark = pytest.mark.django_db(transaction=True)
ASK = 'colour = ask_boss("Which colour?", ["red", "blue"])\nfinish(draft("Say " + colour))'


@pytest.fixture(autouse=True)
def house(settings, tmp_path, monkeypatch):
    settings.GOALS_DIR = tmp_path / "goals"
    monkeypatch.setitem(load_skills(), "coordinate", COORDINATE)


@pytest.fixture
def play(monkeypatch):
    """Give the staff its programs. Returns the model."""

    def play(**programs):
        model = scripted({name.replace("_", " "): text for name, text in programs.items()})
        monkeypatch.setattr(runtime, "chat_model", lambda name="": model)
        return model

    return play


def asked(goal):
    return goal.questions.get(state="open")


def events(goal, kind):
    return [event.data for event in Event.objects.filter(goal=goal, kind=kind)]


# Asking the boss


def test_a_question_ends_the_job_and_its_answer_resumes_it_elsewhere_hours_later(
    office, boss, play
):
    model = play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal, "first")
    task = task_of(goal, "lead")
    assert (task.state, task.worker, task.lease_until) == ("asking", "", None)
    assert Attempt.objects.get(task=task).state == "asking"
    assert not Outbox.objects.filter(job="run_task").exists()
    assert (asked(goal).text, asked(goal).options) == ("Which colour?", ["red", "blue"])
    tokens = Budget.objects.get(pk=goal.budget_id).tokens_used

    ago = timezone.now() - timedelta(hours=9)
    Question.objects.update(created_at=ago)
    Attempt.objects.update(started_at=ago, ended_at=ago)
    Task.objects.update(started_at=ago)
    dispatch.answer(asked(goal).pk, boss, "blue")
    assert Outbox.objects.get(job="run_task").subject_id == task.pk
    work_on(goal, "second")

    assert (goal.state, goal.answer) == ("done", "So it is.")
    assert len(model.requests) == 2, "the program was not asked for again, only its draft"
    assert "Say blue" in model.requests[1].messages[1].content
    assert [attempt.worker for attempt in Attempt.objects.order_by("pk")] == ["first", "second"]
    assert tokens < Budget.objects.get(pk=goal.budget_id).tokens_used
    (told,) = events(goal, "question.answered")
    assert told["answer"] == "blue"


def test_a_waiting_task_costs_nothing(office, boss, play):
    model = play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal)
    before = (len(model.requests), Budget.objects.get(pk=goal.budget_id).tokens_used)
    assert queue.claim("w", 60) is None and recovery.reap() == 0
    work_on(goal)
    assert (len(model.requests), Budget.objects.get(pk=goal.budget_id).tokens_used) == before


def test_a_worker_that_dies_between_asking_and_answering_changes_nothing(office, boss, play):
    model = play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal, "dead")
    assert recovery.reap(worker="dead") == 0, "it holds nothing any more"
    dispatch.answer(asked(goal).pk, boss, "red")
    held = queue.claim("dead", -1)  # it dies at once, before it has read the answer
    assert held is not None and recovery.reap() == 1
    work_on(goal, "alive")
    assert goal.state == "done" and goal.questions.count() == 1
    assert len(model.requests) == 2


def test_a_worker_that_dies_before_the_question_is_down_asks_it_once(
    office, boss, play, monkeypatch
):
    model = play(the_goal=ASK)
    goal = running(office, boss)

    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(queue, "let_go", die)  # in the same transaction as the question
        work_on(goal)
    assert not goal.questions.exists()
    assert recovery.reap(worker="w") == 1
    work_on(goal)
    assert goal.questions.count() == 1 and len(model.requests) == 1


def test_what_was_answered_is_not_asked_again_unless_the_boss_runs_the_task_again(
    office, boss, play
):
    play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal)
    dispatch.answer(asked(goal).pk, boss, "red")
    work_on(goal)
    assert goal.state == "done" and goal.questions.count() == 1
    control.rerun(task_of(goal, "lead").pk, boss)
    work_on(goal)
    assert goal.questions.count() == 2 and asked(goal).text == "Which colour?"
    dispatch.answer(asked(goal).pk, boss, "blue")
    work_on(goal)
    assert goal.state == "done"


def test_a_program_over_midnight_finds_the_day_on_which_it_began(office, boss, play):
    play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal)
    yesterday = timezone.now() - timedelta(days=1)
    Task.objects.filter(goal=goal).update(started_at=yesterday)
    dispatch.answer(asked(goal).pk, boss, "red")
    held = queue.claim("w", 60)
    assert execution.Work(held, None).today == timezone.localdate(yesterday)


@pytest.mark.parametrize(
    ("said", "why"),
    [("", "empty"), ("  \n", "empty"), ("green", "one of these: red; blue"), ("x" * 4001, "4001")],
)
def test_an_answer_that_is_none_is_refused_with_the_reason(office, boss, play, said, why):
    play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal)
    with pytest.raises(GoalRefused, match=why):
        dispatch.answer(asked(goal).pk, boss, said)
    assert task_of(goal, "lead").state == "asking"
    dispatch.answer(asked(goal).pk, boss, " Blue ")
    assert goal.questions.get().answer == "blue"


def test_a_question_is_answered_once(office, boss, play):
    play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal)
    question = asked(goal)
    dispatch.answer(question.pk, boss, "blue")
    with pytest.raises(GoalRefused, match="answered already: blue"):
        dispatch.answer(question.pk, boss, "red")


def test_a_cancelled_task_withdraws_its_question(office, boss, play):
    play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal)
    question = asked(goal)
    control.cancel(task_of(goal, "lead").pk, boss)
    with pytest.raises(GoalRefused, match="not asked any more"):
        dispatch.answer(question.pk, boss, "red")


def test_a_task_asks_only_so_much(office, boss, play):
    play(the_goal='for n in range(9):\n    ask_boss(f"Number {n}?")\nfinish("x")')
    goal = running(office, boss)
    for _ in range(5):
        work_on(goal)
        dispatch.answer(asked(goal).pk, boss, "yes")
    work_on(goal)
    failed = events(goal, "program.failed")
    assert "5 questions" in failed[0]["error"]
    assert goal.questions.count() == 5


def test_paused_while_asking_the_answer_waits_for_the_resume(office, boss, play):
    play(the_goal=ASK)
    goal = running(office, boss)
    work_on(goal)
    task = task_of(goal, "lead")
    control.pause(task.pk, boss)
    dispatch.answer(asked(goal).pk, boss, "blue")
    assert queue.claim("w", 60) is None
    assert not Outbox.objects.filter(job="run_task").exists()
    control.resume(task.pk, boss)
    assert Outbox.objects.filter(job="run_task", subject_id=task.pk).exists()
    work_on(goal)
    assert goal.state == "done"


# Handing on

DELEGATE = 'done = delegate("analyst", "coordinate", "sub")\nfinish(draft(done["answer"] + "!"))'


def test_a_colleague_does_a_part_and_the_chain_is_told(office, boss, play):
    model = play(the_goal=DELEGATE, sub='finish("forty-two")')
    goal = running(office, boss)
    work_on(goal, most=1)
    parent, child = task_of(goal, "lead"), task_of(goal, "lead.1")
    assert (parent.state, parent.after) == ("waiting", ["lead.1"])
    assert (child.state, child.agent.role, child.parent_id) == ("ready", "analyst", parent.pk)
    assert (child.instruction, child.outputs) == ("sub", [])
    (told,) = events(goal, "task.handed_on")
    assert [hop["agent"] for hop in told["chain"]] == ["Ada", "Alan"]
    assert [hop["task"] for hop in told["chain"]] == [parent.pk, child.pk]
    work_on(goal)
    assert (goal.state, goal.answer) == ("done", "So it is.")
    assert "forty-two!" in model.requests[-1].messages[1].content
    assert len(model.requests) == 3, "two programs and one draft; nothing was sampled again"
    assert ModelCall.objects.filter(goal=goal).count() == 3


def test_its_files_come_back_and_unplanned_ones_are_asked_for(office, boss, play):
    play(
        the_goal=(
            'done = delegate("analyst", "coordinate", "sub", output="part.md")\n'
            'finish(read_text(done["files"][0]))'
        ),
        sub='write_markdown(output, "the part")\nfinish("done")',
    )
    goal = running(office, boss)
    work_on(goal)
    assert states(goal) == {"lead": "waiting", "lead.1": "asking"}
    approval = goal.approvals.get()
    assert "part.md, which the plan does not name" in approval.reason
    dispatch.approve(goal.pk, boss, approval_id=approval.pk)
    work_on(goal)
    assert (goal.state, goal.answer) == ("done", "the part")


def test_a_goal_that_may_act_hands_on_without_asking(office, boss, play):
    play(
        the_goal='delegate("writer", "coordinate", "sub", output="part.md")\nfinish("x")',
        sub='write_markdown(output, "the part")\nfinish("done")',
    )
    goal = running(office, boss, autonomy="act")
    work_on(goal)
    assert goal.state == "done" and goal.artifacts.get().name == "part.md"


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ('delegate("analyst", "fly", "x")', 'no skill "fly"'),
        ('delegate("analyst", "review", "x")', 'no skill "review"'),
        ('delegate("analyst", "table-to-report", "x")', 'no skill "table-to-report"'),
        ('delegate("pilot", "coordinate", "x")', "nobody in the staff"),
        ('delegate("analyst", "coordinate", " ")', "instruction is empty"),
        ('delegate("analyst", "analyse-table", "x")', "works on files"),
        ('delegate("analyst", "analyse-table", "x", ["no.csv"])', 'no file "no.csv"'),
        ('delegate("analyst", "extract-records", "x", ["a.txt"])', "name it"),
        ('delegate("analyst", "extract-records", "x", ["a.txt"], "a.pdf")', "leaves a .csv"),
        ('delegate("analyst", "extract-records", "x", ["a.txt"], "../a.csv")', "no file name"),
        ('delegate("analyst", "coordinate", "x", output="note.md")', "taken"),
        ('delegate("analyst", "coordinate", "x", output="A.TXT.md")', ""),
        ('delegate("assistant", "coordinate", "x")', "you are Ada yourself"),
        ('delegate("ada", "coordinate", "x")', "you are Ada yourself"),
        ('ask_boss("")', "question is empty"),
        ('ask_boss("The goal!")', "what you are asked to do"),
        ('ask_boss("Which?", ["one"])', "2 to 8 options"),
        ('ask_boss("Which?", ["a", "A"])', "the same"),
    ],
)
def test_every_mistake_is_told_in_words_that_a_model_can_use(office, boss, play, call, why):
    play(the_goal=f'{call}\nfinish("x")', x='finish("x")')
    files = {"a.txt": b"one"}
    goal = running(office, boss, step(outputs=["note.md"]), files=files)
    work_on(goal, most=1)
    errors = [each["error"] for each in events(goal, "program.failed")]
    if why:
        assert why in errors[0]
        assert Task.objects.filter(goal=goal).count() == 1 and not goal.questions.exists()
    else:
        assert errors == []


def test_nobody_is_asked_who_waits_already(office, boss, play):
    play(
        the_goal='finish(delegate("analyst", "coordinate", "sub")["answer"])',
        sub='delegate("assistant", "coordinate", "subsub")\nfinish("x")',
    )
    goal = running(office, boss)
    work_on(goal)
    errors = [each["error"] for each in events(goal, "program.failed")]
    assert "Ada waits for this very work (Ada → Alan)" in errors[0]
    assert set(states(goal)) == {"lead", "lead.1"}


def test_the_hop_limit_is_exact(office, boss, play):
    roles = ["researcher", "analyst", "writer", "reviewer"]
    names = ["the_goal", "one", "two", "three"]
    play(
        **{
            name: f'finish(delegate("{role}", "coordinate", "{below}")["answer"])'
            for name, role, below in zip(names, roles, [*names[1:], "four"], strict=True)
        }
    )
    goal = running(office, boss, depth_budget=3)
    work_on(goal)
    assert {"lead", "lead.1", "lead.1.1", "lead.1.1.1"} == set(states(goal))
    caps = [Budget.objects.get(task__key=key).depth_cap for key in list(states(goal))[1:]]
    assert caps == [2, 1, 0]
    errors = [each["error"] for each in events(goal, "program.failed")]
    assert "handed on 3 times and may go no further" in errors[0]


def test_without_depth_nothing_is_handed_on(office, boss, play):
    play(the_goal=DELEGATE)
    goal = running(office, boss, depth_budget=0)
    work_on(goal, most=1)
    assert "may go no further" in events(goal, "program.failed")[0]["error"]
    assert states(goal).keys() == {"lead"}


def test_equal_work_is_done_once_for_all_who_ask(office, boss, play):
    model = play(
        the_goal='finish(delegate("analyst", "coordinate", "sub")["answer"])',
        sub='finish("forty-two")',
    )
    goal = running(office, boss, step("one"), step("two", agent_role="writer"))
    work_on(goal, most=2)
    assert states(goal) == {"one": "waiting", "two": "waiting", "one.1": "ready"}
    assert task_of(goal, "two").after == ["one.1"]
    assert len(events(goal, "task.handed_on")) == len(events(goal, "task.shared")) == 1
    work_on(goal)
    answers = dict(goal.tasks.values_list("key", "answer"))
    assert answers == {"one": "forty-two", "two": "forty-two", "one.1": "forty-two"}
    assert len(model.requests) == 3


def test_two_calls_of_one_program_are_one_task_where_they_ask_the_same(office, boss, play):
    play(
        the_goal=(
            'a = delegate("analyst", "coordinate", "sub")\n'
            'b = delegate("analyst", "coordinate", "sub")\nfinish(a["answer"] + b["answer"])'
        ),
        sub='finish("x")',
    )
    goal = running(office, boss)
    work_on(goal)
    assert (goal.answer, len(states(goal))) == ("xx", 2)


def test_side_by_side_one_for_each_file(office, boss, play):
    play(
        the_goal=(
            'done = delegate_each("analyst", "coordinate", "sub", inputs)\n'
            'finish(" ".join(each["answer"] for each in done))'
        ),
        sub="finish(read_text(inputs[0]))",
    )
    files = {f"{name}.txt": name.encode() for name in "abc"}
    goal = running(office, boss, step(inputs=list(files)), files=files)
    work_on(goal, most=1)
    assert list(states(goal).values()) == ["waiting", "ready", "ready", "ready"]
    work_on(goal)
    assert (goal.state, goal.answer) == ("done", "a b c")
    assert Attempt.objects.filter(task=task_of(goal, "lead")).count() == 2


def test_a_colleague_that_fails_fails_nobody_else(office, boss, play):
    play(
        the_goal=(
            'done = delegate("analyst", "coordinate", "sub")\nfinish("Without: " + done["problem"])'
        ),
        sub="finish(1 / 0)",
    )
    goal = running(office, boss)
    work_on(goal)
    child = task_of(goal, "lead.1")
    assert (child.state, goal.state) == ("failed", "done")
    assert goal.answer.startswith("Without: Alan could not do it (Coordinate: sub): ")
    assert child.failure in goal.answer
    assert task_of(goal, "lead").notes == [goal.answer.removeprefix("Without: ")]
    assert Task.objects.filter(state="failed").get() == child, "a dead letter"


FRAGILE = (
    'done = delegate("analyst", "coordinate", "sub")\n'
    'finish(done["answer"] or ask_boss("And now?"))'
)


def test_a_dead_letter_is_released_while_somebody_may_still_use_it(office, boss, play):
    play(the_goal=FRAGILE, sub="finish(1 / 0)")
    goal = running(office, boss)
    work_on(goal)
    child = task_of(goal, "lead.1")
    assert states(goal) == {"lead": "asking", "lead.1": "failed"}
    play(the_goal=FRAGILE, sub='finish("at last")')
    control.rerun(child.pk, boss, "mind the zero")
    assert states(goal) == {"lead": "waiting", "lead.1": "ready"}
    assert not goal.questions.filter(state="open").exists()
    work_on(goal)
    assert (goal.state, goal.answer) == ("done", "at last")


def test_a_dead_letter_for_nobody_is_not_released(office, boss, play):
    play(
        the_goal='finish("Without. " + delegate("analyst", "coordinate", "sub")["answer"])',
        sub="finish(1 / 0)",
    )
    goal = running(office, boss)
    work_on(goal)
    child = task_of(goal, "lead.1")
    with pytest.raises(GoalRefused, match="“Lead” goes on without it"):
        control.release(child.pk, boss)
    play(
        the_goal='finish("Without. " + delegate("analyst", "coordinate", "sub")["answer"])',
        sub='finish("42")',
    )
    control.rerun(task_of(goal, "lead").pk, boss)
    work_on(goal)
    assert goal.answer == "Without. 42"
    assert states(goal) == {"lead": "done", "lead.1": "failed", "lead.2": "done"}
    with pytest.raises(GoalRefused, match="goes on without it"):
        control.rerun(child.pk, boss)


def test_a_failed_goal_is_released_with_what_was_handed_on(office, boss, play):
    play(the_goal="x = delegate('analyst', 'coordinate', 'sub')\nfinish(1 / 0)", sub="finish(1/0)")
    goal = running(office, boss, step("one"), step("two", after=["one"]))
    work_on(goal)
    assert (goal.state, states(goal)["two"]) == ("failed", "cancelled")
    play(the_goal=DELEGATE, sub='finish("y")')
    control.release(task_of(goal, "one.1").pk, boss)
    goal.refresh_from_db()
    assert states(goal) == {"one": "waiting", "two": "waiting", "one.1": "ready"}
    work_on(goal)
    assert goal.state == "done"


def test_cancelling_the_asker_stops_what_only_it_waits_for(office, boss, play):
    play(
        the_goal=(
            'own = delegate("researcher", "coordinate", instruction)\n'
            'done = delegate("analyst", "coordinate", "sub")\nfinish("x")'
        ),
        Mine='finish(ask_boss("Whose?"))',
        Yours='finish("y")',
        sub='finish("z")',
    )
    goal = running(
        office,
        boss,
        step("one", instruction="Mine"),
        step("two", agent_role="writer", instruction="Yours"),
    )
    work_on(goal)
    # "two" has got its own part; "one" waits for a colleague that asks the boss
    assert states(goal)["one"] == "waiting" and states(goal)["one.1"] == "asking"
    control.cancel(task_of(goal, "one").pk, boss)
    goal.refresh_from_db()
    assert states(goal)["one.1"] == "cancelled"
    assert not goal.questions.filter(state="open").exists()
    assert goal.state == "done", "the rest of the goal goes on"


def test_cancelling_one_of_two_askers_leaves_the_work_to_the_other(office, boss, play):
    play(
        the_goal='finish(delegate("analyst", "coordinate", "sub")["answer"])',
        sub='finish("forty-two")',
    )
    goal = running(office, boss, step("one"), step("two", agent_role="writer"))
    work_on(goal, most=2)
    control.cancel(task_of(goal, "one").pk, boss)
    assert states(goal) == {"one": "cancelled", "two": "waiting", "one.1": "ready"}
    work_on(goal)
    assert goal.state == "done" and task_of(goal, "two").answer == "forty-two"


def test_cancelling_handed_on_work_tells_the_asker(office, boss, play):
    play(the_goal='finish(delegate("analyst", "coordinate", "sub")["problem"])', sub='finish("x")')
    goal = running(office, boss)
    work_on(goal, most=1)
    control.cancel(task_of(goal, "lead.1").pk, boss)
    assert states(goal) == {"lead": "ready", "lead.1": "cancelled"}
    work_on(goal)
    assert goal.answer == "Alan was told to stop: Coordinate: sub"


def test_paused_while_a_colleague_works(office, boss, play):
    play(the_goal=DELEGATE, sub='finish("x")')
    goal = running(office, boss)
    work_on(goal, most=1)
    parent = task_of(goal, "lead")
    control.pause(parent.pk, boss)
    work_on(goal)
    assert states(goal) == {"lead": "ready", "lead.1": "done"}
    assert queue.claim("w", 60) is None
    control.resume(parent.pk, boss)
    work_on(goal)
    assert goal.state == "done"


def test_a_whole_goal_paused_while_a_colleague_works(office, boss, play):
    play(the_goal=DELEGATE, sub='finish("x")')
    goal = running(office, boss)
    work_on(goal, most=1)
    goals.pause(goal.pk, boss)
    assert queue.claim("w", 60) is None
    goals.resume(goal.pk, boss)
    goal.refresh_from_db()
    work_on(goal)
    assert goal.state == "done"


def test_work_that_is_sent_back_uses_what_colleagues_did_on_the_same_files(office, boss, play):
    model = play(the_goal=DELEGATE, sub='finish("x")')
    goal = running(office, boss)
    work_on(goal)
    before = len(model.requests)
    control.rerun(task_of(goal, "lead").pk, boss)
    work_on(goal)
    assert (goal.state, set(states(goal))) == ("done", {"lead", "lead.1"})
    assert len(model.requests) == before + 2, "its own two calls, none of the colleague's"


def test_on_other_files_the_colleague_is_asked_anew(office, boss, play):
    play(
        the_goal=(
            'done = delegate("analyst", "coordinate", "sub", inputs, "part.md")\n'
            'write_markdown(output, read_text("part.md"))\nfinish(done["answer"])'
        ),
        sub='write_markdown(output, "!" + read_text(inputs[0]))\nfinish(read_text(inputs[0]))',
    )
    only = step(inputs=["in.txt"], outputs=["out.md"])
    goal = running(office, boss, only, files={"in.txt": b"one"}, autonomy="act")
    work_on(goal)
    assert (goal.state, goal.answer) == ("done", "one")
    dispatch.folder_of(goal).write("in.txt", b"two")
    goal.artifacts.filter(name="in.txt").update(sha256="of two")
    control.rerun(task_of(goal, "lead").pk, boss)
    work_on(goal)
    assert (goal.state, goal.answer) == ("done", "two")
    assert set(states(goal)) == {"lead", "lead.1", "lead.2"}
    assert dispatch.folder_of(goal).read("part.md") == b"!two"


# Budgets


def test_a_colleague_uses_only_what_remains(office, boss, play):
    play(the_goal=DELEGATE, sub='finish(draft("a b c"))')
    goal = running(office, boss, token_budget=100_000, second_budget=1000, step_budget=50)
    work_on(goal)
    budget = Budget.objects.get(pk=goal.budget_id)
    part = Budget.objects.get(task__key="lead.1")
    assert (part.parent_id, part.token_cap, part.depth_cap) == (budget.pk, None, 2)
    calls = ModelCall.objects.filter(goal=goal)
    own = calls.filter(task__key="lead.1")
    assert part.tokens_used == sum(c.prompt_tokens + c.completion_tokens for c in own)
    assert budget.tokens_used == sum(c.prompt_tokens + c.completion_tokens for c in calls)
    assert (part.steps_used, budget.steps_used) == (own.count(), calls.count() + 1)
    assert (budget.tokens_reserved, part.tokens_reserved) == (0, 0)


def test_steps_that_are_spent_ask_the_boss_before_anything_is_handed_on(office, boss, play):
    play(the_goal=DELEGATE, sub='finish("x")')
    goal = running(office, boss, step_budget=1)
    work_on(goal)
    assert states(goal) == {"lead": "asking"}
    question = asked(goal)
    assert (question.kind, "1 steps" in question.text) == ("budget", True)
    with pytest.raises(GoalRefused, match="raise the budget"):
        dispatch.answer(question.pk, boss, "yes")
    dispatch.raise_budget(goal.pk, boss, token_budget=None, second_budget=None, step_budget=2)
    work_on(goal)
    assert states(goal) == {"lead": "waiting", "lead.1": "asking"}, "a step to hand on, none to do"
    dispatch.raise_budget(goal.pk, boss, token_budget=None, second_budget=None, step_budget=4)
    work_on(goal)
    assert goal.state == "done"
    assert Budget.objects.get(pk=goal.budget_id).steps_used == 4


def test_a_goal_hands_on_only_so_much(office, boss, play, monkeypatch):
    monkeypatch.setattr(rules, "MOST", 3)
    play(
        the_goal=(
            'for n in range(9):\n    delegate("analyst", "coordinate", f"sub{n}")\nfinish("x")'
        ),
        **{f"sub{n}": 'finish("y")' for n in range(9)},
    )
    goal = running(office, boss)
    work_on(goal)
    assert "3 pieces of this goal" in events(goal, "program.failed")[0]["error"]
    assert len(states(goal)) == 1 + 3


# The lead


def test_the_lead_answers(office, boss, play):
    play(
        the_goal='finish("Ada says " + ask_lead("How many are there?"))',
        **{"How many are there?": 'finish("Seven.")'},
    )
    goal = running(office, boss, step(agent_role="analyst"))
    work_on(goal)
    child = task_of(goal, "lead.1")
    assert (child.agent.name, child.skill) == ("Ada", "answer-question")
    assert (goal.state, goal.answer) == ("done", "Ada says Seven.")


def test_without_a_lead_the_boss_is_asked(office, boss, play):
    play(the_goal='finish(ask_lead("How many are there?"))')
    goal = running(office, boss)  # Ada has no lead
    work_on(goal)
    assert asked(goal).text == "How many are there?"
    dispatch.answer(asked(goal).pk, boss, "Nine.")
    work_on(goal)
    assert goal.answer == "Nine."


def test_a_lead_that_cannot_answer_leaves_it_to_the_boss(office, boss, play):
    play(the_goal='finish(ask_lead("How many are there?"))')
    goal = running(office, boss, step(agent_role="analyst"))
    work_on(goal, most=1)
    control.cancel(task_of(goal, "lead.1").pk, boss)
    work_on(goal)
    dispatch.answer(asked(goal).pk, boss, "Nine.")
    work_on(goal)
    assert goal.answer == "Nine."


def test_an_agent_that_may_not_hand_on_does_not(office, boss, play):
    Agent.objects.filter(workspace=office, role="assistant").update(
        tools=["finish", "draft", "colleague"]
    )
    play(the_goal='x = colleague("coordinate")\ndelegate("analyst", "coordinate", x + "sub")')
    goal = running(office, boss)
    work_on(goal, most=1)
    assert "Ada may not use delegate" in events(goal, "program.failed")[0]["error"]


# What ships


def test_a_long_table_among_documents_is_handed_to_the_analyst(office, boss, play):
    play()
    summary = step(
        "sum",
        skill="summarise-documents",
        agent_role="researcher",
        inputs=["notes.txt", "sales.csv"],
        outputs=["summary.md"],
    )
    files = {"notes.txt": b"The shop was closed in May.\n", "sales.csv": SALES}
    goal = running(office, boss, summary, text="Units per region?", files=files)
    work_on(goal, most=1)
    child = task_of(goal, "sum.1")
    assert (child.skill, child.agent.role, child.inputs) == (
        "analyse-table",
        "analyst",
        ["sales.csv"],
    )
    work_on(goal)
    assert goal.state == "done"
    page = dispatch.folder_of(goal).read("summary.md").decode()
    assert "**sales.csv**: sum of units by region, highest first: N: 420; S: 400." in page


def test_two_tables_that_differ_are_a_question_for_the_boss(office, boss, play):
    model = play()
    files = {"sales.csv": SALES, "staff.csv": b"region,people\nN,4\nS,7\n"}
    analyse = step(
        "look",
        skill="analyse-table",
        agent_role="analyst",
        inputs=list(files),
        outputs=["analysis.csv"],
    )
    goal = running(office, boss, analyse, text="Sum per region", files=files)
    work_on(goal)
    assert asked(goal).options == ["sales.csv", "staff.csv"]
    assert asked(goal).text == "Which of the tables is this about: Sum per region"
    dispatch.answer(asked(goal).pk, boss, "staff.csv")
    work_on(goal)
    assert (goal.state, goal.answer) == (
        "done",
        "sum of people by region, highest first: S: 7; N: 4.",
    )
    assert model.requests == []


# Two workers at once


def test_two_workers_hand_on_the_same_work_at_the_same_moment(office, boss, play):
    play(
        the_goal='finish(delegate("analyst", "coordinate", "sub")["answer"])',
        sub='finish("forty-two")',
    )
    steps = [step(f"s{n}", agent_role=role) for n, role in enumerate(["writer", "reviewer"])]
    goal = running(office, boss, *steps)
    start = threading.Barrier(2)

    def work(name):
        try:
            held = queue.claim(name, 60)
            start.wait(10)
            execution.carry_out(held)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(states(goal).values()) == ["ready", "waiting", "waiting"]
    work_on(goal)
    assert goal.state == "done" and len(states(goal)) == 3
