"""Budgets around real model calls of the scripted model: exact caps, replay, kills."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial

import pytest
from django.db import connection

from orchestrator.heartbeat import StopSign
from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.scripted import ScriptedModel
from orchestrator.recorded import RecordedModel, Stopped
from staff.actions import calls, goals, queue, recovery, tasks
from staff.models import Budget, Event, Goal, ModelCall
from tests.steps import step

pytestmark = pytest.mark.django_db(transaction=True)


def request_for(words=5, max_tokens=20, text="say"):
    prompt = " ".join([text] + ["word"] * (words - 1))
    return ChatRequest(messages=(Message("user", prompt),), max_tokens=max_tokens)


@pytest.fixture
def work(give):
    """work(model) -> a RecordedModel for a claimed task of a new goal."""

    def make(model, **options):
        goal = give(step("a"), **options)
        held = queue.claim("w", 60, goal.tasks.get().pk)
        return caller(model, goal, held)

    return make


@dataclass(frozen=True)
class Caller(RecordedModel):
    goal: Goal
    held: queue.Claim


def caller(model, goal, held):
    work = calls.Work(goal.pk, held.task_id, f"task {held.task_id}.0", partial(tasks.tell, held))
    return Caller(model, work, StopSign(), threading.get_ident(), goal, held)


def budget_of(goal):
    return Budget.objects.get(pk=goal.budget_id)


def chatter(request):
    return "word " * 1000


def test_an_endless_answer_stops_at_the_exact_token(work):
    ask = work(ScriptedModel(chatter), token_budget=67)
    assert ask("one", request_for(text="a")).completion_tokens == 20
    assert ask("two", request_for(text="b")).completion_tokens == 20
    with pytest.raises(calls.BudgetSpent, match="67 tokens"):
        ask("three", request_for(text="c"))
    budget = budget_of(ask.goal)
    assert (budget.tokens_used, budget.tokens_reserved) == (67, 0)
    with pytest.raises(calls.BudgetSpent):
        ask("four", request_for(text="d"))
    assert budget_of(ask.goal).tokens_used == 67


def test_a_raised_budget_asks_the_cut_off_call_again(work, boss):
    ask = work(ScriptedModel(chatter), token_budget=15)
    with pytest.raises(calls.BudgetSpent):
        ask("one", request_for())
    goals.raise_budget(ask.goal.pk, boss, token_budget=100, second_budget=None)
    assert ask("one", request_for()).completion_tokens == 20
    assert len(ask.model.requests) == 2
    assert budget_of(ask.goal).tokens_used == 15 + 25
    assert budget_of(ask.goal).steps_used == 1  # the same step, begun twice


def test_steps_are_counted_exactly_and_replays_are_free(work):
    ask = work(ScriptedModel(lambda r: "yes"), step_budget=2)
    ask("one", request_for(text="a"))
    ask("two", request_for(text="b"))
    assert ask("two", request_for(text="b")).text == "yes"
    with pytest.raises(calls.BudgetSpent, match="2 steps"):
        ask("three", request_for(text="c"))
    assert budget_of(ask.goal).steps_used == 2
    assert len(ask.model.requests) == 2


def test_time_is_a_deadline_for_the_call(work):
    class Slow(ScriptedModel):
        def stream(self, request):
            stream = super().stream(request)
            advance = stream._advance
            stream._advance = lambda: (time.sleep(0.05), advance())[1]
            return stream

    ask = work(Slow(chatter), second_budget=1)
    with pytest.raises(calls.BudgetSpent, match="1 seconds"):
        ask("one", request_for(max_tokens=900))
    used = budget_of(ask.goal).seconds_used
    assert 1 <= used < 1.5


def test_what_a_dead_attempt_had_reserved_is_free_again(work):
    ask = work(ScriptedModel(lambda r: "yes"), token_budget=30)
    digest = ask._digest(request_for())
    calls.begin(
        ask.work,
        digest,
        purpose="one",
        model="m",
        prompt_tokens=5,
        max_tokens=20,
        timeout_s=None,
    )
    assert budget_of(ask.goal).tokens_reserved == 25
    queue.renew(ask.held, -1)
    assert recovery.reap() == 1
    assert budget_of(ask.goal).tokens_reserved == 0
    again = caller(ask.model, ask.goal, queue.claim("w2", 60, ask.held.task_id))
    assert again("one", request_for()).text == "yes"
    budget = budget_of(ask.goal)
    assert (budget.tokens_used, budget.tokens_reserved, budget.steps_used) == (6, 0, 1)


def test_calls_side_by_side_wait_for_what_others_have_reserved(work):
    """Each reserves 25 of the 60 tokens and uses 6: all ten fit, if they wait for each other."""
    ask = work(ScriptedModel(lambda r: "yes"), token_budget=85)
    failures = []

    def one(number):
        try:
            ask(f"call {number}", request_for(text=f"t{number}"))
        except Exception as reason:
            failures.append(reason)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    budget = budget_of(ask.goal)
    assert (budget.tokens_used, budget.tokens_reserved) == (60, 0)


def test_a_child_goal_uses_no_more_than_what_remains_of_its_parent_s(work, give, boss):
    parent = give(step("p"), token_budget=30)
    ask = work(ScriptedModel(chatter), parent=parent)
    assert ask("one", request_for()).completion_tokens == 20
    with pytest.raises(calls.BudgetSpent, match="30 tokens"):
        ask("two", request_for(text="b", words=2, max_tokens=20))
    assert budget_of(parent).tokens_used == 30
    assert budget_of(ask.goal).tokens_used == 30


def test_a_stop_in_mid_answer_keeps_what_was_shown_and_asks_again_later(work):
    model = ScriptedModel(chatter)
    ask = work(model)
    real = model.stream

    def stream(request):
        made = real(request)
        ask.stop.set()
        return made

    model.stream = stream
    with pytest.raises(Stopped):
        ask("one", request_for())
    assert not ModelCall.objects.get().is_settled
    kinds = list(Event.objects.filter(goal=ask.goal, kind__startswith="model."))
    assert [event.kind for event in kinds][-1] == "model.done"


def test_a_stale_attempt_neither_asks_nor_settles(work):
    ask = work(ScriptedModel(lambda r: "yes"))
    queue.renew(ask.held, -1)
    recovery.reap()
    with pytest.raises(queue.StaleFence):
        ask("one", request_for())
    assert ask.model.requests == [] and not ModelCall.objects.exists()
