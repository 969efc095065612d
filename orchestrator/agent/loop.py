"""The agent's loop: from a brief to intended effects, as a generator of typed steps.

An agent writes a program, the program is dry-run, an error goes back once. If the second program
fails too, the skill's own example is run as written: a skill is a program with slots. What the
model gets wrong is an observation; what we get wrong is an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from orchestrator.agent import prompts
from orchestrator.agent.program import Cancelled, ProgramError, extract_source, run
from orchestrator.agent.skills import Skill
from orchestrator.inference.base import ChatRequest
from orchestrator.tools import registry
from orchestrator.tools.base import Effect, FileProblem, ModelCaller, Tool, ToolContext


@dataclass(frozen=True)
class Brief:
    """What an agent is told about its task.

    outputs: file names that must be written; reasons: why the work came back, if it did
    allowed_tools: names that this agent may use; none means all
    """

    goal_text: str
    title: str
    instruction: str
    skill: Skill
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    today: date
    agent_name: str = ""
    agent_role: str = ""
    agent_instructions: str = ""
    allowed_tools: tuple[str, ...] = ()
    reasons: tuple[str, ...] = field(default=())

    @property
    def output(self) -> str:
        return self.outputs[0] if self.outputs else ""

    @property
    def variables(self) -> dict[str, Any]:
        """What every program finds in place."""
        return {
            "inputs": list(self.inputs),
            "output": self.output,
            "goal": self.goal_text,
            "instruction": self.instruction,
        }


@dataclass(frozen=True)
class ProgramWritten:
    """origin: "model", "repair" or "skill"."""

    source: str
    origin: str


@dataclass(frozen=True)
class ProgramFailed:
    source: str
    error: str


@dataclass(frozen=True)
class Proposed:
    """The end of a dry-run that stands: what the program would change."""

    effects: tuple[Effect, ...]
    notes: tuple[str, ...]
    problems: tuple[FileProblem, ...]


@dataclass(frozen=True)
class GaveUp:
    reason: str


Step = ProgramWritten | ProgramFailed | Proposed | GaveUp


def act(
    brief: Brief,
    model: ModelCaller,
    context: ToolContext,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Step]:
    """Find a program that does the task. The last step is Proposed or GaveUp.

    Raises Cancelled once `cancelled()` is true, and what the model raises.
    """
    tools = offered(brief)
    author = _Author(brief, model, prompts.request(brief, list(tools.values()), context.files))
    error = ""
    for write in author.ways():
        source, origin = write(error)
        yield ProgramWritten(source, origin)
        try:
            yield _dry_run(source, brief, context, tools, cancelled)
            return
        except Cancelled:
            raise
        except ProgramError as wrong:
            error = str(wrong)
            yield ProgramFailed(source, error)
    yield GaveUp(f"no program for this task would run; the last error was: {error}")


def offered(brief: Brief) -> dict[str, Tool]:
    """The tools of the skill that this agent may use, by name."""
    tools = registry.all_tools()
    return {
        name: tools[name]
        for name in brief.skill.tools
        if not brief.allowed_tools or name in brief.allowed_tools
    }


@dataclass
class _Author:
    """Writes the programs to try, in order: the model's, its repair, the skill's own."""

    brief: Brief
    model: ModelCaller
    request: ChatRequest
    answer: str = ""

    def ways(self) -> list[Callable[[str], tuple[str, str]]]:
        ways = [self.first, self.repaired] if self.brief.skill.adapt else []
        return [*ways, self.as_written] if self.brief.skill.program else ways

    def first(self, _: str) -> tuple[str, str]:
        return self._ask("program"), "model"

    def repaired(self, error: str) -> tuple[str, str]:
        self.request = prompts.repair(self.request, self.answer, error)
        return self._ask("repair"), "repair"

    def as_written(self, _: str) -> tuple[str, str]:
        return self.brief.skill.program, "skill"

    def _ask(self, purpose: str) -> str:
        self.answer = self.model(f"{purpose}: {self.brief.title}", self.request).text
        return extract_source(self.answer)


def _dry_run(
    source: str,
    brief: Brief,
    context: ToolContext,
    tools: dict[str, Tool],
    cancelled: Callable[[], bool],
) -> Proposed:
    """Run a program without changing anything. Raises ProgramError where it falls short."""
    for gathered in (context.effects, context.notes, context.problems):
        gathered.clear()
    functions = registry.bind(tools, context)
    run(source, functions, variables=brief.variables, cancelled=cancelled)
    written = {effect.arguments.get("name") for effect in context.effects}
    if missing := [name for name in brief.outputs if name not in written]:
        raise ProgramError(f"the program must write {missing[0]!r}; it did not")
    if not context.effects:
        raise ProgramError("the program changes nothing: it must write or finish")
    return Proposed(tuple(context.effects), tuple(context.notes), tuple(context.problems))
