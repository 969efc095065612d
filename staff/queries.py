"""What may be read, and by whom: every question about a workspace goes through here.

Deny by default: a function takes the workspace (or the person) that asks, and what is not theirs
does not exist for them (DoesNotExist).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from numpy.typing import NDArray

from staff.domain.lifecycle import OPEN_GOALS, GoalState, TaskState
from staff.models import (
    Agent,
    ApiToken,
    Approval,
    Artifact,
    Attempt,
    Document,
    DocumentVersion,
    Event,
    EventArchive,
    Firing,
    Goal,
    GoalSearch,
    Membership,
    Memory,
    MemoryEvent,
    MemorySource,
    MemoryUse,
    MemoryVector,
    ModelCall,
    ModelUsage,
    Node,
    Passage,
    Question,
    Routine,
    Scope,
    Task,
    User,
    Workspace,
)
from staff.models.search import holding
from staff.recall import Recalled, Sight

RECENT = timedelta(days=7)


@dataclass(frozen=True)
class Waiting:
    """What needs the boss, newest first."""

    approvals: list[Approval]
    questions: list[Question]
    proposed: list[Goal]
    failed: list[Goal]

    def __len__(self) -> int:
        return sum(map(len, (self.approvals, self.questions, self.proposed, self.failed)))


def memberships_of(user: User) -> QuerySet[Membership]:
    """The user's seats, the oldest first."""
    return Membership.objects.filter(user=user).select_related("workspace").order_by("id")


def may_follow(user_id: int, goal_id: int) -> bool:
    """Whether the user sits in the goal's workspace."""
    return (user_id, goal_id) in followed([user_id], [goal_id])


def followed(user_ids: Iterable[int], goal_ids: Iterable[int]) -> dict[tuple[int, int], int]:
    """How far the streams have come that each user may follow: {(user, goal): last number}."""
    seated = Goal.objects.filter(
        pk__in=goal_ids,
        workspace__memberships__user__in=user_ids,
        workspace__memberships__user__is_active=True,
    ).order_by()
    rows = seated.values_list("workspace__memberships__user_id", "pk", "last_seq")
    return {(user, goal): last_seq for user, goal, last_seq in rows}


def goals_of(workspace: Workspace) -> QuerySet[Goal]:
    """The goals, newest first."""
    return Goal.objects.filter(workspace=workspace).select_related("budget").order_by("-id")


def with_progress(goals: QuerySet[Goal]) -> QuerySet[Goal]:
    """The goals with tasks_made and tasks_done: how far each has come."""
    tasks = Task.objects.filter(goal=OuterRef("pk"))
    return goals.annotate(
        tasks_made=_count(tasks, "goal"),
        tasks_done=_count(tasks.filter(state=TaskState.DONE), "goal"),
    )


def search_goals(
    workspace: Workspace, words: str = "", state: str = ""
) -> QuerySet[Goal] | QuerySet[GoalSearch]:
    """The goals that hold all the words, or parts of words (in text or answer), newest first.

    Of the rows that come back only the ids (pk) are for use: they are those of the goals.
    """
    if not words.strip():
        goals = goals_of(workspace)
        return goals.filter(state=state) if state else goals
    found = GoalSearch.objects.filter(workspace=workspace).order_by("-pk")
    for word in words.split()[:10]:
        found = found.filter(holding(word))
    return found.filter(goal__state=state) if state else found


def goal_of(workspace: Workspace, goal_id: int) -> Goal:
    """One goal, with the goal that it came from as `parent`."""
    goals = with_progress(goals_of(workspace))
    return goals.select_related("boss", "workspace", "parent").get(pk=goal_id)


def children_of(goal: Goal) -> QuerySet[Goal]:
    """The goals that came from this one, newest first."""
    return with_progress(goals_of(goal.workspace)).filter(parent=goal)


def tasks_of(goal: Goal) -> QuerySet[Task]:
    """The goal's tasks in their order, each with its agent, its parent and its attempts."""
    return _with_attempts(Task.objects.filter(goal=goal)).order_by("position", "id")


def task_of(goal: Goal, task_id: int) -> Task:
    return Task.objects.get(goal=goal, pk=task_id)


def dead_letters(workspace: Workspace) -> QuerySet[Task]:
    """Tasks that failed for good, the newest first, each with all that was tried."""
    failed = Task.objects.filter(goal__workspace=workspace, state=TaskState.FAILED)
    return _with_attempts(failed).select_related("goal").order_by("-ended_at", "-id")


def count_dead_letters(workspace: Workspace) -> int:
    """How many tasks failed lately, of goals that the boss has not judged."""
    failed = Task.objects.filter(goal__workspace=workspace, state=TaskState.FAILED)
    return failed.filter(goal__rating=None, ended_at__gte=timezone.now() - RECENT).count()


def _with_attempts(tasks: QuerySet[Task]) -> QuerySet[Task]:
    attempts = Prefetch("attempts", Attempt.objects.order_by("fence"), to_attr="tries")
    return tasks.select_related("agent", "parent__agent").prefetch_related(attempts)


def artifact_of(goal: Goal, artifact_id: int) -> Artifact:
    return goal.artifacts.get(pk=artifact_id)


def events_after(goal_id: int, after: int, limit: int) -> list[Event]:
    """The next events of a stream, in order, at most `limit`: rows, or out of the archive."""
    rows = list(Event.objects.filter(goal_id=goal_id, seq__gt=after).order_by("seq")[:limit])
    if rows and rows[0].seq == after + 1:
        return rows
    found: list[Event] = []
    older = EventArchive.objects.filter(goal_id=goal_id, last_seq__gt=after).order_by("last_seq")
    for archive in older.iterator(chunk_size=1):
        found += [event for event in archive.events() if event.seq > after]
        if len(found) >= limit:
            break
    last = found[-1].seq if found else after  # rows may have been archived since they were read
    return [*found, *(event for event in rows if event.seq > last)][:limit]


def events_of_kind(goal_id: int, kind: str) -> list[Event]:
    """All events of one kind on a goal's stream, in order."""
    older = EventArchive.objects.filter(goal_id=goal_id).order_by("last_seq")
    found = [event for archive in older for event in archive.events() if event.kind == kind]
    return [*found, *Event.objects.filter(goal_id=goal_id, kind=kind).order_by("seq")]


def waiting(workspace: Workspace) -> Waiting:
    """Open approvals, proposed plans, and goals that failed lately and were not judged yet."""
    goals = Goal.objects.filter(workspace=workspace)
    approvals = Approval.objects.filter(goal__workspace=workspace, state=Approval.State.OPEN)
    failed = goals.filter(state=GoalState.FAILED, rating=None)
    questions = Question.objects.filter(goal__workspace=workspace, state=Question.State.OPEN)
    return Waiting(
        approvals=list(approvals.select_related("goal", "task__agent").order_by("-id")[:20]),
        questions=list(questions.select_related("goal", "task__agent").order_by("-id")[:20]),
        proposed=list(goals.filter(state=GoalState.PROPOSED)[:20]),
        failed=list(failed.filter(ended_at__gte=timezone.now() - RECENT)[:10]),
    )


def count_waiting(workspace: Workspace) -> int:
    """How many goals wait for an answer of the boss."""
    goals = Goal.objects.filter(workspace=workspace).order_by().values("pk")
    approvals = goals.filter(approvals__state=Approval.State.OPEN)
    questions = goals.filter(questions__state=Question.State.OPEN)
    return goals.filter(state=GoalState.PROPOSED).union(approvals, questions).count()


def live(workspace: Workspace) -> list[Goal]:
    """Goals that the staff works on now."""
    states = [state for state in OPEN_GOALS if state != GoalState.PROPOSED]
    return list(with_progress(goals_of(workspace)).filter(state__in=states)[:20])


def finished_lately(workspace: Workspace) -> list[Goal]:
    done = goals_of(workspace).filter(state=GoalState.DONE, ended_at__isnull=False)
    return list(with_progress(done).order_by("-ended_at")[:8])


def has_goals(workspace: Workspace) -> bool:
    return Goal.objects.filter(workspace=workspace).exists()


def figures(workspace: Workspace) -> dict[str, Any]:
    """Four figures of the last seven days: done, open, tokens, working seconds."""
    since = timezone.now() - RECENT
    goals = Goal.objects.filter(workspace=workspace).order_by()
    return {
        "open": goals.filter(state__in=OPEN_GOALS).count(),
        "done": goals.filter(state=GoalState.DONE, ended_at__gte=since).count(),
        **goals.filter(created_at__gte=since).aggregate(
            tokens=Coalesce(Sum("budget__tokens_used"), 0),
            seconds=Coalesce(Sum("budget__seconds_used"), 0.0),
        ),
    }


def agents_of(workspace: Workspace) -> QuerySet[Agent]:
    """The staff with its record: tasks_done, tasks_failed and tasks_open."""
    tasks = Task.objects.filter(agent=OuterRef("pk"))
    return (
        Agent.objects.filter(workspace=workspace)
        .select_related("lead")
        .annotate(
            tasks_done=_count(tasks.filter(state=TaskState.DONE), "agent"),
            tasks_failed=_count(tasks.filter(state=TaskState.FAILED), "agent"),
            tasks_open=_count(tasks.filter(state=TaskState.RUNNING), "agent"),
        )
        .order_by("id")
    )


def agent_of(workspace: Workspace, agent_id: int) -> Agent:
    """One of the staff with its record, and the tokens that it has used."""
    calls = ModelCall.objects.filter(task__agent=OuterRef("pk")).order_by().values("task__agent")
    used = Sum(F("prompt_tokens") - F("cached_tokens") + F("completion_tokens"))
    tokens = Coalesce(Subquery(calls.annotate(used=used).values("used")), 0)
    return agents_of(workspace).annotate(tokens=tokens).get(pk=agent_id)


def nodes(late_after_s: float) -> QuerySet[Node]:
    """The nodes of the house, with tasks_now and is_late: not seen for so long, by the database's
    clock."""
    running = Task.objects.filter(state=TaskState.RUNNING, worker=OuterRef("name")).order_by()
    count = running.values("worker").annotate(n=Count("pk")).values("n")
    return Node.objects.annotate(
        tasks_now=Coalesce(Subquery(count), 0),
        is_late=Q(seen_at__lt=Now() - timedelta(seconds=late_after_s)),
    )


def running_tasks(workspace: Workspace) -> QuerySet[Task]:
    """What is being worked on now, with its agent and its goal."""
    running = Task.objects.filter(goal__workspace=workspace, state=TaskState.RUNNING)
    return running.select_related("agent", "goal").order_by("id")


def tokens_of(user: User, workspace: Workspace) -> QuerySet[ApiToken]:
    """The user's API tokens that still let someone in, each with `used_today` of the models."""
    mine = ApiToken.objects.filter(user=user, workspace=workspace, revoked_at=None)
    return mine.annotate(used_today=_used_today()).order_by("-id")


def tokens_used_today(token: ApiToken) -> int:
    """Of all language models; what came from the cache is not counted."""
    return ApiToken.objects.annotate(used_today=_used_today()).get(pk=token.pk).used_today


def _used_today() -> Coalesce:
    used = Sum(F("prompt_tokens") - F("cached_tokens") + F("completion_tokens"))
    today = ModelUsage.objects.filter(token=OuterRef("pk"), day=datetime.now(UTC).date())
    return Coalesce(Subquery(today.values("token").annotate(used=used).values("used")), 0)


def routines_of(workspace: Workspace) -> QuerySet[Routine]:
    """The routines by name, each with its newest firing (a list of at most one) in `newest`."""
    newest = Prefetch("firings", Firing.objects.order_by("-id")[:1], to_attr="newest")
    found = Routine.objects.filter(workspace=workspace).select_related("boss")
    return found.prefetch_related(newest).order_by("name", "id")


def routine_of(workspace: Workspace, routine_id: int) -> Routine:
    return routines_of(workspace).get(pk=routine_id)


def firings_of(routine: Routine) -> QuerySet[Firing]:
    """What the routine did, newest first, with the goals that came of it."""
    return routine.firings.select_related("goal").order_by("-id")


def armed_routines() -> list[Routine]:
    """What a beat looks at, of all workspaces: schedules that are due, and watched folders."""
    due = Q(trigger=Routine.Trigger.SCHEDULE, next_at__lte=Now())
    active = Routine.objects.filter(is_active=True)
    return list(active.filter(due | Q(trigger=Routine.Trigger.FOLDER)).order_by("next_at", "id"))


def _count(rows: QuerySet[Any], group: str) -> Coalesce:
    """How many of the rows belong to the outer row, each row counted for itself and no other."""
    counted = rows.order_by().values(group).annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(counted), 0)


def memories_of(
    sight: Sight, *, kind: str = "", state: str = "", source: str = "", words: str = ""
) -> QuerySet[Memory]:
    """What is remembered in these scopes, the newest first; forgotten ones never.

    source: part of the name of who said it or of what it came from; words: part of its text
    """
    found = Memory.objects.filter(scope__in=sight.scope_ids).exclude(state=Memory.State.FORGOTTEN)
    found = found.filter(kind=kind) if kind else found
    found = found.filter(state=state) if state else found
    found = found.filter(text__icontains=words) if words else found
    if source:
        named = MemorySource.objects.filter(memory=OuterRef("pk"), name__icontains=source)
        found = found.filter(Q(actor__icontains=source) | Exists(named))
    return found.select_related("scope__agent", "scope__user").order_by("-said_at", "-id")


def memory_of(sight: Sight, memory_id: int) -> Memory:
    return memories_of(sight).get(pk=memory_id)


def is_anything_remembered(workspace_id: int) -> bool:
    return Scope.objects.filter(workspace=workspace_id, memories__gt=0).exists()


def profile_in(sight: Sight) -> list[Memory]:
    """What the boss has said of themselves, if it is visible; the pinned and newest first."""
    own = memories_of(sight, kind=Memory.Kind.PROFILE, state=Memory.State.ACTIVE)
    own = own.filter(scope__kind=Scope.Kind.BOSS, is_tainted=False)
    return list(own.order_by("-is_pinned", "-said_at", "-id"))


def profile_of(user: User, workspace: Workspace) -> QuerySet[Memory]:
    """What somebody has said of themselves in a workspace; nobody else sees it."""
    own = Memory.objects.filter(
        kind=Memory.Kind.PROFILE,
        state=Memory.State.ACTIVE,
        scope__workspace=workspace,
        scope__kind=Scope.Kind.BOSS,
        scope__user=user,
    )
    return own.order_by("-is_pinned", "-said_at", "-id")


def noted_for(task: Task) -> list[Recalled]:
    """The memories that stand in a task's own prompt, in their order, as they are now; without
    those that were forgotten since."""
    uses = MemoryUse.objects.filter(task=task, is_in_task=True)
    return [
        Recalled(use.memory, use.score, {}, use.features)
        for use in uses.select_related("memory").order_by("rank", "id")
        if use.memory.state != Memory.State.FORGOTTEN
    ]


def names_of_sources(memory_ids: Iterable[int]) -> dict[int, str]:
    """The document or conversation that each memory came from first, where it has a name."""
    found = MemorySource.objects.filter(memory__in=list(memory_ids)).exclude(name="")
    return dict(found.order_by("-id").values_list("memory", "name"))


def ids_used_in(task: Task, memory_ids: Iterable[int]) -> list[int]:
    """Those of the memories that entered the prompts of a task and are still there."""
    used = Memory.objects.filter(pk__in=list(memory_ids), uses__task=task)
    standing = used.exclude(state=Memory.State.FORGOTTEN).order_by("id")
    return list(standing.values_list("pk", flat=True).distinct())


def kinds_of_scopes_used(goal: Goal) -> set[str]:
    """Whose memories entered the prompts of a goal."""
    used = MemoryUse.objects.filter(goal=goal).order_by()
    return set(used.values_list("memory__scope__kind", flat=True).distinct())


def is_from_outside(goal: Goal) -> bool:
    """Whether a goal's words may be somebody else's than the boss's: a program's, or a file's."""
    fired = goal.firings.exclude(routine__trigger=Routine.Trigger.SCHEDULE)
    return fired.exists()


def events_said(goal: Goal, kinds: Iterable[str]) -> list[Event]:
    """The events of these kinds that have not become memories yet, in order."""
    fresh = Event.objects.filter(goal=goal, seq__gt=goal.remembered_seq, seq__lte=goal.last_seq)
    return list(fresh.filter(kind__in=list(kinds)).select_related("task__agent").order_by("seq"))


def question_text(goal: Goal, question_id: int) -> str:
    return str(goal.questions.values_list("text", flat=True).get(pk=question_id))


def steps_done(goal: Goal) -> list[tuple[str, str]]:
    """Title and skill of the steps that were done, in their order, without what was handed on."""
    done = Task.objects.filter(goal=goal, state=TaskState.DONE, parent=None)
    return list(done.order_by("position").values_list("title", "skill"))


def sources_of(memory: Memory) -> QuerySet[MemorySource]:
    """Where it came from, in the order in which it was said."""
    return memory.sources.select_related("goal", "task", "origin").order_by("id")


def drawn_from(memory: Memory) -> QuerySet[Memory]:
    """What was drawn from it directly, and is not forgotten."""
    drawn = Memory.objects.filter(scope=memory.scope_id, sources__origin=memory)
    return drawn.exclude(state=Memory.State.FORGOTTEN).distinct().order_by("id")


def values_of(memory: Memory) -> list[Memory]:
    """All that was held true of a fact's slot in its scope, the newest first; else nothing."""
    if memory.kind != Memory.Kind.FACT:
        return []
    same = Memory.objects.filter(scope=memory.scope_id, slot=memory.slot, kind=Memory.Kind.FACT)
    return list(same.exclude(state=Memory.State.FORGOTTEN).order_by("-valid_from", "-id"))


def events_of(memory: Memory) -> QuerySet[MemoryEvent]:
    """Who did what to it, the newest first."""
    return memory.events.order_by("-id")


def uses_of(memory: Memory) -> QuerySet[MemoryUse]:
    """The tasks and goals that it was given to, the newest first."""
    return memory.uses.select_related("goal", "task").order_by("-id")


def memory_of_tasks(
    sight: Sight, goal: Goal
) -> tuple[dict[int, list[MemoryUse]], dict[int, list[Memory]]]:
    """What each task of a goal was reminded of, the best first, and what it made the staff
    remember: ({task: uses}, {task: memories})."""
    used: dict[int, list[MemoryUse]] = {}
    uses = MemoryUse.objects.filter(task__goal=goal, memory__scope__in=sight.scope_ids)
    for use in uses.select_related("memory").order_by("rank", "id"):
        used.setdefault(use.task_id, []).append(use)
    learned: dict[int, list[Memory]] = {}
    for memory in memories_of(sight).filter(task__goal=goal).order_by("id"):
        learned.setdefault(memory.task_id, []).append(memory)
    return used, learned


def to_settle(sight: Sight) -> list[tuple[Memory, Memory | None]]:
    """What waits in quarantine, the newest first, each with the current fact that it opposes."""
    waiting = list(memories_of(sight, state=Memory.State.QUARANTINED)[:100])
    slots = {memory.slot for memory in waiting if memory.slot}
    facts = memories_of(sight, kind=Memory.Kind.FACT, state=Memory.State.ACTIVE)
    current = {(fact.scope_id, fact.slot): fact for fact in facts.filter(slot__in=slots)}
    return [(memory, current.get((memory.scope_id, memory.slot))) for memory in waiting]


def count_to_settle(sight: Sight) -> int:
    return memories_of(sight, state=Memory.State.QUARANTINED).order_by().count()


def kept_both(sight: Sight) -> set[tuple[int, int]]:
    """The pairs of facts that the boss has said are two: ids, the smaller first."""
    said = MemoryEvent.objects.filter(scope__in=sight.scope_ids, kind="kept both")
    pairs = (
        sorted((pk, int(data.get("other", 0)))) for pk, data in said.values_list("memory", "data")
    )
    return {(one, other) for one, other in pairs}


def documents_of(sight: Sight) -> QuerySet[Document]:
    """The documents of these scopes, the newest first, each with its versions."""
    versions = Prefetch("versions", DocumentVersion.objects.order_by("-number"))
    found = Document.objects.filter(scope__in=sight.scope_ids).prefetch_related(versions)
    return found.select_related("scope__agent", "scope__user").order_by("-id")


def document_of(sight: Sight, document_id: int) -> Document:
    return documents_of(sight).get(pk=document_id)


def passages_of(version: DocumentVersion) -> QuerySet[Passage]:
    """The passages of a version in order, each with its memory: None if it was forgotten."""
    return version.passages.select_related("memory").order_by("position")


def places_of(sight: Sight, memory_ids: Collection[int]) -> dict[int, Passage]:
    """Where memories stand in documents: {memory: its first passage in the newest version}."""
    found = Passage.objects.filter(
        memory__in=memory_ids, version__document__scope__in=sight.scope_ids
    ).select_related("version__document")
    first = found.order_by("memory_id", "-version__number", "position").distinct("memory_id")
    return {passage.memory_id: passage for passage in first if passage.memory_id}


def files_holding(memory: Memory) -> QuerySet[DocumentVersion]:
    """The files of documents that hold a passage's words, and go when it is forgotten."""
    held = DocumentVersion.objects.filter(passages__memory=memory).exclude(folder="")
    return held.select_related("document").distinct().order_by("document", "number")


def scopes_in(sight: Sight) -> list[Scope]:
    return list(Scope.objects.filter(pk__in=sight.scope_ids).order_by("id"))


def current_facts(scope: Scope) -> list[Memory]:
    """What holds now in a scope, the oldest first."""
    facts = Memory.objects.filter(scope=scope, kind=Memory.Kind.FACT, state=Memory.State.ACTIVE)
    return list(facts.order_by("id"))


def vectors_of(memories: Iterable[Memory]) -> dict[int, NDArray[np.float32]]:
    """What an embedder, the one used last, made of each memory."""
    rows = MemoryVector.objects.filter(memory__in=[memory.pk for memory in memories])
    return {row.memory_id: np.asarray(row.vector, np.float32) for row in rows.order_by("id")}


def scopes_to_consolidate() -> list[Scope]:
    """Where something changed since facts were last compared, the longest untouched first."""
    changed = Scope.objects.filter(version__gt=F("consolidated_version"), memories__gt=1)
    return list(changed.order_by("consolidated_version", "id"))


def is_idle() -> bool:
    """Whether the staff has nothing to do."""
    work = Task.objects.filter(state__in=[TaskState.READY, TaskState.RUNNING], is_paused=False)
    return not work.exists() and not Goal.objects.filter(state=GoalState.PLANNING).exists()
