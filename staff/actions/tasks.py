"""What an attempt does with its task: tell, intend, ask, commit, complete, fail.

Each write names the claim that it is made under; a stale one changes nothing and raises
StaleFence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.utils import timezone

from staff.actions import memory, progress, queue, sql, streams
from staff.actions.goals import GoalRefused
from staff.actions.queue import Claim, StaleFence
from staff.actions.streams import News
from staff.crashes import crash_point
from staff.domain.lifecycle import AttemptState, TaskState
from staff.domain.retries import FailureKind
from staff.models import Agent, Approval, Effect, Goal, Task, User

__all__ = ["Claim", "IntendedEffect", "StaleFence"]

REVISIONS = 1  # how often a reviewer may send the same work back

INTEND = """
    INSERT INTO staff_effect (task_id, revision, position, tool, arguments, digest, summary)
    SELECT %(task)s, %(revision)s, place - 1, one->>'tool', one->'arguments', one->>'digest',
        one->>'summary'
    FROM jsonb_array_elements(%(effects)s::jsonb) WITH ORDINALITY AS effects (one, place)
    RETURNING position, id
"""
COMMIT = """
    UPDATE staff_effect SET result = %(result)s::jsonb, committed_at = %(at)s WHERE id = %(effect)s
"""
# one artifact there is of each name in a goal
COMMIT_FILE = f"""
    WITH committed AS ({COMMIT})
    INSERT INTO staff_artifact
        (goal_id, task_id, origin, name, size_bytes, sha256, problem, created_at, updated_at)
    VALUES (%(goal)s, %(task)s, 'made', %(file)s, %(size_bytes)s, %(sha256)s, '', %(at)s, %(at)s)
    ON CONFLICT (goal_id, name) DO UPDATE SET
        task_id = excluded.task_id, origin = 'made', size_bytes = excluded.size_bytes,
        sha256 = excluded.sha256, updated_at = excluded.updated_at
    RETURNING id
"""


@dataclass(frozen=True)
class IntendedEffect:
    tool: str
    arguments: dict[str, Any]
    digest: str
    summary: str


def of(held: Claim) -> Task:
    """The task of a claim, with its agent and its goal."""
    tables = {"t": Task, "g": Goal, "a": Agent}
    wanted = ", ".join(sql.columns(model, alias) for alias, model in tables.items())
    found = sql.one(
        f"SELECT {wanted} FROM staff_task t JOIN staff_goal g ON g.id = t.goal_id"
        " LEFT JOIN staff_agent a ON a.id = t.agent_id WHERE t.id = %s",
        [held.task_id],
    )
    if found is None:
        raise streams.stale(held.task_id, held.fence)
    task, task.goal, task.agent = sql.instances(found, *tables.values())
    return task


def tell(held: Claim, *news: News) -> None:
    """Add events to the stream in the name of a live attempt. Raises StaleFence."""
    streams.append_held(held.goal_id, held.task_id, held.fence, *news)


@transaction.atomic
def intend(
    held: Claim,
    effects: Sequence[IntendedEffect],
    notes: Sequence[str],
    before: Sequence[News] = (),
) -> list[Effect]:
    """Write down what is about to be changed, before any of it is.

    before: what the attempt has to tell first
    """
    shown = [{"tool": effect.tool, "summary": effect.summary} for effect in effects]
    intended = News("effects.intended", {"effects": shown, "notes": list(notes)})
    tell(held, *before, intended)
    if held.fence > 1:
        Effect.objects.filter(task_id=held.task_id, revision=held.revision).delete()
    if notes or held.fence > 1:
        Task.objects.filter(pk=held.task_id).update(notes=list(notes))
    made = sql.rows(
        INTEND,
        {
            "task": held.task_id,
            "revision": held.revision,
            "effects": json.dumps([vars(effect) for effect in effects]),
        },
    )
    return [
        Effect(
            pk=pk,
            task_id=held.task_id,
            revision=held.revision,
            position=position,
            **vars(effects[position]),
        )
        for position, pk in sorted(made)
    ]


@transaction.atomic
def ask(held: Claim, reason: str, digest: str) -> None:
    """Put the intended effects before the boss and let go of the task until the answer."""
    queue.lock(held)
    approval = Approval.objects.create(
        goal_id=held.goal_id, task_id=held.task_id, reason=reason, digest=digest
    )
    queue.let_go(held, TaskState.ASKING, AttemptState.ASKING)
    streams.append(
        held.goal_id, "approval.asked", task_id=held.task_id, approval=approval.pk, reason=reason
    )


@transaction.atomic
def decide(approval_id: int, boss: User, *, granted: bool, note: str = "") -> Approval:
    """The boss's answer. Granted: the task goes on with exactly these effects. Refused: it is
    done again with the note as the reason."""
    goal_id = Approval.objects.values_list("goal_id", flat=True).get(pk=approval_id)
    goal = streams.lock_goal(goal_id)
    approval = Approval.objects.select_related("task").get(pk=approval_id)
    if approval.state != Approval.State.OPEN:
        raise GoalRefused(f"This was decided already: {approval.get_state_display()}.")
    approval.state = Approval.State.GRANTED if granted else Approval.State.REFUSED
    approval.note, approval.decided_by, approval.decided_at = note, boss, timezone.now()
    approval.save()
    task = approval.task
    streams.append(
        goal_id,
        "approval.decided",
        task_id=task.pk,
        actor=boss.get_username(),
        approval=approval.pk,
        granted=granted,
        note=note,
    )
    if not granted:
        Effect.objects.filter(task=task, committed_at=None).delete()
        task.reasons = [*task.reasons, note or f"The boss refused: {approval.reason}"]
        task.revision += 1
    queue.put(goal, task, "reasons", "revision")
    return approval


@transaction.atomic
def commit(held: Claim, effect: Effect, perform: Callable[[], dict[str, Any]]) -> None:
    """Perform an intended effect and record it with the file that it made, once.

    It is performed while the claim is known to stand and nothing else can change the goal, so a
    worker that was given up for dead changes no file. Should this process die in between, the
    next attempt performs the same effect again, with the same result.
    """
    queue.lock(held)
    effect.result, effect.committed_at = perform(), timezone.now()
    crash_point("effect.performed")
    tell(held, *_record(held, effect))


def _record(held: Claim, effect: Effect) -> list[News]:
    """Keep that an effect has happened, with the file it made. Returns what is to be told of it."""
    result = effect.result or {}
    record = {"effect": effect.pk, "result": json.dumps(result), "at": effect.committed_at}
    shown = {"tool": effect.tool, "summary": effect.summary, "result": result}
    news = [News("effect.committed", shown)]
    if "file" not in result:
        sql.rows(COMMIT, record)
        return news
    file = {name: result[name] for name in ("file", "size_bytes", "sha256")}
    record |= {"goal": held.goal_id, "task": held.task_id, **file}
    ((artifact,),) = sql.rows(COMMIT_FILE, record)
    return [*news, News("artifact.made", {"artifact": artifact, "file": result["file"]})]


@transaction.atomic
def complete(
    held: Claim,
    answer: str,
    review: dict[str, Any] | None = None,
    spoken: Sequence[Effect] = (),
    cited: Collection[int] = (),
) -> None:
    """Finish a task whose evidence was checked; unblock its successors, end the goal, or send
    the reviewed work back.

    spoken: effects that change nothing but what the task says, with their results
    cited:  the memories that its answer or its files cite
    """
    goal = queue.locked_goal(held)
    news = [one for effect in spoken for one in _record(held, effect)]
    queue.let_go(held, TaskState.DONE, AttemptState.DONE, answer)
    news.append(News("task.done", {"answer": answer}))
    streams.append_all(held.goal_id, *(replace(each, task_id=held.task_id) for each in news))
    if review and not review.get("accepted", True):
        reasons = [str(reason) for reason in review.get("reasons", [])]
        _object(goal, Task.objects.get(pk=held.task_id), reasons)
    if cited:
        memory.note_cited(held.task_id, cited)
    progress.go_on(goal, by_worker=True)


@transaction.atomic
def fail(held: Claim, reason: str, kind: FailureKind, lessons: Sequence[str] = ()) -> None:
    """An attempt came to nothing. It is tried again as its kind of failure allows; after that
    the task is a dead letter and the goal fails with the reason.

    lessons: what the next attempt is told; it then works anew instead of replaying this one
    """
    goal, task = queue.locked(held)
    if lessons:
        task.reasons = [*task.reasons, *lessons]
        task.revision += 1
    delay_s = queue.count_failure(task, kind)
    queue.end_attempt(held, AttemptState.FAILED, kind, reason)
    if delay_s is None:
        queue.bury(goal, task, reason)
        progress.go_on(goal)
        return
    streams.append(
        held.goal_id, "task.retrying", task_id=task.pk, reason=reason, failure=kind, in_s=delay_s
    )
    queue.put(goal, task, "reasons", "revision", "failures", delay_s=delay_s)


def _object(goal: Goal, review: Task, reasons: list[str]) -> None:
    """A reviewer's objections: the work goes back once; after that they stand beside it."""
    reviewed = Task.objects.get(plan=review.plan, key=review.reviews)
    if reviewed.revision >= REVISIONS:
        streams.append(goal.pk, "review.objections", task_id=review.pk, reasons=reasons)
        return
    who = review.agent.name if review.agent else ""
    streams.append(goal.pk, "task.sent_back", task_id=reviewed.pk, actor=who, reasons=reasons)
    progress.send_back(goal, reviewed, reasons)
