"""Forgotten is gone: from every column of every table, every file, every cache.

Canaries are kept as memories of all kinds; some are asked for, answered, written to files, talked
about, rated, and their events archived. Then all are forgotten and everything is searched.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.conf import settings
from django.db import connection

from orchestrator import dispatch, execution, runtime
from orchestrator import memory as memories
from orchestrator.inference.base import ChatRequest
from orchestrator.inference.scripted import ScriptedModel
from orchestrator.memory import episodes
from staff.actions import archive, memory, planning, redaction
from staff.actions.memory import Draft, scope_of
from staff.actions.people import open_workspace
from staff.models import EventArchive, Memory, MemoryEvent, Scope, Task, User, Workspace
from staff.recall import visible_to
from staff.recall.shelf import shelves
from web.management.benches.histories import family

CANARIES = 24
ASKED = 6  # of them, each by a goal
PROGRAM = """```python
answer = look_up(goal, {"today": today()})
write_markdown(output, answer)
finish(answer)
```"""


def run(boss: User, say: Callable[[str], None], **_: Any) -> dict[str, Any]:
    workspace = open_workspace(boss, "forgetful")
    with _own_goals_folder() as folder:
        planted = [_plant(workspace, boss, number) for number in range(CANARIES)]
        for number in range(ASKED):
            _ask(workspace, boss, number)
        archive.roll_up(timedelta(0), most_events=100)
        before = _found(folder)
        memories.recall(visible_to(boss, workspace), "the code word of vault 3")  # fills the cache
        for kept in planted:
            memory.forget([kept], by="bench")
        redaction.scrub()
        memories.recall(visible_to(boss, workspace), "the code word of vault 3")
        after = _found(folder)
    redacted: Counter[str] = Counter()
    for data in MemoryEvent.objects.filter(kind="forgotten").values_list("data", flat=True):
        redacted.update(data.get("redacted", {}))
    say(f"{CANARIES} canaries stood in {sum(before.values())} places: {dict(before)}")
    say(f"redacted: {dict(redacted)}; found afterwards: {dict(after)}")
    return {"forgotten_found": sum(after.values()), "found_before": sum(before.values())}


def canary(number: int) -> str:
    return f"canary{number}q{number * 7919 % 1000:03}"


def _place(number: int) -> str:
    """Words that no other canary has in a row."""
    things = random.Random(number).sample(family("dev")["things"], 3)
    return "beside the {}, under the {} and behind a {}".format(*things)


def _plant(workspace: Workspace, boss: User, number: int) -> Memory:
    """One memory that holds a canary: the kinds, scopes and states in turn."""
    kinds = ["episode", "fact", "profile", "procedure", "chunk"]
    kind = kinds[number % len(kinds)]
    scope = scope_of(workspace)
    if kind == "profile":
        scope = scope_of(workspace, Scope.Kind.BOSS, user=boss)
    text = f"The code word of vault {number} is {canary(number)} {_place(number)}."
    draft = Draft(text, kind=kind, actor="Guard", trust=Memory.Trust.BOSS)
    if kind == "fact":
        subject = f"vault {number} of {canary(number)}"
        draft = Draft(text, kind=kind, subject=subject, attribute="code word", value=canary(number))
    kept = memories.remember(scope, [draft])[0].memory
    assert kept is not None
    if number % 4 == 0:
        memories.edit(kept, by="boss", text=f"{text} Or so they say in vault {number}.")
    return kept


def _ask(workspace: Workspace, boss: User, number: int) -> None:
    """A goal that is answered from memory, with a file, a question to the boss's liking, a note."""
    asked = f"What is the code word of vault {number}?"
    goal = dispatch.submit_goal(workspace, boss, asked, autonomy="act")
    fence = planning.claim(goal.pk, 60)
    assert fence is not None
    step = {
        "key": "a",
        "title": "Look it up",
        "skill": "answer-question",
        "agent_role": "assistant",
        "outputs": ["answer.md"],
    }
    body = {"steps": [step], "source": "model", "summary": ""}
    planning.propose(goal.pk, fence, [planning.RankedPlan(body, 1.0, "")])
    execution.run_task(Task.objects.get(goal=goal).pk, "bench")
    note = f"Right, the code word of vault {number} is {canary(number)} {_place(number)}"
    dispatch.rate(goal.pk, boss, 5, note)
    episodes.keep(goal.pk)


def reply(request: ChatRequest) -> str:
    """The program; or, in other words, what the first note says."""
    if "You write one short program" in request.messages[0].content:
        return PROGRAM
    found = re.search(r"\[m(\d+)\][^\n]*vault (\d+) is (\w+)", request.messages[1].content)
    return f"For vault {found[2]} they say {found[3]} [m{found[1]}]." if found else "NOT FOUND"


@contextmanager
def _own_goals_folder() -> Iterator[Path]:
    model = ScriptedModel(reply)
    with (
        tempfile.TemporaryDirectory(prefix="forestaff-bench-") as folder,
        patch.object(settings, "GOALS_DIR", Path(folder)),
        patch.object(runtime, "chat_model", lambda name="": model),
    ):
        yield Path(folder)


def _found(folder: Path) -> Counter[str]:
    """Where a canary stands: rows of each table as text, archives, files, names in the cache."""
    found: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(
                f"""SELECT count(*) FROM "{table}" t WHERE t::text ILIKE '%%canary%%q%%'"""
            )
            found[table] = cursor.fetchone()[0]
    for rolled in EventArchive.objects.all():
        found["inside archives"] += "canary" in str([event.data for event in rolled.events()])
    for path in folder.rglob("*"):
        found["files"] += path.is_file() and b"canary" in path.read_bytes()
    for shelf in shelves._shelves.values():
        found["cached names"] += "canary" in str(vars(shelf.names))
    return +found
