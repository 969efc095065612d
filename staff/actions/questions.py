"""What only the boss can answer: asked by a task, which then lets go until the answer is there."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from staff.actions import outbox, queue, streams
from staff.actions.goals import GoalRefused
from staff.actions.queue import Claim
from staff.crashes import crash_point
from staff.domain.lifecycle import AttemptState, TaskState
from staff.models import Goal, Question, Task, User

MOST = 5  # questions of one task
ANSWER_CHARS = 4000


class NotAsked(Exception):
    """The boss is not asked this; the message says why, in words for the agent that asked."""


@transaction.atomic
def ask(held: Claim, request: str, text: str, options: Sequence[str] = ()) -> str | None:
    """Ask the boss. Returns the answer if there is one already.

    None: the boss is asked now, the attempt has ended, and the task is ready again when the answer
    is there. Then the same call returns it; so does a later revision's, unless the boss ran the
    task again.
    request: digest of what is asked; options: the answers to choose from, if not free
    Raises NotAsked for a task that asks too much.
    """
    goal, task = queue.locked(held)
    known = task.questions.filter(request=request).exclude(state=Question.State.WITHDRAWN).last()
    if known is not None and known.state == Question.State.ANSWERED:
        return known.answer
    if known is None:
        _write(goal, task, request, text, options)
    queue.let_go(held, TaskState.ASKING, AttemptState.ASKING)
    crash_point("task.waits")
    return None


def _write(goal: Goal, task: Task, request: str, text: str, options: Sequence[str]) -> None:
    asked = task.questions.filter(kind=Question.Kind.QUESTION, state=Question.State.ANSWERED)
    if asked.count() >= MOST:
        raise NotAsked(
            f"you have asked the boss {MOST} questions: decide this yourself, and say how"
        )
    question = Question.objects.create(
        goal=goal, task=task, request=request, text=text, options=list(options)
    )
    streams.append(
        goal.pk,
        "question.asked",
        task_id=task.pk,
        actor=task.agent.name if task.agent else "",
        question=question.pk,
        text=text,
        options=list(options),
    )


@transaction.atomic
def answer(question_id: int, boss: User, text: str) -> Question:
    """The boss's answer; the task that waits for it goes on, with any worker.

    Raises GoalRefused for an answer that is none, Question.DoesNotExist.
    """
    goal_id = Question.objects.values_list("goal_id", flat=True).get(pk=question_id)
    goal = streams.lock_goal(goal_id)
    question = Question.objects.select_related("task").get(pk=question_id)
    question.answer = _checked(question, text)
    question.state = Question.State.ANSWERED
    question.answered_by, question.answered_at = boss, timezone.now()
    question.save()
    streams.append(
        goal_id,
        "question.answered",
        task_id=question.task_id,
        actor=boss.get_username(),
        question=question.pk,
        answer=question.answer,
    )
    outbox.nudge(outbox.REMEMBER, goal_id)
    if question.task is not None and question.task.state == TaskState.ASKING:
        queue.put(goal, question.task)
    return question


def _checked(question: Question, text: str) -> str:
    """The answer as it is kept: one of the options where there are any."""
    if question.kind == Question.Kind.BUDGET:
        raise GoalRefused("This asks for a larger budget: raise the budget instead.")
    if question.state == Question.State.ANSWERED:
        raise GoalRefused(f"This was answered already: {question.answer}")
    if question.state == Question.State.WITHDRAWN:
        raise GoalRefused("This is not asked any more: the work was stopped or done again.")
    said = text.strip()
    if not said:
        raise GoalRefused("The answer is empty: write one, or choose one.")
    if len(said) > ANSWER_CHARS:
        raise GoalRefused(
            f"The answer has {len(said)} characters: at most {ANSWER_CHARS} are kept."
        )
    if not question.options:
        return said
    chosen = [option for option in question.options if option.casefold() == said.casefold()]
    if not chosen:
        raise GoalRefused("Answer with one of these: " + "; ".join(question.options))
    return str(chosen[0])


@transaction.atomic
def ask_for_budget(held: Claim, reason: str) -> None:
    """A cap is reached: the task waits until the boss raises it (`goals.raise_budget`)."""
    queue.lock(held)
    question = Question.objects.create(
        goal_id=held.goal_id,
        task_id=held.task_id,
        kind=Question.Kind.BUDGET,
        request=f"budget {held.fence}",
        text=reason,
    )
    queue.let_go(held, TaskState.ASKING, AttemptState.ASKING)
    streams.append(
        held.goal_id, "budget.spent", task_id=held.task_id, question=question.pk, reason=reason
    )
