import pytest

from staff.actions import goals, planning, queue, recovery, tasks
from staff.domain.lifecycle import GoalState, IllegalTransition, TaskState
from staff.domain.retries import BACKOFF_S, FailureKind
from staff.models import Event, Goal, Outbox, Task

BODY = {
    "source": "playbook:test",
    "summary": "",
    "steps": [
        {
            "key": "read",
            "title": "Read",
            "skill": "extract-records",
            "agent_role": "analyst",
            "instruction": "",
            "after": [],
            "inputs": [],
            "outputs": ["records.csv"],
            "reviews": None,
        },
        {
            "key": "write",
            "title": "Write",
            "skill": "write-report",
            "agent_role": "writer",
            "instruction": "",
            "after": ["read"],
            "inputs": ["records.csv"],
            "outputs": ["summary.md"],
            "reviews": None,
        },
        {
            "key": "review",
            "title": "Review",
            "skill": "review",
            "agent_role": "reviewer",
            "instruction": "",
            "after": ["write"],
            "inputs": ["summary.md"],
            "outputs": [],
            "reviews": "write",
        },
    ],
}


@pytest.fixture
def goal(office, boss):
    return goals.create(office, boss, "Total these invoices")


@pytest.fixture
def running(goal, boss):
    fence = planning.claim(goal.pk, 60)
    assert planning.propose(goal.pk, fence, [planning.RankedPlan(BODY, 1.0, "fits")])
    goals.approve_plan(goal.pk, boss)
    goal.refresh_from_db()
    return goal


def task_of(goal, key):
    return Task.objects.get(goal=goal, key=key)


def states(goal):
    return {task.key: task.state for task in Task.objects.filter(goal=goal)}


def do(goal, key, answer="", review=None):
    held = queue.claim("w", 60, task_of(goal, key).pk)
    assert held is not None
    tasks.complete(held, answer, review)


def fail_for_good(held, reason):
    """Fail a task as often as it takes."""
    for _ in BACKOFF_S[FailureKind.MODEL]:
        tasks.fail(held, reason, FailureKind.MODEL)
        held = queue.claim("w", 60, held.task_id)
    tasks.fail(held, reason, FailureKind.MODEL)


def test_a_goal_is_written_with_its_event_and_its_nudge(goal):
    assert list(Event.objects.filter(goal=goal).values_list("seq", "kind")) == [(1, "goal.created")]
    nudge = Outbox.objects.get()
    assert (nudge.job, nudge.subject_id) == ("plan_goal", goal.pk)


def test_an_empty_goal_is_refused_and_leaves_nothing(office, boss):
    with pytest.raises(goals.GoalRefused, match="empty"):
        goals.create(office, boss, "  \n ")
    assert not Goal.objects.exists() and not Outbox.objects.exists()


def test_planning_is_claimed_once(goal):
    assert planning.claim(goal.pk, 60) == 1
    assert planning.claim(goal.pk, 60) is None


def test_a_stale_planner_proposes_nothing(goal):
    stale = planning.claim(goal.pk, -1)  # its lease is over at once
    assert planning.claim(goal.pk, 60) == stale + 1
    assert planning.propose(goal.pk, stale, [planning.RankedPlan(BODY, 1.0, "")]) is False


def test_the_policy_to_act_adopts_the_best_plan(office, boss):
    goal = goals.create(office, boss, "Do it", autonomy=Goal.Autonomy.ACT)
    fence = planning.claim(goal.pk, 60)
    planning.propose(goal.pk, fence, [planning.RankedPlan(BODY, 1.0, "")])
    goal.refresh_from_db()
    assert goal.state == GoalState.RUNNING


def test_tasks_unblock_in_order_and_the_goal_ends_with_the_last_answer(running):
    assert states(running) == {"read": "ready", "write": "waiting", "review": "waiting"}
    do(running, "read")
    assert states(running)["write"] == TaskState.READY
    do(running, "write", answer="In all: 42")
    do(running, "review", answer="fine", review={"accepted": True, "reasons": []})
    running.refresh_from_db()
    assert (running.state, running.answer) == (GoalState.DONE, "In all: 42")
    assert running.ended_at is not None


def test_the_reviewer_sends_work_back_once(running):
    objection = {"accepted": False, "reasons": ["no total"]}
    do(running, "read")
    do(running, "write", answer="first")
    do(running, "review", review=objection)
    write = task_of(running, "write")
    assert (write.state, write.revision, write.reasons) == (TaskState.READY, 1, ["no total"])
    do(running, "write", answer="second")
    do(running, "review", review=objection)
    running.refresh_from_db()
    assert (running.state, running.answer) == (GoalState.DONE, "second")
    assert Event.objects.filter(goal=running, kind="review.objections").exists()


def test_a_task_is_claimed_once_and_a_stale_fence_changes_nothing(running):
    task = task_of(running, "read")
    first = queue.claim("w1", -1, task.pk)
    assert queue.claim("w2", 60, task.pk) is None
    assert recovery.reap() == 1
    second = queue.claim("w2", 60, task.pk)
    with pytest.raises(queue.StaleFence):
        tasks.complete(first, "too late")
    assert task_of(running, "read").state == TaskState.RUNNING
    tasks.complete(second, "in time")
    assert task_of(running, "read").answer == "in time"


def test_an_unknown_task_is_ignored(db):
    assert queue.claim("w", 60, 987654) is None


def test_attempts_end_and_the_goal_says_why(running):
    for attempt in range(3):
        held = queue.claim("w", 60, task_of(running, "read").pk)
        tasks.fail(held, "no such column", FailureKind.MODEL)
        assert task_of(running, "read").attempts_made == attempt + 1
    running.refresh_from_db()
    assert running.state == GoalState.FAILED
    assert "no such column" in running.failure
    assert states(running) == {"read": "failed", "write": "cancelled", "review": "cancelled"}


def test_a_failed_goal_is_taken_up_where_it_stopped(running, boss):
    do(running, "read")
    held = queue.claim("w", 60, task_of(running, "write").pk)
    fail_for_good(held, "bad luck")
    goals.retry(running.pk, boss)
    assert states(running) == {"read": "done", "write": "ready", "review": "waiting"}


def test_cancel_ends_open_work_and_fences_off_its_attempts(running, boss):
    held = queue.claim("w", 60, task_of(running, "read").pk)
    goals.cancel(running.pk, boss)
    assert queue.renew(held, 60) is False
    with pytest.raises(queue.StaleFence):
        tasks.complete(held, "")
    with pytest.raises(IllegalTransition):
        goals.cancel(running.pk, boss)


def test_pause_holds_the_work_and_resume_nudges_it(running, boss):
    goals.pause(running.pk, boss)
    task = task_of(running, "read")
    assert queue.claim("w", 60, task.pk) is None
    Outbox.objects.all().delete()
    goals.resume(running.pk, boss)
    nudge = Outbox.objects.get()
    assert (nudge.job, nudge.subject_id) == ("run_task", task.pk)
    assert queue.claim("w", 60, task.pk) is not None


def test_an_approval_binds_the_task_until_the_boss_decides(running, boss):
    task = task_of(running, "read")
    held = queue.claim("w", 60, task.pk)
    tasks.ask(held, "overwrite invoice.pdf", "d" * 64)
    assert task_of(running, "read").state == TaskState.ASKING
    approval = running.approvals.get()
    tasks.decide(approval.pk, boss, granted=False, note="keep my file")
    again = task_of(running, "read")
    assert (again.state, again.reasons) == (TaskState.READY, ["keep my file"])
    with pytest.raises(goals.GoalRefused):
        tasks.decide(approval.pk, boss, granted=True)


def test_events_are_numbered_without_gaps(running, boss):
    do(running, "read")
    goals.pause(running.pk, boss)
    numbers = list(Event.objects.filter(goal=running).values_list("seq", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))


def test_rejected_plans_are_planned_again(goal, boss):
    fence = planning.claim(goal.pk, 60)
    planning.propose(goal.pk, fence, [planning.RankedPlan(BODY, 1.0, "")])
    goals.reject_plans(goal.pk, boss, "no review, please")
    goal.refresh_from_db()
    assert goal.state == GoalState.PLANNING
    assert planning.claim(goal.pk, 60) == fence + 1


def test_only_an_ended_goal_is_rated(running, boss):
    with pytest.raises(goals.GoalRefused):
        goals.rate(running.pk, boss, 5)
    goals.cancel(running.pk, boss)
    goals.rate(running.pk, boss, 2, "too slow")
    running.refresh_from_db()
    assert (running.rating, running.rating_note) == (2, "too slow")
    with pytest.raises(goals.GoalRefused):
        goals.rate(running.pk, boss, 6)
