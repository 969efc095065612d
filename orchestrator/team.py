"""The staff as a program sees it: what it asks and hands on becomes rows that outlive the worker.

The request is written down and the task let go in one transaction; then Waiting leaves the program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.agent.skills import Skill, load_skills
from orchestrator.tools import teamwork
from orchestrator.tools.base import Handover, Row, ToolError, Waiting
from staff.actions import delegation, questions
from staff.actions.delegation import NotHandedOn, Outcome
from staff.actions.queue import Claim
from staff.domain.delegation import Request
from staff.models import Task

ANSWERING = "answer-question"  # the skill with which a lead answers
TITLE_CHARS = 80


@dataclass(frozen=True)
class Team:
    """The colleagues of one attempt at a task (see `tools.base.Colleagues`).

    tell_rest: writes down what the attempt has shown; it can no more once the task is let go
    """

    held: Claim
    task: Task
    tell_rest: Callable[[], None]

    def ask_boss(self, question: str, options: Sequence[str] = ()) -> str:
        self._may("ask_boss")
        return self._of_boss(question, options)

    def ask_lead(self, question: str) -> str:
        """The lead's answer; the boss's where there is no lead, or where the lead has none."""
        self._may("ask_lead")
        lead = self.task.agent.lead if self.task.agent else None
        skill = load_skills()[ANSWERING]
        if lead is None or not delegation.can_take(self.task, lead.name, _needs(skill)):
            return self._of_boss(question)
        outcome = self._handed_on([_request(Handover(lead.name, ANSWERING, question))])[0]
        return outcome.answer or self._of_boss(question)

    def whom(self, skill: str) -> str:
        wanted = _skill(skill)
        able = self._is_free_to("delegate") and delegation.can_take(
            self.task, wanted.role, _needs(wanted)
        )
        return wanted.role if able else ""

    def delegate(self, work: Sequence[Handover]) -> list[Row]:
        self._may("delegate")
        requests = [_request(each) for each in work]
        return [
            {"answer": done.answer, "files": list(done.files), "problem": done.problem}
            for done in self._handed_on(requests)
        ]

    def _of_boss(self, question: str, options: Sequence[str] = ()) -> str:
        request = _digest("ask_boss", question, list(options))
        self.tell_rest()
        try:
            answer = questions.ask(self.held, request, question, options)
        except questions.NotAsked as reason:
            raise ToolError(str(reason)) from None
        if answer is None:
            raise Waiting(question)
        return answer

    def _handed_on(self, requests: Sequence[Request]) -> list[Outcome]:
        self.tell_rest()
        try:
            outcomes = delegation.hand_on(self.held, requests)
        except NotHandedOn as reason:
            raise ToolError(str(reason)) from None
        if outcomes is None:
            raise Waiting("; ".join(request.title for request in requests))
        return outcomes

    def _is_free_to(self, tool: str) -> bool:
        agent = self.task.agent
        return agent is None or not agent.tools or tool in agent.tools

    def _may(self, tool: str) -> None:
        if not self._is_free_to(tool):
            raise ToolError(f"{self.task.agent} may not use {tool}: do it in this program")


def _request(work: Handover) -> Request:
    """The work, held against the skill that it names. Raises ToolError."""
    skill = _skill(work.skill)
    if skill.takes in ("documents", "table", "report") and not work.inputs:
        raise ToolError(f'{skill.name} works on files: name them, inputs=["..."]')
    if not work.output and not skill.answers:
        raise ToolError(f'{skill.name} leaves a file: name it, such as output="{skill.output}"')
    ending = skill.output[skill.output.rindex(".") :]
    if work.output and not work.output.casefold().endswith(ending):
        raise ToolError(f'{skill.name} leaves a {ending} file; "{work.output}" is none')
    return Request(
        to=work.to,
        skill=skill.name,
        title=_title(work),
        instruction=work.instruction,
        tools=_needs(skill),
        inputs=work.inputs,
        output=work.output,
    )


def _skill(name: str) -> Skill:
    skills = {each.name: each for each in load_skills().values() if each.output}
    if name not in skills:
        raise ToolError(f'there is no skill "{name}" to hand on; there are {", ".join(skills)}')
    return skills[name]


def _needs(skill: Skill) -> frozenset[str]:
    """The tools without which a skill's program does not run."""
    return frozenset(skill.tools) - teamwork.TOOLS


def _title(work: Handover) -> str:
    """What the boss reads: the skill and its file, else the first words of the instruction."""
    what = work.skill.replace("-", " ").capitalize()
    about = work.inputs[0] if len(work.inputs) == 1 else work.instruction.splitlines()[0]
    title = f"{what}: {about}"
    return title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1].rstrip() + "…"


def _digest(*asked: Any) -> str:
    canonical = json.dumps(asked, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
