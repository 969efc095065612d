"""Work that an agent hands to colleagues: a task of its own, for which the asking task waits.

It is asked for once. The same work on the same files is the same task, whoever asks, so a program
that is run again finds what came of it, and two tasks may wait for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from staff.actions import budgets, queue, streams
from staff.actions.queue import Claim
from staff.crashes import crash_point
from staff.domain import delegation as rules
from staff.domain import lifecycle
from staff.domain.delegation import Hop, Member, NotHandedOn, Request
from staff.domain.lifecycle import AttemptState, TaskState
from staff.domain.plans import FILE_NAME
from staff.models import Artifact, Goal, Task

__all__ = ["NotHandedOn", "Outcome", "Request", "can_take", "hand_on"]

KEY_CHARS = 40
SHOWN_CHARS = 300  # of an instruction, in events


@dataclass(frozen=True)
class Outcome:
    """What came of work that was handed on. problem: why nothing did, or "" """

    answer: str
    files: tuple[str, ...]
    problem: str = ""


@transaction.atomic
def hand_on(held: Claim, requests: Sequence[Request]) -> list[Outcome] | None:
    """Hand pieces of work to colleagues, who do them side by side.

    Returns what came of each if all are over. None: the task waits for them now, its attempt has
    ended, and it is ready again when they are over. Then the same call gives what came of them.
    Raises NotHandedOn or BudgetSpent; then nothing was handed on.
    """
    goal, task = queue.locked(held)
    work = _Handover(goal, task)
    given = [work.found(request) or work.made(request) for request in requests]
    task.after = list(dict.fromkeys([*task.after, *(each.key for each in given)]))
    task.save(update_fields=["after"])
    if all(each.state not in lifecycle.OPEN_TASKS for each in given):
        return [_outcome(each) for each in given]
    queue.let_go(held, TaskState.WAITING, AttemptState.WAITING)
    crash_point("task.waits")
    streams.append(goal.pk, "task.waiting", task_id=task.pk, on=[each.pk for each in given])
    return None


def can_take(task: Task, to: str, tools: frozenset[str]) -> bool:
    """Whether there is a colleague to whom a task may hand on work that needs these tools."""
    work = _Handover(task.goal, task)
    try:
        work.check_depth()
        work.choose(to, tools)
    except NotHandedOn:
        return False
    return True


def way_to(task: Task) -> list[Hop]:
    """The causal chain: from a task of the plan down to this one."""
    chain: list[Hop] = []
    here: Task | None = task
    while here is not None:
        chain.append(Hop(here.pk, here.agent_id, here.agent.name if here.agent else ""))
        here = here.parent
    return chain[::-1]


class _Handover:
    """One task's requests, and all that they are held against. The goal is locked."""

    def __init__(self, goal: Goal, task: Task):
        self.goal, self.task = goal, task
        self.chain = way_to(task)
        self.tasks = list(Task.objects.filter(goal=goal).select_related("agent").order_by("pk"))
        self.staff = {a.pk: a for a in goal.workspace.agents.filter(is_active=True)}
        self.contents = dict(Artifact.objects.filter(goal=goal).values_list("name", "sha256"))
        self.budget = task.budget or goal.budget

    def found(self, request: Request) -> Task | None:
        """The task that does this very work already, has done it, or has failed us at it."""
        same = [each for each in self.tasks if each.request == request.digest(self.contents)]
        lively = [each for each in same if each.state not in lifecycle.STOPPED_TASKS]
        told = [each for each in same if each.key in self.task.after]
        if not (lively or told):
            return None
        work = (lively or told)[-1]
        after = {each.key: each.after for each in self.tasks}
        if self.task.key in {work.key, *rules.awaited(after, [work.key])}:
            raise NotHandedOn(f'this is what "{work.title}" waits for: do it in this program')
        if work.key not in self.task.after and work.parent_id != self.task.pk:
            self.tell("task.shared", work, request)
        return work

    def made(self, request: Request) -> Task:
        """A new task for a colleague, ready at once."""
        self.check_depth()
        self.check_count()
        agent = self.staff[self.choose(request.to, request.tools)]
        self._check_files(request)
        budgets.take_step(self.budget.pk)
        task = Task.objects.create(
            goal=self.goal,
            plan_id=self.task.plan_id,
            parent=self.task,
            agent=agent,
            request=request.digest(self.contents),
            budget=budgets.open_budget(parent=self.budget),
            key=self._free_key(),
            position=1 + max(each.position for each in self.tasks),
            title=request.title,
            skill=request.skill,
            instruction=request.instruction,
            inputs=list(request.inputs),
            outputs=[request.output] if request.output else [],
        )
        self.tasks.append(task)
        self.tell("task.handed_on", task, request)
        queue.put(self.goal, task)
        return task

    def check_depth(self) -> None:
        rules.check_depth(budgets.depth_of(self.budget), len(self.chain) - 1)

    def check_count(self) -> None:
        wanted = {key for each in self.tasks for key in each.after}
        rules.check_count(sum(1 for each in self.tasks if each.parent_id and each.key in wanted))

    def choose(self, to: str, tools: frozenset[str]) -> int:
        busy = Counter(each.agent_id for each in self.tasks if each.state in lifecycle.OPEN_TASKS)
        staff = [
            Member(a.pk, a.name, a.role, frozenset(a.tools), busy[a.pk])
            for a in self.staff.values()
        ]
        return rules.choose(staff, self.chain, to, tools)

    def tell(self, kind: str, work: Task, request: Request) -> None:
        """The event, with the causal chain from the plan's task down to the new one."""
        agent = work.agent.name if work.agent else ""
        streams.append(
            self.goal.pk,
            kind,
            task_id=self.task.pk,
            actor=self.chain[-1].agent,
            child=work.pk,
            to=agent,
            skill=request.skill,
            instruction=request.instruction[:SHOWN_CHARS],
            inputs=list(request.inputs),
            chain=[{"task": hop.task_id, "agent": hop.agent} for hop in self.chain]
            + [{"task": work.pk, "agent": agent}],
        )

    def _check_files(self, request: Request) -> None:
        for name in request.inputs:
            if name not in self.contents:
                there = ", ".join(sorted(self.contents)) or "no files"
                raise NotHandedOn(f'the goal has no file "{name}" yet; there are: {there}')
        name = request.output
        if name and not FILE_NAME.fullmatch(name):
            raise NotHandedOn(f'"{name}" is no file name: use letters, digits and one ending')
        if name.casefold() in self._taken():
            raise NotHandedOn(f'"{name}" is taken by another file or task: choose another name')

    def _taken(self) -> set[str]:
        """Names that are in use. What this task had made for an earlier revision is not."""
        old = {
            each.pk
            for each in self.tasks
            if each.parent_id == self.task.pk and each.key not in self.task.after
        }
        named = [name for each in self.tasks if each.pk not in old for name in each.outputs]
        kept = Artifact.objects.filter(goal=self.goal).exclude(task__in=old)
        return {name.casefold() for name in [*named, *kept.values_list("name", flat=True)]}

    def _free_key(self) -> str:
        """The asking task's key and a number: "write.1"."""
        taken = {each.key for each in self.tasks}
        for number in range(1, len(taken) + 2):
            ending = f".{number}"
            key = self.task.key[: KEY_CHARS - len(ending)] + ending
            if key not in taken:
                return key
        raise AssertionError("there are more numbers than keys")


def _outcome(work: Task) -> Outcome:
    who = work.agent.name if work.agent else "A colleague"
    if work.state == TaskState.DONE:
        return Outcome(work.answer, tuple(work.outputs))
    if work.state == TaskState.CANCELLED:
        return Outcome("", (), f"{who} was told to stop: {work.title}")
    return Outcome("", (), f"{who} could not do it ({work.title}): {work.failure}")
