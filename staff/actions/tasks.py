"""What an attempt does with its task: tell, intend, ask, commit, complete, fail.

Each write names the claim that it is made under; a stale one changes nothing and raises
StaleFence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from staff.actions import progress, queue, streams
from staff.actions.goals import GoalRefused
from staff.actions.queue import Claim, StaleFence
from staff.domain.lifecycle import AttemptState, TaskState
from staff.domain.retries import FailureKind
from staff.models import Approval, Artifact, Effect, Goal, Task, User

__all__ = ["Claim", "IntendedEffect", "StaleFence"]

REVISIONS = 1  # how often a reviewer may send the same work back


@dataclass(frozen=True)
class IntendedEffect:
    tool: str
    arguments: dict[str, Any]
    digest: str
    summary: str


@transaction.atomic(savepoint=False)
def tell(held: Claim, kind: str, **data: Any) -> None:
    """Add an event to the stream in the name of a live attempt."""
    streams.append(held.goal_id, kind, task_id=held.task_id, **data)
    queue.check(held)


@transaction.atomic
def intend(held: Claim, effects: Sequence[IntendedEffect], notes: Sequence[str]) -> list[Effect]:
    """Write down what is about to be changed, before any of it is."""
    _, task = queue.locked(held)
    Effect.objects.filter(task=task, revision=task.revision).delete()
    made = Effect.objects.bulk_create(
        Effect(
            task=task,
            revision=task.revision,
            position=position,
            tool=effect.tool,
            arguments=effect.arguments,
            digest=effect.digest,
            summary=effect.summary,
        )
        for position, effect in enumerate(effects)
    )
    if task.notes != list(notes):
        task.notes = list(notes)
        task.save(update_fields=["notes"])
    streams.append(
        held.goal_id,
        "effects.intended",
        task_id=task.pk,
        effects=[{"tool": effect.tool, "summary": effect.summary} for effect in effects],
        notes=list(notes),
    )
    return made


@transaction.atomic
def ask(held: Claim, reason: str, digest: str) -> None:
    """Put the intended effects before the boss and let go of the task until the answer."""
    _, task = queue.locked(held)
    approval = Approval.objects.create(
        goal_id=held.goal_id, task=task, reason=reason, digest=digest
    )
    queue.end_attempt(held, AttemptState.ASKING)
    queue.move(task, TaskState.ASKING)
    streams.append(
        held.goal_id, "approval.asked", task_id=task.pk, approval=approval.pk, reason=reason
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
def commit(held: Claim, effect_id: int, perform: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Perform an intended effect and record it with the file that it made, once.

    It is performed while the claim is known to stand and nothing else can change the goal, so a
    worker that was given up for dead changes no file. Should this process die in between, the
    next attempt performs the same effect again, with the same result.
    """
    _, task = queue.locked(held)
    effect = Effect.objects.get(pk=effect_id)
    if effect.committed_at is not None:
        return dict(effect.result or {})
    result = perform()
    Effect.objects.filter(pk=effect_id).update(result=result, committed_at=timezone.now())
    streams.append(
        held.goal_id,
        "effect.committed",
        task_id=task.pk,
        tool=effect.tool,
        summary=effect.summary,
        result=result,
    )
    if "file" in result:
        artifact, _ = Artifact.objects.update_or_create(
            goal_id=held.goal_id,
            name=result["file"],
            defaults={
                "task": task,
                "origin": Artifact.Origin.MADE,
                "size_bytes": result["size_bytes"],
                "sha256": result["sha256"],
            },
        )
        streams.append(
            held.goal_id, "artifact.made", task_id=task.pk, artifact=artifact.pk, file=artifact.name
        )
    return result


@transaction.atomic
def complete(held: Claim, answer: str, review: dict[str, Any] | None = None) -> None:
    """Finish a task whose evidence was checked; unblock its successors, end the goal, or send
    the reviewed work back."""
    goal, task = queue.locked(held)
    task.answer = answer
    queue.end_attempt(held, AttemptState.DONE)
    queue.move(task, TaskState.DONE, "answer")
    streams.append(held.goal_id, "task.done", task_id=task.pk, answer=answer)
    if review and not review.get("accepted", True):
        _object(goal, task, [str(reason) for reason in review.get("reasons", [])])
    progress.go_on(goal)


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
    not_before = timezone.now() + timedelta(seconds=delay_s) if delay_s else None
    queue.put(goal, task, "reasons", "revision", "failures", not_before=not_before)


def _object(goal: Goal, review: Task, reasons: list[str]) -> None:
    """A reviewer's objections: the work goes back once; after that they stand beside it."""
    reviewed = Task.objects.get(plan=review.plan, key=review.reviews)
    if reviewed.revision >= REVISIONS:
        streams.append(goal.pk, "review.objections", task_id=review.pk, reasons=reasons)
        return
    who = review.agent.name if review.agent else ""
    streams.append(goal.pk, "task.sent_back", task_id=reviewed.pk, actor=who, reasons=reasons)
    progress.send_back(goal, reviewed, reasons)
