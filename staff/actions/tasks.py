"""Everything that changes a task, its attempts, effects and approvals.

Each write of an attempt names the fence that it was claimed under; a stale one changes nothing
and raises StaleFence, so that a worker that was given up for dead can do no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from staff.actions import goals, streams
from staff.domain import lifecycle
from staff.domain.lifecycle import GoalState, TaskState
from staff.models import Approval, Artifact, Attempt, Effect, Goal, Outbox, Task, User

logger = logging.getLogger(__name__)

REVISIONS = 1  # how often a reviewer may send the same work back


class StaleFence(Exception):
    """This attempt no longer owns its task: it was cancelled, paused, or given to another."""


@dataclass(frozen=True)
class Claim:
    """The right to work on a task until the lease ends."""

    task_id: int
    goal_id: int
    fence: int


@dataclass(frozen=True)
class IntendedEffect:
    tool: str
    arguments: dict[str, Any]
    digest: str
    summary: str


@transaction.atomic
def claim(task_id: int, worker: str, lease_s: float) -> Claim | None:
    """Take a ready task. None if there is nothing to take: done, taken, paused or unknown."""
    now = timezone.now()
    goal_id = Task.objects.filter(pk=task_id).values_list("goal_id", flat=True).first()
    if goal_id is None:
        logger.warning("ignored a nudge for the unknown task %s", task_id)
        return None
    goal = streams.lock_goal(goal_id)
    if goal.state != GoalState.RUNNING or goal.is_paused:
        return None
    taken = (
        Task.objects.filter(pk=task_id, state=TaskState.READY)
        .filter(Q(not_before=None) | Q(not_before__lte=now))
        .update(
            state=TaskState.RUNNING,
            fence=F("fence") + 1,
            attempts_made=F("attempts_made") + 1,
            lease_until=now + timedelta(seconds=lease_s),
            started_at=Coalesce("started_at", now),
        )
    )
    if not taken:
        return None
    task = Task.objects.select_related("agent").get(pk=task_id)
    Attempt.objects.create(task=task, fence=task.fence, worker=worker)
    streams.append(
        goal_id,
        "task.started",
        task=task,
        actor=task.agent.name if task.agent else "",
        attempt=task.attempts_made,
    )
    return Claim(task_id, goal_id, task.fence)


def renew(held: Claim, lease_s: float) -> bool:
    """Extend the lease of a live attempt. False if the claim no longer holds, or its goal is
    paused: the attempt must stop."""
    return bool(
        Task.objects.filter(
            pk=held.task_id,
            fence=held.fence,
            state=TaskState.RUNNING,
            goal__is_paused=False,
            goal__state=GoalState.RUNNING,
        ).update(lease_until=timezone.now() + timedelta(seconds=lease_s))
    )


@transaction.atomic
def tell(held: Claim, kind: str, **data: Any) -> None:
    """Add an event to the stream in the name of a live attempt."""
    _, task = _held(held)
    streams.append(held.goal_id, kind, task=task, **data)


@transaction.atomic
def intend(held: Claim, effects: Sequence[IntendedEffect], notes: Sequence[str]) -> None:
    """Write down what is about to be changed, before any of it is."""
    _, task = _held(held)
    Effect.objects.filter(task=task, revision=task.revision).delete()
    Effect.objects.bulk_create(
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
    task.notes = list(notes)
    task.save(update_fields=["notes"])
    streams.append(
        held.goal_id,
        "effects.intended",
        task=task,
        effects=[{"tool": effect.tool, "summary": effect.summary} for effect in effects],
        notes=list(notes),
    )


@transaction.atomic
def ask(held: Claim, reason: str, digest: str) -> None:
    """Put the intended effects before the boss and let go of the task until the answer."""
    _, task = _held(held)
    approval = Approval.objects.create(
        goal_id=held.goal_id, task=task, reason=reason, digest=digest
    )
    _move(task, TaskState.ASKING)
    _close(held, "asking")
    streams.append(held.goal_id, "approval.asked", task=task, approval=approval.pk, reason=reason)


@transaction.atomic
def decide(approval_id: int, boss: User, *, granted: bool, note: str = "") -> Approval:
    """The boss's answer. Granted: the task goes on with exactly these effects. Refused: it is
    done again with the note as the reason."""
    goal_id = Approval.objects.values_list("goal_id", flat=True).get(pk=approval_id)
    goal = streams.lock_goal(goal_id)
    approval = Approval.objects.select_for_update().select_related("task").get(pk=approval_id)
    if approval.state != Approval.State.OPEN:
        raise goals.GoalRefused(f"This was decided already: {approval.get_state_display()}.")
    approval.state = Approval.State.GRANTED if granted else Approval.State.REFUSED
    approval.note, approval.decided_by, approval.decided_at = note, boss, timezone.now()
    approval.save()
    task = approval.task
    if not granted:
        Effect.objects.filter(task=task, committed_at=None).delete()
        task.reasons = [*task.reasons, note or f"The boss refused: {approval.reason}"]
        task.revision += 1
    _move(task, TaskState.READY, "reasons", "revision")
    streams.append(
        goal_id,
        "approval.decided",
        task=task,
        actor=boss.get_username(),
        approval=approval.pk,
        granted=granted,
        note=note,
    )
    streams.nudge("run_task", task_id=task.pk, priority=goal.priority)
    return approval


@transaction.atomic
def committed(held: Claim, effect_id: int, result: dict[str, Any]) -> None:
    """Record that an intended effect has happened, and the file that it made."""
    _, task = _held(held)
    effect = Effect.objects.select_for_update().get(pk=effect_id)
    if effect.committed_at is not None:
        return
    effect.result, effect.committed_at = result, timezone.now()
    effect.save(update_fields=["result", "committed_at"])
    streams.append(
        held.goal_id,
        "effect.committed",
        task=task,
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
            held.goal_id, "artifact.made", task=task, artifact=artifact.pk, file=artifact.name
        )


@transaction.atomic
def complete(held: Claim, answer: str, review: dict[str, Any] | None = None) -> None:
    """Finish a task whose evidence was checked; unblock its successors, end the goal, or send
    the reviewed work back."""
    goal, task = _held(held)
    task.answer = answer
    _move(task, TaskState.DONE, "answer")
    _close(held, "done")
    streams.append(held.goal_id, "task.done", task=task, answer=answer)
    if review and not review.get("accepted", True):
        _object(goal, task, [str(reason) for reason in review.get("reasons", [])])
    _unblock(goal)
    if not Task.objects.filter(goal=goal).exclude(state=TaskState.DONE).exists():
        goals.finish(goal, _goal_answer(goal))


@transaction.atomic
def fail(
    held: Claim,
    reason: str,
    *,
    attempts: int,
    retry_in_s: float | None = None,
    lessons: Sequence[str] = (),
) -> None:
    """An attempt came to nothing. It is tried again while attempts remain and a retry makes
    sense (retry_in_s is given); then the goal fails with the reason.

    lessons: what the next attempt is told; it then works anew instead of replaying this one
    """
    goal, task = _held(held)
    if lessons:
        task.reasons = [*task.reasons, *lessons]
        task.revision += 1
        task.save(update_fields=["reasons", "revision"])
    _close(held, "failed", reason)
    if retry_in_s is not None and task.attempts_made < attempts:
        task.not_before = timezone.now() + timedelta(seconds=retry_in_s)
        _move(task, TaskState.READY, "not_before")
        streams.append(held.goal_id, "task.retrying", task=task, reason=reason)
        streams.nudge("run_task", task_id=task.pk, priority=goal.priority, due_at=task.not_before)
        return
    task.failure = reason
    _move(task, TaskState.FAILED, "failure")
    streams.append(held.goal_id, "task.failed", task=task, reason=reason)
    Task.objects.filter(goal=goal, state__in=lifecycle.OPEN_TASKS).update(
        state=TaskState.CANCELLED, lease_until=None, fence=F("fence") + 1
    )
    goals.fail(goal, f"{task.title}: {reason}")


@transaction.atomic
def hand_back(held: Claim) -> None:
    """Let go of a task that was not finished, without counting the attempt."""
    goal = streams.lock_goal(held.goal_id)
    task = Task.objects.select_for_update().get(pk=held.task_id)
    Attempt.objects.filter(task_id=held.task_id, fence=held.fence, ended_at=None).update(
        ended_at=timezone.now(), outcome="handed back"
    )
    if task.fence != held.fence or task.state != TaskState.RUNNING:
        return
    _return_to_queue(goal, task, counted=False)


def reap(worker: str | None = None) -> int:
    """Put tasks back whose lease ran out, or that a worker held which has just started anew.

    Trusts database time only. Returns how many were put back.
    """
    overdue = Task.objects.filter(state=TaskState.RUNNING, lease_until__lt=timezone.now())
    if worker is not None:
        overdue = Task.objects.filter(
            state=TaskState.RUNNING, attempts__worker=worker, attempts__ended_at=None
        )
    found = list(overdue.values_list("pk", "goal_id", "fence").distinct())
    return sum(_reap_one(Claim(*row)) for row in found)


def nudge_stranded(after_s: float = 30) -> int:
    """Nudge again for ready work that nobody claimed: a message may be lost with the broker."""
    before = timezone.now() - timedelta(seconds=after_s)
    waiting = Task.objects.filter(
        state=TaskState.READY, goal__state=GoalState.RUNNING, goal__is_paused=False
    ).select_related("goal")
    stranded = [("run_task", {"task_id": task.pk}, task.goal) for task in waiting]
    unplanned = Goal.objects.filter(
        state=GoalState.PLANNING, is_paused=False, plan_lease_until=None
    )
    stranded += [("plan_goal", {"goal_id": goal.pk}, goal) for goal in unplanned]
    nudged = 0
    for job, ids, goal in stranded:
        recent = Outbox.objects.filter(job=f"orchestrator.tasks.{job}", arguments=ids)
        if not recent.filter(Q(sent_at=None) | Q(sent_at__gt=before)).exists():
            with transaction.atomic():
                streams.nudge(job, priority=goal.priority, **ids)
            nudged += 1
    return nudged


@transaction.atomic
def _reap_one(lost: Claim) -> bool:
    goal = streams.lock_goal(lost.goal_id)
    task = Task.objects.select_for_update().get(pk=lost.task_id)
    if task.fence != lost.fence or task.state != TaskState.RUNNING:
        return False
    Attempt.objects.filter(task=task, fence=task.fence).update(
        ended_at=timezone.now(), outcome="lost"
    )
    streams.append(goal.pk, "task.lost", task=task)
    _return_to_queue(goal, task, counted=True)
    return True


def _return_to_queue(goal: Goal, task: Task, *, counted: bool) -> None:
    task.fence += 1
    task.not_before = None
    if not counted:
        task.attempts_made = max(0, task.attempts_made - 1)
    _move(task, TaskState.READY, "fence", "not_before", "attempts_made")
    streams.append(goal.pk, "task.ready", task=task)
    if not goal.is_paused:
        streams.nudge("run_task", task_id=task.pk, priority=goal.priority)


def _object(goal: Goal, review: Task, reasons: list[str]) -> None:
    """A reviewer's objections: the work goes back once; after that they stand beside it."""
    reviewed = Task.objects.select_for_update().get(plan=review.plan, key=review.reviews)
    if reviewed.revision >= REVISIONS:
        streams.append(goal.pk, "review.objections", task=review, reasons=reasons)
        return
    streams.append(goal.pk, "task.sent_back", task=reviewed, actor=_name(review), reasons=reasons)
    again = _successors(review.plan.tasks.all(), reviewed.key)
    for task in Task.objects.filter(plan=review.plan, key__in=again, state=TaskState.DONE):
        task.revision += 1
        task.attempts_made = 0
        if task.key == reviewed.key:
            task.reasons = reasons
        _move(task, TaskState.WAITING, "revision", "attempts_made", "reasons")


def _successors(tasks: Sequence[Task], key: str) -> set[str]:
    """Keys of a step and of all that build on it."""
    found, grew = {key}, True
    while grew:
        more = {task.key for task in tasks if found & set(task.after)} - found
        found |= more
        grew = bool(more)
    return found


def _unblock(goal: Goal) -> None:
    done = set(Task.objects.filter(goal=goal, state=TaskState.DONE).values_list("key", flat=True))
    for task in Task.objects.filter(goal=goal, state=TaskState.WAITING):
        if set(task.after) <= done:
            _move(task, TaskState.READY)
            streams.append(goal.pk, "task.ready", task=task)
            streams.nudge("run_task", task_id=task.pk, priority=goal.priority)


def _goal_answer(goal: Goal) -> str:
    """The last word of the work itself (not of its review), or the list of what was made."""
    worked = Task.objects.filter(goal=goal, reviews="").order_by("-position")
    for task in worked:
        if task.answer:
            return task.answer
    names = Artifact.objects.filter(goal=goal, origin=Artifact.Origin.MADE)
    return "Made " + ", ".join(artifact.name for artifact in names) + "."


def _held(held: Claim) -> tuple[Goal, Task]:
    """The locked goal and task of a claim that still holds. Raises StaleFence if it does not."""
    goal = streams.lock_goal(held.goal_id)
    task = Task.objects.select_for_update(of=("self",)).get(pk=held.task_id)
    if task.fence != held.fence or task.state != TaskState.RUNNING:
        raise StaleFence(f"task {held.task_id}: fence {held.fence} is stale")
    return goal, task


def _move(task: Task, wanted: TaskState, *also: str) -> None:
    lifecycle.check_task(task.pk, task.state, wanted)
    task.state = wanted
    task.lease_until = None
    task.ended_at = timezone.now() if wanted not in lifecycle.OPEN_TASKS else None
    task.save(update_fields=["state", "lease_until", "ended_at", *also])


def _close(held: Claim, outcome: str, error: str = "") -> None:
    Attempt.objects.filter(task_id=held.task_id, fence=held.fence).update(
        ended_at=timezone.now(), outcome=outcome, error=error
    )


def _name(task: Task) -> str:
    return task.agent.name if task.agent else ""
