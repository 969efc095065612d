"""Where the pure agent meets the house: claim work, run it, write down what it does.

A task goes: intend (the agent's program, dry-run into effects) -> ask where policy says so ->
commit effect by effect -> check the evidence -> done. Each step is in the database before the
next begins, so another worker can go on from any of them.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from orchestrator import heartbeat, planning, runtime
from orchestrator.agent import evidence, loop
from orchestrator.agent.program import Cancelled
from orchestrator.agent.skills import load_skills
from orchestrator.heartbeat import StopSign
from orchestrator.inference.base import InferenceError, ModelUnavailable, ModelUnknown
from orchestrator.memory import notebook
from orchestrator.memory.notebook import Notebook
from orchestrator.recorded import RecordedModel, Stopped
from orchestrator.team import Team
from orchestrator.tools import documents, notes, registry
from orchestrator.tools.base import Effect as Intended
from orchestrator.tools.base import FileProblem, ToolContext, Waiting
from orchestrator.tools.folder import GoalFolder
from staff import queries
from staff.actions import calls, goals, questions, queue, tasks
from staff.actions import planning as planning_of
from staff.actions.calls import BudgetSpent
from staff.actions.memory import MemoryRefused
from staff.actions.queue import Claim, StaleFence
from staff.actions.streams import News
from staff.actions.tasks import IntendedEffect
from staff.crashes import crash_point
from staff.domain import plans
from staff.domain.retries import FailureKind
from staff.models import Agent, Artifact, Effect, Goal

logger = logging.getLogger(__name__)

TELL_EVERY_S = 0.2
DATABASE_AWAY = (OperationalError, InterfaceError)
SLICE_S = 30.0  # a job gives its thread back after this long, so that planning has its turn too


def plan_goal(goal_id: int) -> None:
    """Read the goal's files, imagine plans, put them before the boss."""
    fence = planning_of.claim(goal_id, settings.LEASE_S)
    if fence is None:
        return
    renew = partial(planning_of.renew, goal_id, fence, settings.LEASE_S)
    with heartbeat.kept(renew, renew) as stop:
        try:
            _plan(goal_id, fence, stop)
        except Stopped:
            planning_of.release(goal_id, fence)
        except StaleFence as reason:
            logger.info("%s", reason)
        except BudgetSpent as reason:
            planning_of.ask_for_budget(goal_id, fence, str(reason))
        except (InferenceError, plans.PlanRefused) as reason:
            planning_of.fail(goal_id, fence, str(reason))
        except DATABASE_AWAY:
            logger.exception("the database went away while planning goal %s", goal_id)
            connection.close()
            heartbeat.settle(partial(planning_of.release, goal_id, fence))
        except Exception as reason:
            logger.exception("planning goal %s failed", goal_id)
            planning_of.fail(goal_id, fence, f"Planning went wrong on our side: {reason}")


def work(worker: str) -> None:
    """Do what is next in the queue, and what is next after that, until there is nothing more."""
    end = time.monotonic() + SLICE_S
    while not heartbeat.stopping():
        held = queue.claim(worker, settings.LEASE_S)
        if held is None:
            return
        carry_out(held)
        if time.monotonic() > end:
            queue.nudge_more()
            return


def run_task(task_id: int, worker: str) -> None:
    """Do one given task, if it can be taken."""
    held = queue.claim(worker, settings.LEASE_S, task_id)
    if held is not None:
        carry_out(held)


def carry_out(held: Claim) -> None:
    """Carry a claimed task as far as it goes: done, asking, waiting, failed, or handed back."""
    crash_point("task.claimed")
    holds = partial(queue.holds, held)
    with heartbeat.kept(holds, partial(queue.renew, held, settings.LEASE_S)) as stop:
        try:
            Work(held, stop).run()
        except Waiting as asked:  # written down, and the task let go, where it was asked
            logger.info("task %s waits: %s", held.task_id, asked)
        except Exception as reason:
            if isinstance(reason, DATABASE_AWAY):
                logger.exception("the database went away during task %s", held.task_id)
                connection.close()
            heartbeat.settle(partial(_give_up, held, reason))


def _give_up(held: Claim, reason: Exception) -> None:
    """Let go of a task that could not be done, as the reason asks for it; unless it was cancelled
    or given away meanwhile."""
    try:
        match reason:
            case StaleFence():
                logger.info("%s", reason)
            case OperationalError() | InterfaceError():
                tasks.fail(held, f"The database went away: {reason}", FailureKind.NODE)
            case Stopped() | Cancelled():
                queue.hand_back(held)
            case BudgetSpent():
                questions.ask_for_budget(held, str(reason))
            case ModelUnavailable() | ModelUnknown():
                tasks.fail(held, str(reason), FailureKind.NODE)
            case InferenceError():
                tasks.fail(held, str(reason), FailureKind.MODEL)
            case FileProblem() | OSError():
                logger.warning("task %s: %s", held.task_id, reason)
                tasks.fail(held, f"A file could not be used: {reason}", FailureKind.TOOL)
            case MemoryRefused():
                said = f"It could not be remembered: {reason}"
                tasks.fail(held, said, FailureKind.TOOL)
            case _:
                logger.error("task %s failed", held.task_id, exc_info=reason)
                said = f"Something went wrong on our side: {reason}"
                tasks.fail(held, said, FailureKind.OURS)
    except StaleFence as stale:
        logger.info("%s", stale)


def _plan(goal_id: int, fence: int, stop: StopSign) -> None:
    goal = Goal.objects.select_related("workspace").get(pk=goal_id)
    folder = _folder(goal)
    usable = _inspect_files(goal, folder)
    staff = list(goal.workspace.agents.filter(is_active=True))
    rejected = [event.data["reason"] for event in queries.events_of_kind(goal_id, "plan.rejected")]
    tell = partial(planning_of.tell, goal_id, fence)
    model = RecordedModel(
        model=runtime.chat_model(),
        work=calls.Work(goal_id, None, f"plan {len(rejected)}", tell),
        stop=stop,
        owner=threading.get_ident(),
    )
    asked = "\n".join([goal.text, *(f"Not like before: {reason}" for reason in rejected if reason)])
    skills = load_skills()
    candidates = planning.propose(asked, usable, skills, [_colleague(a) for a in staff], model)
    turned_down = [plans.Plan.from_json(p.body) for p in goal.plans.filter(state="rejected")]
    fresh = [plan for plan in candidates if plan not in turned_down]
    if not fresh:
        raise plans.PlanRefused(
            "No other plan was found. Edit one of the earlier plans, or word the goal differently."
        )
    planning_of.propose(
        goal_id,
        fence,
        [
            planning_of.RankedPlan(ranked.plan.to_json(), ranked.score, ranked.why)
            for ranked in planning.rank(fresh, asked, skills)
        ],
    )


def _inspect_files(goal: Goal, folder: GoalFolder) -> list[Any]:
    """The attached files that can be read; the others are named on the goal with the reason."""
    usable = []
    problems = dict(goal.artifacts.exclude(problem="").values_list("name", "problem"))
    for entry in folder.list():
        if entry.name in problems:
            continue
        try:
            documents.read_document(entry.name, folder.read(entry.name))
        except FileProblem as bad:
            goals.report_file_problem(goal.pk, bad.name, bad.reason)
        else:
            usable.append(entry)
    return usable


class Work:
    """One attempt at one task."""

    def __init__(self, held: Claim, stop: StopSign):
        self.held = held
        self.stop = stop
        self.task = tasks.of(held)
        self.goal = self.task.goal
        self.folder = _folder(self.goal)
        self.is_handed_on = self.task.parent_id is not None
        self.asked = self.task.instruction if self.is_handed_on else self.goal.text
        # a program that waits over midnight finds the day on which it began
        self.today = timezone.localdate(self.task.started_at)
        self._untold: list[News] = []
        self._told_at = time.monotonic()
        self._telling = threading.Lock()

    def run(self) -> None:
        try:
            effects = self.intended() or self.intend()
        finally:
            self.tell_rest()  # what an attempt has shown stays, however it ends
        if not effects:
            return
        crash_point("effects.intended")
        if reason := self.needs_approval(effects):
            tasks.ask(self.held, reason, _digest(effects))
            return
        spoken = [effect for effect in effects if registry.says(effect.tool)]
        self.commit([effect for effect in effects if effect not in spoken])
        missing = evidence.check(self.task.outputs, self.folder)
        if missing:
            self.fail("; ".join(missing), lessons=missing)
            return
        for effect in spoken:
            effect.result, effect.committed_at = self.perform(effect), timezone.now()
        results = [effect.result or {} for effect in effects]
        answer = "".join(result.get("answer", "") for result in results)
        review = next((result["review"] for result in results if "review" in result), None)
        crash_point("evidence.checked")
        tasks.complete(self.held, answer, review, spoken, notes.cited(_written(effects)))
        crash_point("task.ended")

    def tell(self, kind: str, **data: Any) -> None:
        """Add an event to the stream; what comes in quick succession is written together."""
        with self._telling:
            self._untold.append(News(kind, data))
        if time.monotonic() - self._told_at > TELL_EVERY_S:
            self.tell_now()

    def tell_now(self, *news: News) -> None:
        """Write down what was not told yet, and then the given news."""
        with self._telling:
            tasks.tell(self.held, *self._untold, *news)
            self._untold.clear()
            self._told_at = time.monotonic()

    def tell_rest(self) -> None:
        if self._untold:
            self.tell_now()

    def fail(self, reason: str, lessons: Sequence[str] = ()) -> None:
        tasks.fail(self.held, reason, FailureKind.MODEL, lessons)

    def intended(self) -> list[Effect]:
        """Effects that an earlier attempt at this revision wrote down; they are not made anew."""
        if self.held.fence == 1:
            return []
        return list(self.task.effects.filter(revision=self.task.revision))

    def intend(self) -> list[Effect]:
        """Let the agent write its program and dry-run it. Empty if it gave up: the task failed."""
        model = self.model()
        asked = "\n".join(part for part in (self.asked, self.brief().instruction) if part)
        context = ToolContext(
            files=self.folder,
            model=model,
            goal_text=self.asked,
            today=self.today,
            on_call=self.told_of_call,
            colleagues=Team(self.held, self.task, self.tell_rest),
            memory=Notebook(self.task, asked, self.folder, model.model.count_tokens),
        )
        for step in loop.act(self.brief(), context.model, context, self.stop.is_set):
            if self.stop.is_set():
                raise Stopped
            if isinstance(step, loop.GaveUp):
                self.tell_now()
                self.fail(step.reason, lessons=[step.reason])
                return []
            if isinstance(step, loop.Proposed):
                return self.write_down(step)
            self.show(step)
        return []

    def show(self, step: loop.Step) -> None:
        match step:
            case loop.ProgramWritten():
                self.tell("program.written", source=step.source, origin=step.origin)
            case loop.ProgramFailed():
                self.tell("program.failed", source=step.source, error=step.error)

    def write_down(self, proposed: loop.Proposed) -> list[Effect]:
        """Put the intended effects on record, with all that was not told before."""
        for bad in proposed.problems:
            goals.report_file_problem(self.goal.pk, bad.name, bad.reason, self.task)
        effects = [
            IntendedEffect(each.tool, each.arguments, each.digest, each.summary)
            for each in proposed.effects
        ]
        before, self._untold = self._untold, []
        return tasks.intend(self.held, effects, proposed.notes, before)

    def needs_approval(self, effects: Sequence[Effect]) -> str:
        """Why the boss must see these effects first, or "".

        An approved plan covers the outputs that it names. Anything else that is written is
        asked for where the goal says so, and a file that the boss attached is never replaced
        without a yes.
        """
        written = {e.arguments["name"] for e in effects if "name" in e.arguments}
        planned = set() if self.is_handed_on else set(self.task.outputs)
        if written <= planned and written.isdisjoint(self.folder.names()):
            return ""
        attached = set(
            self.goal.artifacts.filter(origin=Artifact.Origin.ATTACHED).values_list(
                "name", flat=True
            )
        )
        reasons = [f"replace your file {name}" for name in sorted(written & attached)]
        if self.goal.autonomy == Goal.Autonomy.ASK:
            extra = sorted(written - attached - planned)
            reasons += [f"write {name}, which the plan does not name" for name in extra]
        if not reasons:
            return ""
        granted = self.task.approvals.filter(state="granted", digest=_digest(effects)).exists()
        return "" if granted else f"{self.task.title} wants to " + " and ".join(reasons)

    def commit(self, effects: Sequence[Effect]) -> None:
        """Perform the effects that are not yet done, in order."""
        for effect in effects:
            if effect.committed_at is None:
                if self.stop.is_set():
                    raise Stopped
                tasks.commit(self.held, effect, self.performing(effect))
                crash_point("effect.committed")

    def performing(self, effect: Effect) -> Callable[[], dict[str, Any]]:
        """What performs an effect; a fact is embedded before, outside the transaction."""
        if effect.tool == "remember":
            return notebook.keeping(self.task, effect)
        return partial(self.perform, effect)

    def perform(self, effect: Effect) -> dict[str, Any]:
        intended = Intended(effect.tool, effect.arguments, effect.summary)
        return registry.commit(intended, self.folder)

    def told_of_call(self, name: str, arguments: dict[str, Any], result: Any) -> None:
        self.tell("tool.called", tool=name, arguments=arguments, result=result)

    def model(self) -> RecordedModel:
        return RecordedModel(
            model=runtime.chat_model(self.task.agent.model if self.task.agent else ""),
            work=calls.Work(
                self.goal.pk,
                self.task.pk,
                f"task {self.task.pk}.{self.task.revision}",
                self.tell_now,
            ),
            stop=self.stop,
            owner=threading.get_ident(),
        )

    def brief(self) -> loop.Brief:
        agent = self.task.agent
        return loop.Brief(
            goal_text=self.asked,
            title=self.task.title,
            instruction="" if self.is_handed_on else self.task.instruction,
            skill=load_skills()[self.task.skill],
            agent_name=agent.name if agent else "",
            agent_role=agent.role if agent else "",
            agent_instructions=agent.instructions if agent else "",
            allowed_tools=tuple(agent.tools) if agent else (),
            inputs=tuple(self.task.inputs),
            outputs=tuple(self.task.outputs),
            reasons=tuple(self.task.reasons),
            today=self.today,
        )


def _written(effects: Sequence[Effect]) -> str:
    """All texts that a task has made, for the citations in them."""
    return "\n".join(
        str(value)
        for effect in effects
        for name, value in effect.arguments.items()
        if name in ("text", "answer") and effect.tool != "remember"
    )


def _folder(goal: Goal) -> GoalFolder:
    return GoalFolder(settings.GOALS_DIR / goal.folder)


def _colleague(agent: Agent) -> planning.Colleague:
    return planning.Colleague(name=agent.name, role=agent.role, tools=tuple(agent.tools))


def _digest(effects: Sequence[Effect]) -> str:
    """What an approval binds: the exact effects, in order."""
    return hashlib.sha256("".join(effect.digest for effect in effects).encode()).hexdigest()
