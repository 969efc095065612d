"""Where the pure agent meets the house: claim work, run it, write down what it does.

A task goes: intend (the agent's program, dry-run into effects) -> ask where policy says so ->
commit effect by effect -> check the evidence -> done. Each step is in the database before the
next begins, so another worker can go on from any of them.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from orchestrator import heartbeat, planning, runtime
from orchestrator.agent import evidence, loop
from orchestrator.agent.program import Cancelled
from orchestrator.agent.skills import load_skills
from orchestrator.heartbeat import StopSign
from orchestrator.inference.base import InferenceError
from orchestrator.recorded import RecordedModel, Stopped
from orchestrator.tools import documents, registry
from orchestrator.tools.base import Effect as Intended
from orchestrator.tools.base import FileProblem, ToolContext
from orchestrator.tools.folder import GoalFolder
from staff.actions import goals, tasks
from staff.actions.calls import BudgetSpent
from staff.actions.tasks import Claim, IntendedEffect, StaleFence
from staff.domain import plans
from staff.models import Agent, Artifact, Effect, Event, Goal, Task

logger = logging.getLogger(__name__)

MODEL_RETRY_S = 5.0
OUR_RETRY_S = 2.0


def plan_goal(goal_id: int) -> None:
    """Read the goal's files, imagine plans, put them before the boss."""
    fence = goals.claim_planning(goal_id, settings.LEASE_S)
    if fence is None:
        return
    with heartbeat.kept(lambda: goals.renew_planning(goal_id, fence, settings.LEASE_S)) as stop:
        try:
            _plan(goal_id, fence, stop)
        except Stopped:
            goals.release_planning(goal_id, fence)
        except (BudgetSpent, InferenceError, plans.PlanRefused) as reason:
            goals.fail_planning(goal_id, fence, str(reason))
        except OperationalError:
            logger.exception("the database went away while planning goal %s", goal_id)
        except Exception as reason:
            logger.exception("planning goal %s failed", goal_id)
            goals.fail_planning(goal_id, fence, f"Planning went wrong on our side: {reason}")


def run_task(task_id: int, worker: str) -> None:
    """Claim a task and carry it as far as it goes: done, asking, failed, or handed back."""
    held = tasks.claim(task_id, worker, settings.LEASE_S)
    if held is None:
        return
    with heartbeat.kept(lambda: tasks.renew(held, settings.LEASE_S)) as stop:
        try:
            Work(held, stop).run()
        except (Stopped, Cancelled):
            tasks.hand_back(held)
        except StaleFence as reason:
            logger.info("%s", reason)
        except BudgetSpent as reason:
            _fail(held, str(reason))
        except InferenceError as reason:
            _fail(held, str(reason), retry_in_s=MODEL_RETRY_S)
        except OperationalError:
            logger.exception("the database went away during task %s", task_id)
        except Exception as reason:
            logger.exception("task %s failed", task_id)
            _fail(held, f"Something went wrong on our side: {reason}", retry_in_s=OUR_RETRY_S)


def _fail(held: Claim, reason: str, retry_in_s: float | None = None) -> None:
    """Fail an attempt, unless it was cancelled or given away meanwhile."""
    try:
        tasks.fail(held, reason, attempts=settings.TASK_ATTEMPTS, retry_in_s=retry_in_s)
    except StaleFence as stale:
        logger.info("%s", stale)


def _plan(goal_id: int, fence: int, stop: StopSign) -> None:
    goal = Goal.objects.select_related("workspace").get(pk=goal_id)
    folder = _folder(goal)
    usable = _inspect_files(goal, folder)
    staff = list(goal.workspace.agents.filter(is_active=True))
    rejected = list(
        Event.objects.filter(goal=goal, kind="plan.rejected").values_list("data__reason", flat=True)
    )
    model = RecordedModel(
        model=runtime.chat_model(),
        goal_id=goal_id,
        task_id=None,
        scope=f"plan {len(rejected)}",
        stop=stop,
        tell=lambda kind, **data: goals.tell_planning(goal_id, fence, kind, **data),
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
    goals.propose(
        goal_id,
        fence,
        [
            goals.RankedPlan(ranked.plan.to_json(), ranked.score, ranked.why)
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
        self.task = Task.objects.select_related("agent", "goal__workspace").get(pk=held.task_id)
        self.goal = self.task.goal
        self.folder = _folder(self.goal)

    def run(self) -> None:
        effects = self.intended() or self.intend()
        if not effects:
            return
        if reason := self.needs_approval(effects):
            tasks.ask(self.held, reason, _digest(effects))
            return
        results = self.commit(effects)
        missing = evidence.check(self.task.outputs, self.folder)
        if missing:
            self.fail("; ".join(missing), lessons=missing)
            return
        answer = "".join(result.get("answer", "") for result in results)
        review = next((result["review"] for result in results if "review" in result), None)
        tasks.complete(self.held, answer, review)

    def tell(self, kind: str, **data: Any) -> None:
        tasks.tell(self.held, kind, **data)

    def fail(self, reason: str, lessons: Sequence[str] = ()) -> None:
        attempts = settings.TASK_ATTEMPTS
        tasks.fail(self.held, reason, attempts=attempts, retry_in_s=0, lessons=lessons)

    def intended(self) -> list[Effect]:
        """Effects that an earlier attempt at this revision wrote down; they are not made anew."""
        return list(self.task.effects.filter(revision=self.task.revision))

    def intend(self) -> list[Effect]:
        """Let the agent write its program and dry-run it. Empty if it gave up: the task failed."""
        context = ToolContext(
            files=self.folder,
            model=self.model(),
            goal_text=self.goal.text,
            today=timezone.localdate(),
            on_call=self.told_of_call,
        )
        for step in loop.act(self.brief(), context.model, context, self.stop.is_set):
            if self.stop.is_set():
                raise Stopped
            if isinstance(step, loop.GaveUp):
                self.fail(step.reason, lessons=[step.reason])
                return []
            self.show(step)
        return self.intended()

    def show(self, step: loop.Step) -> None:
        match step:
            case loop.ProgramWritten():
                self.tell("program.written", source=step.source, origin=step.origin)
            case loop.ProgramFailed():
                self.tell("program.failed", source=step.source, error=step.error)
            case loop.Proposed():
                for bad in step.problems:
                    goals.report_file_problem(self.goal.pk, bad.name, bad.reason, self.task)
                tasks.intend(
                    self.held,
                    [
                        IntendedEffect(e.tool, e.arguments, e.digest, e.summary)
                        for e in step.effects
                    ],
                    step.notes,
                )

    def needs_approval(self, effects: Sequence[Effect]) -> str:
        """Why the boss must see these effects first, or "".

        An approved plan covers the outputs that it names. Anything else that is written is
        asked for where the goal says so, and a file that the boss attached is never replaced
        without a yes.
        """
        written = {e.arguments["name"] for e in effects if "name" in e.arguments}
        attached = set(
            self.goal.artifacts.filter(origin=Artifact.Origin.ATTACHED).values_list(
                "name", flat=True
            )
        )
        reasons = [f"replace your file {name}" for name in sorted(written & attached)]
        if self.goal.autonomy == Goal.Autonomy.ASK:
            extra = sorted(written - attached - set(self.task.outputs))
            reasons += [f"write {name}, which the plan does not name" for name in extra]
        if not reasons:
            return ""
        granted = self.task.approvals.filter(state="granted", digest=_digest(effects)).exists()
        return "" if granted else f"{self.task.title} wants to " + " and ".join(reasons)

    def commit(self, effects: Sequence[Effect]) -> list[dict[str, Any]]:
        """Perform the effects that are not yet done, in order. Returns all their results."""
        results = []
        for effect in effects:
            if effect.committed_at is None:
                if self.stop.is_set():
                    raise Stopped
                intended = Intended(effect.tool, effect.arguments, effect.summary)
                effect.result = registry.commit(intended, self.folder)
                tasks.committed(self.held, effect.pk, effect.result)
            results.append(effect.result or {})
        return results

    def told_of_call(self, name: str, arguments: dict[str, Any], result: Any) -> None:
        self.tell("tool.called", tool=name, arguments=arguments, result=result)

    def model(self) -> RecordedModel:
        return RecordedModel(
            model=runtime.chat_model(self.task.agent.model if self.task.agent else ""),
            goal_id=self.goal.pk,
            task_id=self.task.pk,
            scope=f"task {self.task.pk}.{self.task.revision}",
            stop=self.stop,
            tell=self.tell,
            owner=threading.get_ident(),
        )

    def brief(self) -> loop.Brief:
        agent = self.task.agent
        return loop.Brief(
            goal_text=self.goal.text,
            title=self.task.title,
            instruction=self.task.instruction,
            skill=load_skills()[self.task.skill],
            agent_name=agent.name if agent else "",
            agent_role=agent.role if agent else "",
            agent_instructions=agent.instructions if agent else "",
            allowed_tools=tuple(agent.tools) if agent else (),
            inputs=tuple(self.task.inputs),
            outputs=tuple(self.task.outputs),
            reasons=tuple(self.task.reasons),
            today=timezone.localdate(),
        )


def _folder(goal: Goal) -> GoalFolder:
    return GoalFolder(settings.GOALS_DIR / goal.folder)


def _colleague(agent: Agent) -> planning.Colleague:
    return planning.Colleague(name=agent.name, role=agent.role, tools=tuple(agent.tools))


def _digest(effects: Sequence[Effect]) -> str:
    """What an approval binds: the exact effects, in order."""
    return hashlib.sha256("".join(effect.digest for effect in effects).encode()).hexdigest()
