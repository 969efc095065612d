"""Asking and handing on: tools whose answer comes later, when the program is run again.

What a model asks is shown to people and goes into other agents' prompts: it is plain text, of a
bounded length.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from orchestrator.tools.base import Handover, Row, Table, ToolContext, ToolError
from orchestrator.tools.registry import tool, tools_of
from orchestrator.tools.values import clean_text, listed

QUESTION_CHARS = 400
INSTRUCTION_CHARS = 4000
MAX_OPTIONS = 8
OPTION_CHARS = 80
ECHO = 0.9  # likeness from which on a question only gives the goal back


@tool(effect="reads", acts=("options",))
def ask_boss(context: ToolContext, question: str, options: list[str] | None = None) -> str:
    """Ask the boss what only the boss can know."""
    return context.colleagues.ask_boss(_question(context, question), _options(options or []))


@tool(effect="reads")
def ask_lead(context: ToolContext, question: str) -> str:
    """Ask your lead."""
    return context.colleagues.ask_lead(_question(context, question))


@tool(effect="reads")
def colleague(context: ToolContext, skill: str) -> str:
    """Who can take on work of a skill, for delegate; "" if nobody can."""
    return context.colleagues.whom(skill.strip())


@tool(effect="reads", acts=("to", "skill", "instruction", "output"))
def delegate(
    context: ToolContext,
    to: str,
    skill: str,
    instruction: str,
    inputs: list[str] | None = None,
    output: str = "",
) -> Row:
    """Hand work to a colleague: {"answer", "files", "problem"}."""
    work = _handover(to, skill, instruction, inputs or [], output)
    return _told(context, [work])[0]


@tool(effect="reads", acts=("to", "skill", "instruction"))
def delegate_each(
    context: ToolContext, to: str, skill: str, instruction: str, inputs: list[str]
) -> Table:
    """Hand each file to a colleague, side by side: a row of delegate for each."""
    work = [_handover(to, skill, instruction, [name], "") for name in inputs]
    return _told(context, work) if work else []


def _told(context: ToolContext, work: Sequence[Handover]) -> Table:
    """What came of the work; what came to nothing is noted for the boss."""
    done = context.colleagues.delegate(work)
    problems = dict.fromkeys(each["problem"] for each in done if each["problem"])
    context.notes += [problem for problem in problems if problem not in context.notes]
    return done


def _question(context: ToolContext, question: str) -> str:
    asked = clean_text(" ".join(question.split()))
    if not asked:
        raise ToolError("the question is empty: say what you need to know")
    goal = context.goal_text[: 2 * len(asked)]  # of a longer one it can be no echo
    if SequenceMatcher(None, asked.casefold(), goal.casefold()).ratio() > ECHO:
        raise ToolError("that is what you are asked to do: do it, or ask for what is missing")
    return shortened(asked)


def shortened(question: str) -> str:
    """A question of a length that people read."""
    asked = " ".join(question.split())
    return asked if len(asked) <= QUESTION_CHARS else asked[: QUESTION_CHARS - 1] + "…"


def _options(options: Sequence[str]) -> list[str]:
    plain = [clean_text(" ".join(option.split())) for option in options]
    if any(not option or len(option) > OPTION_CHARS for option in plain):
        raise ToolError(f"each option is a text of 1 to {OPTION_CHARS} characters")
    if len({option.casefold() for option in plain}) < len(plain):
        raise ToolError(f"two options are the same: {listed(plain)}")
    if len(plain) == 1 or len(plain) > MAX_OPTIONS:
        raise ToolError(f"give 2 to {MAX_OPTIONS} options, or none for an answer in free words")
    return plain


def _handover(
    to: str, skill: str, instruction: str, inputs: Sequence[str], output: str
) -> Handover:
    told = clean_text(instruction.strip())
    if not told:
        raise ToolError("the instruction is empty: say what is to be done")
    if len(told) > INSTRUCTION_CHARS:
        raise ToolError(
            f"the instruction has {len(told)} characters; say it in {INSTRUCTION_CHARS}: what is "
            "in a file need not be told"
        )
    names = tuple(dict.fromkeys(name.strip() for name in inputs))
    return Handover(to.strip(), skill.strip(), told, names, output.strip())


TOOLS = frozenset(tools_of(__name__))  # what they may do is for the colleagues to say
