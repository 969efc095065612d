"""A staff that does what a script says: for each task the program that its agent writes."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

from orchestrator import dispatch, execution
from orchestrator.agent.skills import Skill
from orchestrator.inference.scripted import ScriptedModel
from staff.actions import goals, planning, queue
from staff.models import Goal, Task

COORDINATE = Skill(
    name="coordinate",
    description="Do what the program says",
    triggers=(),
    role="assistant",
    takes="anything",
    makes="report",
    output="note.md",
    answers=True,
    tools=(
        *("ask_boss", "ask_lead", "colleague", "delegate", "delegate_each", "draft"),
        *("read_text", "write_markdown", "finish"),
    ),
    program="finish(1 / 0)",  # a test that falls back on it should fail
)
SALES = b"region,units\n" + b"".join(f"{'NS'[n % 2]},{n}\n".encode() for n in range(1, 41))


def scripted(programs: Mapping[str, str]) -> ScriptedModel:
    """A model that writes, for a task about X, the program programs[X], and else says little."""

    def answer(request):
        asked = "\n".join(message.content for message in request.messages)
        about = re.search(r"^goal = (.*)$", asked, re.MULTILINE)
        if about is None:
            return "So it is."
        return f"```python\n{programs[about[1][1:-1]]}\n```"

    return ScriptedModel(answer)


def step(key: str = "lead", **changes: object) -> dict[str, object]:
    plain = {
        "key": key,
        "title": key.capitalize(),
        "skill": "coordinate",
        "agent_role": "assistant",
        "outputs": [],
    }
    return plain | changes


def running(office, boss, *steps, text="the goal", files=None, **options) -> Goal:
    """A goal with an adopted plan."""
    given = [
        dispatch.GivenFile(name, io.BytesIO(content), len(content))
        for name, content in (files or {}).items()
    ]
    goal = dispatch.submit_goal(office, boss, text, given, **options)
    fence = planning.claim(goal.pk, 60)
    body = {"steps": list(steps or (step(),)), "source": "model", "summary": ""}
    planning.propose(goal.pk, fence, [planning.RankedPlan(body, 1.0, "")])
    goal.refresh_from_db()
    if goal.state == "proposed":
        goals.approve_plan(goal.pk, boss)
        goal.refresh_from_db()
    return goal


def work_on(goal: Goal, worker: str = "w", most: int = 100) -> None:
    """Work until nothing of the goal is ready any more."""
    for _ in range(most):
        task = Task.objects.filter(goal=goal, state="ready", is_paused=False).first()
        if task is None or goal.is_paused:
            break
        held = queue.claim(worker, 60, task.pk)
        if held is None:
            break
        execution.carry_out(held)
    goal.refresh_from_db()


def states(goal: Goal) -> dict[str, str]:
    return dict(Task.objects.filter(goal=goal).values_list("key", "state"))


def task_of(goal: Goal, key: str) -> Task:
    return Task.objects.get(goal=goal, key=key)
