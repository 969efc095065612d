"""Goals as the staff would leave them, made through the same actions, without a worker."""

from __future__ import annotations

import io

from orchestrator import dispatch, triggers
from orchestrator.memory import library
from staff.actions import memory, planning, queue, tasks
from staff.actions.streams import News
from staff.domain.plans import Plan, PlanStep
from staff.domain.retries import BACKOFF_S, FailureKind
from staff.models import Budget, Document, Goal, Routine, Task

SUMMARY = (
    "# Totals\n\n| Vendor | Sum |\n| --- | ---: |\n| Birch | 120.50 |\n\n<script>x()</script>\n"
)
TRIGGERS = ("schedule", "folder", "webhook")


def steps(count: int = 2) -> Plan:
    """A chain of tables, then a report."""
    chain = [
        PlanStep(
            key=f"s{n}",
            title=f"Total {n}",
            skill="total-by-group",
            agent_role="analyst",
            after=(f"s{n - 1}",) if n else (),
            outputs=(f"totals-{n}.csv",),
        )
        for n in range(count - 1)
    ]
    last = PlanStep(
        key="write",
        title="Write it",
        skill="write-report",
        agent_role="writer",
        after=(chain[-1].key,) if chain else (),
        outputs=("summary.md",),
    )
    return Plan((*chain, last), "model", "Total, then write.")


def given(boss, office, text="Total these invoices\nand keep it short", **options) -> Goal:
    content = b"Invoice B-1, total EUR 120.50\n"
    files = [dispatch.GivenFile("birch.txt", io.BytesIO(content), len(content))]
    return dispatch.submit_goal(office, boss, text, files, **options)


def proposed(boss, office, count: int = 2, **options) -> Goal:
    goal = given(boss, office, **options)
    fence = planning.claim(goal.pk, 60)
    ranked = [planning.RankedPlan(steps(n).to_json(), 1 / n, f"{n} steps.") for n in (count, 1)]
    planning.propose(goal.pk, fence, ranked)
    goal.refresh_from_db()
    return goal


def running(boss, office, count: int = 2) -> Goal:
    goal = proposed(boss, office, count)
    dispatch.approve(goal.pk, boss)
    goal.refresh_from_db()
    return goal


def asking(boss, office) -> Goal:
    """A goal whose first task asks before it writes a file that the plan does not name."""
    goal = running(boss, office)
    held = claimed(goal)
    tasks.intend(held, [effect("extra.csv")], [])
    tasks.ask(held, "Total 0 wants to write extra.csv", "digest")
    return goal


def done(boss, office, count: int = 2) -> Goal:
    goal = running(boss, office, count)
    while Task.objects.filter(goal=goal, state="ready").exists():
        work(goal, claimed(goal))
    goal.refresh_from_db()
    return goal


def failed(boss, office) -> Goal:
    goal = given(boss, office)
    planning.fail(goal.pk, planning.claim(goal.pk, 60), "No plan fits.")
    goal.refresh_from_db()
    return goal


def lose(goal: Goal, reason: str, kind: FailureKind = FailureKind.MODEL) -> Task:
    """The goal's next task fails until it is a dead letter."""
    for _ in (*BACKOFF_S[kind], "the last"):
        Task.objects.filter(goal=goal).update(not_before=None)
        held = claimed(goal)
        tasks.fail(held, reason, kind)
    goal.refresh_from_db()
    return Task.objects.get(pk=held.task_id)


def claimed(goal: Goal) -> queue.Claim:
    task = Task.objects.filter(goal=goal, state="ready").earliest("position")
    held = queue.claim("worker", 60, task.pk)
    assert held is not None
    return held


def work(goal: Goal, held: queue.Claim) -> None:
    """One task from its program to its evidence."""
    task = Task.objects.get(pk=held.task_id)
    name = task.outputs[0]
    tasks.tell(held, News("program.written", {"source": "finish('x')", "origin": "skill"}))
    tasks.intend(held, [effect(name)], [])
    content = (SUMMARY if name.endswith(".md") else "vendor,sum\r\nBirch,120.50\r\n").encode()
    dispatch.folder_of(goal).write(name, content)
    result = {"file": name, "size_bytes": len(content), "sha256": "0" * 64}
    tasks.commit(held, task.effects.get(), lambda: result)
    tasks.complete(held, f"Made **{name}**.")


def effect(name: str) -> tasks.IntendedEffect:
    return tasks.IntendedEffect("write_csv", {"name": name}, "digest", f"write {name}: 1 row")


def routine(boss, office, trigger="schedule", **changes) -> Routine:
    """A routine of any trigger, saved as the boss saves it."""
    given = {"name": f"Every {trigger}", "text": "Do it on {date}"}
    given |= {"schedule": {"cron": "0 8 * * *"}, "folder": {"folder": "scans"}}.get(trigger, {})
    return triggers.save(Routine(workspace=office, trigger=trigger), boss, **given | changes)


def use(goal: Goal, *, tokens: int, cap: int) -> None:
    """Let the goal have used tokens of its budget."""
    Budget.objects.filter(pk=goal.budget_id).update(tokens_used=tokens, token_cap=cap)


def document(boss, office, name: str, content: bytes, scope: str = "workspace") -> Document:
    """A document that was given and read."""
    into = memory.scope_named(office, boss, scope)
    given = library.add(into, boss, library.GivenFile(name, io.BytesIO(content), len(content)))
    library.read(given.version.pk)
    return Document.objects.get(pk=given.document.pk)
