import threading
from copy import copy
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from staff.actions import control, goals, nodes, outbox, planning, queue, recovery, streams, tasks
from staff.domain.lifecycle import AttemptState, GoalState, TaskState
from staff.domain.retries import BACKOFF_S, FailureKind
from staff.models import Agent, Attempt, Event, Goal, Node, Outbox, Task
from tests.steps import states, step, task_of


def test_the_most_pressing_task_is_claimed_first(give):
    low = give(step("a"), priority=0)
    urgent = give(step("a"), priority=3)
    due = give(step("a"), priority=0, deadline_at=timezone.now() + timedelta(minutes=1))
    order = [queue.claim("w", 60).goal_id for _ in range(3)]
    assert order == [due.pk, urgent.pk, low.pk]
    assert queue.claim("w", 60) is None


def test_a_large_goal_shares_the_staff_with_a_small_one(give):
    large = give(*(step(f"s{n}") for n in range(12)))
    small = give(step("a"))
    order = [queue.claim("w", 60).goal_id for _ in range(4)]
    assert order.count(small.pk) == 1 and order[0] == large.pk


def test_the_place_in_the_queue_is_known(give):
    first, second = give(step("a")), give(step("a"))
    assert queue.places(first.pk) == {task_of(first, "a").pk: 1}
    assert queue.places(second.pk) == {task_of(second, "a").pk: 2}
    queue.claim("w", 60)
    assert queue.places(second.pk) == {task_of(second, "a").pk: 1}
    assert queue.places(first.pk) == {}


def test_a_claim_reads_the_front_of_the_line_though_nobody_expected_so_long_a_one(give):
    """A planner with old statistics takes a long line for a short one, and would read all of it to
    join and sort; here one that is told to join so."""
    line = []
    for goal in [give(step("a")) for _ in range(10)]:
        like = task_of(goal, "a")
        for n in range(300):
            task = copy(like)
            task.pk, task.key, task.start_by = None, f"s{n}", like.start_by + timedelta(seconds=n)
            line.append(task)
    Task.objects.bulk_create(line)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
        asked = {"worker": "w", "lease": 60, "task": None}
        cursor.execute(f"EXPLAIN {queue.CLAIM}", asked)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "ready_tasks" in plan and "Sort" not in plan, plan


def test_an_agent_works_on_no_more_than_it_may(give, office):
    Agent.objects.filter(workspace=office, role="writer").update(concurrency=1)
    goal = give(step("a"), step("b"))
    held = queue.claim("w", 60)
    assert held is not None and queue.claim("w", 60) is None
    tasks.complete(held, "")
    assert queue.claim("w", 60).goal_id == goal.pk


def test_a_node_takes_no_more_than_its_slots_and_nothing_while_it_drains(give):
    give(step("a"), step("b"))
    nodes.register("w", threads=8)
    nodes.limit("w", slots=1)
    held = queue.claim("w", 60)
    assert held is not None and queue.claim("w", 60) is None
    assert queue.claim("other", 60) is not None
    tasks.complete(held, "")
    nodes.limit("w", is_draining=True)
    give(step("c"))
    assert queue.claim("w", 60) is None
    nodes.register("w", threads=4)  # a restart keeps what the admin set
    assert Node.objects.get(name="w").is_draining


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_take_each_task_once(give):
    goal = give(*(step(f"s{n}") for n in range(12)))
    taken, lock = [], threading.Lock()

    def work(name):
        try:
            while (held := queue.claim(name, 60)) is not None:
                with lock:
                    taken.append(held.task_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(Task.objects.filter(goal=goal).values_list("pk", flat=True))
    assert Attempt.objects.count() == 12


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_keep_an_agent_s_limit(give, office):
    Agent.objects.filter(workspace=office, role="writer").update(concurrency=2)
    for _ in range(6):
        give(step("a"), step("b"))
    taken, lock = [], threading.Lock()

    def work(name):
        try:
            held = queue.claim(name, 60)
            with lock:
                taken.append(held)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Task.objects.filter(state=TaskState.RUNNING).count() == 2
    assert sum(held is not None for held in taken) == 2


def test_a_lease_that_ran_out_is_reaped_and_its_late_writes_are_refused(give):
    goal = give(step("a"))
    late = queue.claim("w1", -1)
    assert recovery.reap() == 1
    assert Attempt.objects.get(task_id=late.task_id).state == AttemptState.LOST
    again = queue.claim("w2", 60)
    for write in (
        lambda: tasks.tell(late),
        lambda: tasks.intend(late, [], []),
        lambda: tasks.ask(late, "may I?", ""),
        lambda: tasks.complete(late, ""),
        lambda: tasks.fail(late, "", FailureKind.OURS),
    ):
        with pytest.raises(queue.StaleFence), transaction.atomic():
            write()
    queue.hand_back(late)  # no error, and no effect
    tasks.complete(again, "in time")
    goal.refresh_from_db()
    assert goal.state == GoalState.DONE
    assert not Event.objects.filter(goal=goal, kind="effects.intended").exists()


def test_a_worker_that_starts_takes_back_what_its_name_held(give):
    give(step("a"), step("b"))
    mine, other = queue.claim("staff@1", 60), queue.claim("staff@2", 60)
    assert recovery.reap(worker="staff@1") == 1
    assert not queue.holds(mine) and queue.holds(other)


def test_work_that_was_lost_goes_on_before_what_came_later(give):
    begun = give(step("a"))
    queue.claim("w", -1)
    urgent, later = give(step("a"), priority=3), give(step("a"))
    recovery.reap()
    order = [queue.claim("w", 60).goal_id for _ in range(3)]
    assert order == [urgent.pk, begun.pk, later.pk]


def test_a_poison_task_is_stopped_and_the_boss_is_told(give):
    goal = give(step("a"), step("b"))
    for _ in range(len(BACKOFF_S[FailureKind.NODE]) + 1):
        Task.objects.filter(key="a").update(not_before=None)
        queue.claim("w", -1, task_of(goal, "a").pk)
        recovery.reap()
    goal.refresh_from_db()
    assert states(goal) == {"a": TaskState.FAILED, "b": TaskState.CANCELLED}
    assert goal.state == GoalState.FAILED and "workers died" in goal.failure


def test_a_lease_that_was_renewed_in_time_is_not_reaped(give, monkeypatch):
    give(step("a"))
    held = queue.claim("w", -1)
    reap_one = recovery._reap_one

    def renewed_meanwhile(*found):
        queue.renew(held, 60)
        return reap_one(*found)

    monkeypatch.setattr(recovery, "_reap_one", renewed_meanwhile)
    assert recovery.reap() == 0
    assert queue.holds(held)


@pytest.mark.django_db(transaction=True)
def test_a_goal_that_is_locked_keeps_the_reaper_from_no_other(give):
    first, second = give(step("a")), give(step("a"))
    held = [queue.claim("w", -1), queue.claim("w", -1)]
    locked, enough = threading.Event(), threading.Event()

    def freeze():
        with transaction.atomic():
            streams.lock_goal(first.pk)
            locked.set()
            enough.wait(10)
        connection.close()

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        assert locked.wait(10)
        assert recovery.reap() == 1
        assert [queue.holds(claim) for claim in held] == [True, False]
    finally:
        enough.set()
        thread.join()
    assert recovery.reap() == 1 and states(second)["a"] == TaskState.READY


@pytest.mark.parametrize("kind", FailureKind)
def test_each_kind_of_failure_has_its_own_tries(give, kind):
    goal = give(step("a"))
    for wait_s in BACKOFF_S[kind]:
        held = queue.claim("w", 60)
        tasks.fail(held, "no luck", kind)
        task = task_of(goal, "a")
        assert task.state == TaskState.READY
        assert (task.not_before is None) == (wait_s == 0)
        if wait_s:
            assert queue.claim("w", 60) is None
            assert Outbox.objects.get(subject_id=task.pk).due_at == task.not_before
        Task.objects.update(not_before=None)
    tasks.fail(queue.claim("w", 60), "no luck", kind)
    goal.refresh_from_db()
    assert (goal.state, goal.failure) == (GoalState.FAILED, "A: no luck")
    assert Attempt.objects.filter(failure_kind=kind).count() == len(BACKOFF_S[kind]) + 1


def test_kinds_of_failure_are_counted_apart(give):
    goal = give(step("a"))
    for kind in (FailureKind.OURS, FailureKind.TOOL, FailureKind.OURS, FailureKind.TOOL):
        tasks.fail(queue.claim("w", 60), "", kind)
        Task.objects.update(not_before=None)
    assert task_of(goal, "a").state == TaskState.READY


def test_a_nudge_is_sent_once_and_again_only_when_nobody_looked(give):
    goal = give(step("a"))
    task = task_of(goal, "a")
    assert outbox.take_due(10) == [("run_task", task.pk)]
    assert outbox.take_due(10) == []
    Outbox.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert outbox.take_due(10) == [("run_task", task.pk)]
    queue.claim("w", 60)
    assert not Outbox.objects.filter(job="run_task").exists()


def test_a_nudge_that_found_nothing_to_do_is_put_off_while_the_task_waits(give):
    goal = give(step("a"))
    task = task_of(goal, "a")
    outbox.take_due(10)
    queue.settle_nudge(task.pk)
    kept = Outbox.objects.get(subject_id=task.pk)
    assert kept.sent_at is None and kept.due_at > timezone.now()
    goals.cancel(goal.pk, goal.boss)
    queue.settle_nudge(task.pk)
    assert not Outbox.objects.filter(job="run_task").exists()


def test_no_more_nudges_are_under_way_than_the_window(give):
    give(*(step(f"s{n}") for n in range(8)))
    assert len(outbox.take_due(3)) == 3
    assert outbox.take_due(3) == []
    first = Outbox.objects.exclude(sent_at=None).first()
    outbox.settle(first.job, first.subject_id)
    assert len(outbox.take_due(3)) == 1


def test_nudges_go_out_in_the_order_of_the_queue(give):
    low = give(step("a"), priority=0)
    urgent = give(step("a"), priority=3)
    assert [subject for _, subject in outbox.take_due(5)] == [
        task_of(urgent, "a").pk,
        task_of(low, "a").pk,
    ]


def test_planning_is_held_by_one_and_reaped(office, boss):
    goal = goals.create(office, boss, "Plan this")
    fence = planning.claim(goal.pk, -1)
    assert planning.reap() == 1
    again = planning.claim(goal.pk, 60)
    assert again == fence + 1
    with pytest.raises(queue.StaleFence), transaction.atomic():
        planning.tell(goal.pk, fence)
    assert not planning.renew(goal.pk, fence, 60) and planning.renew(goal.pk, again, 60)


def test_a_paused_task_is_held_back_alone(give, boss):
    goal = give(step("a"), step("b"))
    running = queue.claim("w", 60, task_of(goal, "a").pk)
    control.pause(running.task_id, boss)
    assert not queue.holds(running)
    queue.hand_back(running)
    assert queue.claim("w", 60).task_id == task_of(goal, "b").pk
    assert queue.claim("w", 60) is None
    control.resume(running.task_id, boss)
    assert queue.claim("w", 60).task_id == running.task_id
    with pytest.raises(goals.GoalRefused):
        control.resume(running.task_id, boss)


def test_a_cancelled_task_takes_its_successors_with_it_and_the_rest_goes_on(give, boss):
    goal = give(step("a"), step("b", "a"), step("c"))
    held = queue.claim("w", 60, task_of(goal, "a").pk)
    control.cancel(held.task_id, boss)
    assert states(goal) == {"a": "cancelled", "b": "cancelled", "c": "ready"}
    with pytest.raises(queue.StaleFence):
        tasks.complete(held, "")
    tasks.complete(queue.claim("w", 60), "only this")
    goal.refresh_from_db()
    assert (goal.state, goal.answer) == (GoalState.DONE, "only this")


def test_a_goal_whose_every_task_was_cancelled_is_cancelled(give, boss):
    goal = give(step("a"))
    control.cancel(task_of(goal, "a").pk, boss)
    goal.refresh_from_db()
    assert goal.state == GoalState.CANCELLED


def done(goal):
    while (held := queue.claim("w", 60)) is not None:
        tasks.complete(held, f"did {Task.objects.get(pk=held.task_id).key}")
    goal.refresh_from_db()


def test_a_rerun_keeps_earlier_work_and_does_its_successors_again(give, boss):
    goal = give(step("a"), step("b", "a"), step("c", "b"), step("d", "a"))
    done(goal)
    assert goal.state == GoalState.DONE
    control.rerun(task_of(goal, "b").pk, boss, "shorter, please")
    goal.refresh_from_db()
    assert goal.state == GoalState.RUNNING
    assert states(goal) == {"a": "done", "b": "ready", "c": "waiting", "d": "done"}
    assert task_of(goal, "b").reasons == ["shorter, please"]
    assert (task_of(goal, "b").revision, task_of(goal, "a").revision) == (1, 0)
    done(goal)
    assert goal.state == GoalState.DONE


def test_only_what_is_over_is_run_again(give, boss):
    with pytest.raises(goals.GoalRefused, match="not over"):
        control.rerun(task_of(give(step("a")), "a").pk, boss)


def test_a_dead_letter_is_released_with_all_its_tries(give, boss):
    goal = give(step("a"), step("b", "a"))
    for _ in range(len(BACKOFF_S[FailureKind.MODEL]) + 1):
        tasks.fail(queue.claim("w", 60), "cannot", FailureKind.MODEL)
    goal.refresh_from_db()
    assert goal.state == GoalState.FAILED
    control.release(task_of(goal, "a").pk, boss)
    goal.refresh_from_db()
    assert goal.state == GoalState.RUNNING
    assert states(goal) == {"a": "ready", "b": "waiting"}
    tasks.fail(queue.claim("w", 60), "cannot", FailureKind.MODEL)
    assert task_of(goal, "a").state == TaskState.READY
    done(goal)
    assert goal.state == GoalState.DONE


def test_a_task_is_given_to_another_agent_unless_it_runs(give, boss, office, outsider):
    goal = give(step("a"))
    task = task_of(goal, "a")
    rosa = Agent.objects.get(workspace=office, name="Rosa")
    control.reassign(task.pk, boss, rosa)
    assert task_of(goal, "a").agent == rosa
    foreign = Agent.objects.exclude(workspace=office).first()
    with pytest.raises(goals.GoalRefused):
        control.reassign(task.pk, boss, foreign)
    queue.claim("w", 60)
    with pytest.raises(goals.GoalRefused, match="pause"):
        control.reassign(task.pk, boss, rosa)


def test_streams_stay_gapless_through_all_of_it(give, boss):
    goal = give(step("a"), step("b", "a"))
    done(goal)
    control.rerun(task_of(goal, "a").pk, boss)
    goals.cancel(goal.pk, boss)
    numbers = list(Event.objects.filter(goal=goal).values_list("seq", flat=True))
    assert numbers == list(range(1, Goal.objects.get(pk=goal.pk).last_seq + 1))
