"""One goal's way through the house, in process: real database and files, a scripted model."""

from __future__ import annotations

import json

import pytest
from django.db import OperationalError

from orchestrator import dispatch, execution, runtime
from orchestrator.agent.program import Cancelled
from orchestrator.inference.base import ModelUnavailable
from orchestrator.inference.scripted import ScriptedModel
from staff.actions import goals, planning, tasks
from staff.domain.lifecycle import GoalState, TaskState
from staff.models import Budget, Effect, Event, Goal, ModelCall, Outbox, Task

TABLE = b"vendor,total\nBirch,10.50\nCedar,4\nBirch,2\n"
PROGRAM = """```python
rows = read_table(inputs[0])
write_csv(output, sum_by(rows, by="vendor", value="total"))
finish("Two vendors.")
```"""
STEP = {
    "key": "sum",
    "title": "Sum up",
    "skill": "total-by-group",
    "agent_role": "analyst",
    "instruction": "Add up what each one asks for",
    "after": [],
    "inputs": ["bills.csv"],
    "outputs": ["sums.csv"],
    "reviews": None,
}


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.GOALS_DIR = tmp_path / "goals"


@pytest.fixture
def model(monkeypatch):
    """Scripted answers; each test says which."""
    scripted = ScriptedModel(lambda request: PROGRAM)
    monkeypatch.setattr(runtime, "chat_model", lambda name="": scripted)
    return scripted


def given(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    return dispatch.GivenFile(name, path.open("rb"), len(content))


@pytest.fixture
def goal(office, boss, tmp_path):
    return dispatch.submit_goal(office, boss, "Sum these", [given("bills.csv", TABLE, tmp_path)])


def adopt(goal, boss, *steps):
    fence = planning.claim(goal.pk, 60)
    body = {"steps": list(steps or (STEP,)), "source": "model", "summary": ""}
    planning.propose(goal.pk, fence, [planning.RankedPlan(body, 1.0, "")])
    goals.approve_plan(goal.pk, boss)
    return Task.objects.get(goal=goal, position=0)


def kinds(goal):
    return list(Event.objects.filter(goal=goal).values_list("kind", flat=True))


@pytest.mark.django_db(transaction=True)
def test_planning_proposes_checked_plans(goal, model):
    model._answers = lambda request: json.dumps(
        {"steps": [{"skill": "analyse-table", "do": "sum per vendor"}]}
    )
    execution.plan_goal(goal.pk)
    goal.refresh_from_db()
    assert goal.state == GoalState.PROPOSED, goal.failure
    best = goal.plans.get(rank=0)
    assert best.body["steps"][0]["inputs"] == ["bills.csv"]
    assert best.why


@pytest.mark.django_db(transaction=True)
def test_a_file_that_cannot_be_read_is_named_and_the_others_go_on(office, boss, model, tmp_path):
    model._answers = lambda request: json.dumps(
        {"steps": [{"skill": "analyse-table", "do": "sum"}]}
    )
    goal = dispatch.submit_goal(
        office,
        boss,
        "Sum these",
        [
            given("bills.csv", TABLE, tmp_path),
            given("broken.pdf", b"%PDF-1.7 nothing in it", tmp_path),
            given("empty.txt", b"", tmp_path),
        ],
    )
    execution.plan_goal(goal.pk)
    problems = dict(goal.artifacts.exclude(problem="").values_list("name", "problem"))
    assert set(problems) == {"broken.pdf", "empty.txt"}
    assert goal.plans.get(rank=0).body["steps"][0]["inputs"] == ["bills.csv"]


@pytest.mark.django_db(transaction=True)
def test_a_task_ends_with_its_file_and_its_evidence(goal, boss, model):
    task = adopt(goal, boss)
    execution.run_task(task.pk, "w")
    goal.refresh_from_db()
    assert (goal.state, goal.answer) == (GoalState.DONE, "Two vendors.")
    made = goal.artifacts.get(name="sums.csv")
    text = dispatch.folder_of(goal).read("sums.csv").decode("utf-8-sig")
    assert "Birch" in text and "12.50" in text.replace("12.5,", "12.50,")
    assert made.size_bytes == len(dispatch.folder_of(goal).read("sums.csv"))
    assert goal.budget.tokens_used > 0
    order = kinds(goal)
    assert order.index("effects.intended") < order.index("effect.committed")
    assert order.index("effect.committed") < order.index("task.done")


@pytest.mark.django_db(transaction=True)
def test_an_error_goes_back_once_and_then_the_skill_runs_as_written(goal, boss, model):
    model._answers = lambda request: "```python\nrows = read_tabel(inputs[0])\n```"
    task = adopt(goal, boss)
    execution.run_task(task.pk, "w")
    written = Event.objects.filter(goal=goal, kind="program.written")
    assert [event.data["origin"] for event in written][:3] == ["model", "repair", "skill"]
    errors = Event.objects.filter(goal=goal, kind="program.failed")
    assert "read_table" in errors[0].data["error"]


@pytest.mark.django_db(transaction=True)
def test_what_was_asked_before_is_replayed_not_sampled(goal, boss, model, monkeypatch):
    task = adopt(goal, boss)
    monkeypatch.setattr(tasks, "intend", lambda *_: 1 / 0)  # dies after the model has answered
    execution.run_task(task.pk, "w")
    assert len(model.requests) == 1
    monkeypatch.undo()
    monkeypatch.setattr(runtime, "chat_model", lambda name="": model)
    Task.objects.filter(pk=task.pk).update(not_before=None)
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert task.state == TaskState.DONE
    assert len(model.requests) == 1 and ModelCall.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_crash_between_two_effects_goes_on_at_the_second(goal, boss, model, monkeypatch):
    task = adopt(goal, boss)
    commits = []

    def commit_once(effect, files):
        commits.append(effect.tool)
        if len(commits) == 2:
            raise RuntimeError("power cut")
        return real(effect, files)

    real = execution.registry.commit
    monkeypatch.setattr(execution.registry, "commit", commit_once)
    execution.run_task(task.pk, "w")
    assert Effect.objects.exclude(committed_at=None).count() == 1
    monkeypatch.setattr(execution.registry, "commit", real)
    Task.objects.filter(pk=task.pk).update(not_before=None)
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert task.state == TaskState.DONE
    assert commits == ["write_csv", "finish"]
    assert kinds(goal).count("artifact.made") == 1


@pytest.mark.django_db(transaction=True)
def test_replacing_the_boss_s_file_asks_and_binds_exactly_these_effects(goal, boss, model):
    model._answers = lambda request: PROGRAM.replace(
        "finish(", 'write_csv("bills.csv", rows)\nfinish('
    )
    task = adopt(goal, boss)
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert task.state == TaskState.ASKING
    assert dispatch.folder_of(goal).read("bills.csv") == TABLE
    approval = goal.approvals.get()
    assert "replace your file bills.csv" in approval.reason
    dispatch.approve(goal.pk, boss, approval_id=approval.pk)
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert task.state == TaskState.DONE
    assert dispatch.folder_of(goal).read("bills.csv") != TABLE


@pytest.mark.django_db(transaction=True)
def test_a_spent_budget_asks_the_boss_who_raises_it_and_the_task_goes_on(goal, boss, model):
    Budget.objects.filter(pk=goal.budget_id).update(token_cap=10, tokens_used=10)
    task = adopt(goal, boss)
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert task.state == TaskState.ASKING
    question = goal.questions.get()
    assert "10 tokens" in question.text and "Raise it" in question.text
    assert model.requests == []
    dispatch.raise_budget(goal.pk, boss, token_budget=100_000, second_budget=None)
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert task.state == TaskState.DONE


@pytest.mark.django_db(transaction=True)
def test_a_missing_model_is_told_with_its_command(goal, monkeypatch):
    def missing(name=""):
        raise ModelUnavailable("m is not here. Fetch it with: python manage.py models pull m")

    monkeypatch.setattr(runtime, "chat_model", missing)
    execution.plan_goal(goal.pk)
    goal.refresh_from_db()
    assert goal.state == GoalState.FAILED and "models pull m" in goal.failure


@pytest.mark.django_db(transaction=True)
def test_cancel_in_mid_answer_stops_the_work(goal, boss, model, monkeypatch):
    task = adopt(goal, boss)

    def answer(request):
        goals.cancel(goal.pk, boss)
        return PROGRAM

    model._answers = answer
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert task.state == TaskState.CANCELLED
    assert not Effect.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_program_that_was_interrupted_is_handed_back_and_not_counted(
    goal, boss, model, monkeypatch
):
    def interrupted(*_):
        raise Cancelled("the work was stopped")
        yield

    task = adopt(goal, boss)
    monkeypatch.setattr(execution.loop, "act", interrupted)
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert (task.state, task.attempts_made, task.failure) == (TaskState.READY, 0, "")


@pytest.mark.django_db(transaction=True)
def test_a_goal_cancelled_while_its_model_fails_stays_cancelled(goal, boss, model):
    task = adopt(goal, boss)

    def fail(request):
        goals.cancel(goal.pk, boss)
        raise ModelUnavailable("gone")

    model._answers = fail
    execution.run_task(task.pk, "w")
    goal.refresh_from_db()
    assert goal.state == GoalState.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_evidence_that_is_missing_is_a_lesson_for_the_next_attempt(goal, boss, model, monkeypatch):
    task = adopt(goal, boss)
    monkeypatch.setattr(execution.evidence, "check", lambda *_: ["sums.csv is empty"])
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert (task.state, task.revision, task.reasons) == ("ready", 1, ["sums.csv is empty"])
    assert Outbox.objects.filter(job="run_task", subject_id=task.pk).exists()


def test_names_are_made_safe_and_kept_apart(office, boss, tmp_path):
    files = [given("a.csv", TABLE, tmp_path), given("A.csv", b"x", tmp_path)]
    files.append(dispatch.GivenFile("../../etc/passwd", (tmp_path / "a.csv").open("rb"), 5))
    goal = dispatch.submit_goal(office, boss, "x", files)
    names = sorted(goal.artifacts.values_list("name", flat=True))
    assert names == ["A (2).csv", "a.csv", "passwd"]


def test_a_file_that_is_too_large_is_named_and_not_kept(office, boss, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.intake.MAX_FILE_BYTES", 2**20)
    big = given("big.txt", b"x" * (2**20 + 1), tmp_path)
    goal = dispatch.submit_goal(office, boss, "x", [big, given("a.csv", TABLE, tmp_path)])
    problems = dict(goal.artifacts.values_list("name", "problem"))
    assert "larger than 1 MB" in problems["big.txt"] and problems["a.csv"] == ""
    assert [entry.name for entry in dispatch.folder_of(goal).list()] == ["a.csv"]


def test_a_full_disk_refuses_the_goal_and_leaves_nothing(office, boss, tmp_path, monkeypatch):
    def full(self, name, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dispatch.GoalFolder, "write", full)
    with pytest.raises(goals.GoalRefused, match="disk space"):
        dispatch.submit_goal(office, boss, "x", [given("a.csv", TABLE, tmp_path)])
    assert not Goal.objects.exists() and not Outbox.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_task_during_which_the_database_went_away_goes_on_when_it_is_back(
    goal, boss, model, monkeypatch
):
    task = adopt(goal, boss)
    monkeypatch.setattr(execution.heartbeat, "start", lambda: None)

    def away(*_):
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as database:
        database.setattr(tasks, "intend", away)
        database.setattr(tasks, "fail", away)
        execution.run_task(task.pk, "w")
        task.refresh_from_db()
        assert task.state == TaskState.RUNNING
    execution.heartbeat._settle_what_is_owed()
    task.refresh_from_db()
    assert (task.state, task.failures) == (TaskState.READY, {"node": 1})
    execution.run_task(task.pk, "w")
    task.refresh_from_db()
    assert task.state == TaskState.DONE and len(model.requests) == 1
