"""The agent's loop: from a brief to intended effects, as a generator of typed steps.

An agent writes a program, the program is dry-run, an error goes back once. A skill is a program
with slots, so its own example is run with its slots filled, or as written where it is known to be
right for the task, and as the last resort. What the model gets wrong is an observation; what we
get wrong is an exception.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

from orchestrator.agent import prompts, slots
from orchestrator.agent.program import Cancelled, ProgramError, extract_source, run
from orchestrator.agent.skills import Skill
from orchestrator.inference.base import ChatRequest
from orchestrator.tools import registry, teamwork
from orchestrator.tools.base import Effect, FileProblem, ModelCaller, Tool, ToolContext, ToolError

Origin = Literal["model", "repair", "skill", "slots"]
Way = tuple[Origin, Callable[[str], str]]
TABLES_SHOWN = 3
WHICH_TABLE = "Which of the tables is this about:"


@dataclass(frozen=True)
class Brief:
    """What an agent is told about its task.

    inputs:        file names that it works on
    outputs:       file names that must be written
    allowed_tools: names that this agent may use; none means all
    reasons:       why the work came back, if it did
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
    reasons: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        return self.outputs[0] if self.outputs else ""

    @property
    def instructed(self) -> str:
        """The instruction, and what to mind if the work came back."""
        asked = self.instruction or self.title
        return "\n".join([asked, *(f"Mind this: {reason}" for reason in self.reasons)])

    @property
    def variables(self) -> dict[str, Any]:
        """The slots that every program finds filled."""
        return {
            "inputs": list(self.inputs),
            "output": self.output,
            "goal": self.goal_text,
            "instruction": self.instructed,
        }


@dataclass(frozen=True)
class ProgramWritten:
    source: str
    origin: Origin


@dataclass(frozen=True)
class ProgramFailed:
    """The program cannot stand; `error` is what its writer is told."""

    source: str
    error: str


@dataclass(frozen=True)
class Proposed:
    """The end of a dry-run that stands: what the program would change.

    notes:    remarks for the boss
    problems: files that could not be used
    """

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

    Raises Cancelled once `cancelled()` is true, Waiting where somebody was asked who has not
    answered yet, and what the model raises.
    """
    tools = offered(brief)
    author = _Author(brief, model, list(tools.values()), context)
    tools |= _of_team(brief)
    error = ""
    for origin, write in author.ways():
        source = write(error)
        yield ProgramWritten(source, origin)
        try:
            proposed = _dry_run(source, brief, context, tools, cancelled)
        except Cancelled:
            raise
        except ProgramError as wrong:
            error = str(wrong)
            yield ProgramFailed(source, error)
        else:
            yield proposed
            return
    yield GaveUp(f"No program for this task would run. The last one failed: {error}")


def offered(brief: Brief) -> dict[str, Tool]:
    """The tools of the skill that this agent may use, by name."""
    tools = registry.all_tools()
    return {
        name: tools[name]
        for name in brief.skill.tools
        if not brief.allowed_tools or name in brief.allowed_tools
    }


def _of_team(brief: Brief) -> dict[str, Tool]:
    """The skill's tools for asking and handing on: an example program holds them, and the
    colleagues themselves say who may use them."""
    tools = registry.all_tools()
    return {name: tools[name] for name in brief.skill.tools if name in teamwork.TOOLS}


@dataclass
class _Author:
    """The ways to a program, in the order to try them.

    Each takes the error of the program before it and returns a source.
    """

    brief: Brief
    model: ModelCaller
    tools: Sequence[Tool]
    context: ToolContext
    answer: str = ""

    def ways(self) -> list[Way]:
        brief, skill = self.brief, self.brief.skill
        as_written: Way = ("skill", self.as_written)
        adapted: list[Way] = [("model", self.first), ("repair", self.repaired)]
        if not skill.adapt:
            return [as_written]
        if skill.slots and not brief.reasons:
            return [("slots", self.filled), *adapted]
        if skill.knows(brief.instruction or brief.goal_text) and not brief.reasons:
            return [as_written, *adapted]
        return [*adapted, as_written]

    def first(self, _: str) -> str:
        return self._ask("program")

    @cached_property
    def request(self) -> ChatRequest:
        """Made when the model is asked, and not before: it reads files and memory."""
        return prompts.request(self.brief, self.tools, self.context)

    def repaired(self, error: str) -> str:
        self.request = prompts.repair(self.request, self.answer, error)
        return self._ask("repair")

    def filled(self, _: str) -> str:
        brief, skill = self.brief, self.brief.skill
        question = f"{brief.goal_text}\n{brief.instruction}".strip()
        tables = self.tables(question)
        rows = [row for name in tables for row in prompts.table_of(self.context, name)]
        asked = slots.request(skill.slots, rows, question, skill.advice)
        answer = self.model(f"settings: {brief.title}", asked).text if asked else "{}"
        return slots.filled(skill.program, skill.slots, rows, question, answer, tables)

    def tables(self, question: str) -> list[str]:
        """Which of the tables the question is about. Where it does not tell, the boss is asked;
        who may not ask takes the first."""
        inputs = list(self.brief.inputs)
        if len(inputs) < 2 or "tables" not in self.brief.skill.slots.values():
            return inputs[:1]
        read = {name: prompts.table_of(self.context, name) for name in inputs}
        meant = slots.tables_meant({name: rows for name, rows in read.items() if rows}, question)
        if len(meant) < 2:
            return meant[0] if meant else inputs[:1]
        options = {_shown(names): names for names in meant}
        asked = teamwork.shortened(f"{WHICH_TABLE} {question}")
        try:
            return options[self.context.colleagues.ask_boss(asked, list(options))]
        except ToolError:
            return meant[0]

    def as_written(self, _: str) -> str:
        return self.brief.skill.program

    def _ask(self, purpose: str) -> str:
        self.answer = self.model(f"{purpose}: {self.brief.title}", self.request).text
        return extract_source(self.answer)


def _shown(names: list[str]) -> str:
    """Names of files as one answer to choose."""
    more = len(names) - TABLES_SHOWN
    return ", ".join(names[:TABLES_SHOWN]) + (f" and {more} more" if more > 0 else "")


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
    own = (brief.instructed, *brief.inputs, *brief.outputs)
    functions = registry.bind(tools, context, own)
    run(source, functions, variables=brief.variables, cancelled=cancelled)
    if problem := _shortfall(brief, context.effects):
        raise ProgramError(problem)
    return Proposed(tuple(context.effects), tuple(context.notes), tuple(context.problems))


def _shortfall(brief: Brief, effects: list[Effect]) -> str:
    """What keeps these effects from being the task's result, or ""."""
    if not effects:
        return "the program changes nothing: it must write its result"
    written = Counter(effect.arguments.get("name") for effect in effects)
    if missing := [name for name in brief.outputs if name not in written]:
        return f"the task must write {missing[0]!r}; the program did not: write to output"
    if twice := [name for name in brief.outputs if written[name] > 1]:
        return f"the program writes {twice[0]!r} {written[twice[0]]} times; write it once, complete"
    if sum(effect.tool == "finish" for effect in effects) > 1:
        return "the program calls finish more than once; call it once, at the end"
    return ""
