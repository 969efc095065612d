"""What must be true of goals when all is over, whatever happened meanwhile. Import it inside the
house only.

Lost is: a goal or task that is not done, an effect that is not committed, a file that is missing or
does not hold what its plan says, a gap in a stream, a step of a task without its event.

Doubled is: an effect, an event of a task, a model call or a charged step that is there twice; or a
file that was written with different contents, or without need. One thing is allowed, and counted as
performed again: that a file which was written when its worker or the database died, before that was
recorded, is written once more by the next attempt, with the same content. So no file is written
more often than once and once more for each attempt of its task that was interrupted.
"""

from __future__ import annotations

import csv
import hashlib
import io
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection

from deploy.soak.journal import Performed
from staff.actions import sql
from staff.models import Goal, Plan

PATIENCE_S = 60.0  # with a database that is away
EFFECTS = ["write_csv", "finish"]  # of each task, in order

DONE = "SELECT count(*) FROM staff_task WHERE state = 'done'"
HELD = """
    SELECT count(*) FROM staff_task t JOIN staff_attempt a ON a.task_id = t.id AND a.fence = t.fence
    WHERE t.state = 'running' AND t.worker = %s AND a.started_at > to_timestamp(%s)
"""
UNFINISHED = """
    SELECT (SELECT count(*) FROM staff_goal WHERE state <> 'done')
         + (SELECT count(*) FROM staff_task WHERE state <> 'done')
"""
EFFECTS_OF_TASKS = """
    SELECT t.id, array_agg(e.tool ORDER BY e.position) FILTER (WHERE e.committed_at IS NOT NULL)
    FROM staff_task t LEFT JOIN staff_effect e ON e.task_id = t.id GROUP BY t.id
"""
GAPS = """
    SELECT count(*) FROM staff_goal g WHERE g.last_seq <>
        (SELECT count(*) FROM staff_event e WHERE e.goal_id = g.id AND e.seq <= g.last_seq)
"""
# what happened to tasks by their own rows, and by the events that say so
BY_ROWS = """
    SELECT 'task.done', count(*) FROM staff_task WHERE state = 'done'
    UNION ALL SELECT 'goal.done', count(*) FROM staff_goal WHERE state = 'done'
    UNION ALL SELECT 'task.started', count(*) FROM staff_attempt
    UNION ALL SELECT 'task.lost', count(*) FROM staff_attempt WHERE state = 'lost'
    UNION ALL SELECT 'effect.committed', count(*) FROM staff_effect WHERE committed_at IS NOT NULL
    UNION ALL SELECT 'artifact.made', count(*) FROM staff_artifact WHERE origin = 'made'
"""
BY_EVENTS = "SELECT kind, count(*) FROM staff_event WHERE kind = ANY(%s) GROUP BY kind"
COUNTED = """
    SELECT (SELECT count(*) FROM staff_modelcall WHERE is_settled),
           (SELECT sum(steps_used) FROM staff_budget),
           (SELECT count(*) FROM staff_attempt WHERE state = 'done')
"""
LEFT_OVER = """
    SELECT (SELECT count(*) FROM staff_outbox),
           (SELECT count(*) FROM staff_attempt WHERE state = 'running'),
           (SELECT count(*) FROM staff_budget WHERE tokens_reserved > 0 OR seconds_reserved > 0)
"""
# attempts that came to nothing, and when their task was claimed again
INTERRUPTED = """
    SELECT lost.task_id, lost.worker, lost.state, extract(epoch FROM lost.started_at)::float8,
           extract(epoch FROM lost.ended_at)::float8,
           (SELECT extract(epoch FROM min(next.started_at))::float8 FROM staff_attempt next
            WHERE next.task_id = lost.task_id AND next.fence > lost.fence)
    FROM staff_attempt lost WHERE lost.state <> 'done' ORDER BY lost.started_at
"""
FILES = """
    SELECT g.id, a.name, a.sha256, e.result->>'sha256', t.id
    FROM staff_task t JOIN staff_goal g ON g.id = t.goal_id
    LEFT JOIN staff_effect e ON e.task_id = t.id AND e.position = 0
    LEFT JOIN staff_artifact a ON a.goal_id = g.id AND a.task_id = t.id
"""


def ask(statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """What the database says, when it is back if it is away."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return sql.rows(statement, parameters)
        except DatabaseError:
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def done() -> int:
    return int(ask(DONE)[0][0])


def holds(worker: str, since: float) -> bool:
    """Whether a worker that started at `since` (of time.time) has work of its own in its hands."""
    return bool(ask(HELD, [worker, since])[0][0])


def left_over() -> dict[str, int]:
    """What nobody looks after any more, though all is over."""
    names = ("nudges", "open attempts", "reservations")
    return dict(zip(names, ask(LEFT_OVER)[0], strict=True))


def half_written() -> int:
    """Files that somebody began to write when they died. Nobody sees them."""
    return len(list(settings.GOALS_DIR.glob("*/.staged-*")))


def check(performed: Iterable[Performed]) -> dict[str, Counter[str]]:
    """{"lost": what and how often, "doubled": ..., "performed again": ...}"""
    lost: Counter[str] = Counter()
    doubled: Counter[str] = Counter()
    lost["unfinished goals and tasks"] = ask(UNFINISHED)[0][0]
    for _, tools in ask(EFFECTS_OF_TASKS):
        has, wanted = Counter(tools or ()), Counter(EFFECTS)
        lost["effects"] += (wanted - has).total()
        doubled["effects"] += (has - wanted).total()
    lost["events in the middle of a stream"] = ask(GAPS)[0][0]
    rows = Counter(dict(ask(BY_ROWS)))
    events = Counter(dict(ask(BY_EVENTS, [list(rows)])))
    for kind in rows:
        lost[f"events {kind}"] = (rows - events)[kind]
        doubled[f"events {kind}"] = (events - rows)[kind]
    calls, steps, attempts = ask(COUNTED)[0]
    tasks = len(ask(EFFECTS_OF_TASKS))
    for what, count in (("model calls", calls), ("steps", steps), ("done attempts", attempts)):
        lost[what] = max(0, tasks - (count or 0))
        doubled[what] = max(0, (count or 0) - tasks)
    again = _check_files(list(performed), lost, doubled)
    return {"lost": +lost, "doubled": +doubled, "performed again": again}


def _check_files(
    performed: Sequence[Performed], lost: Counter[str], doubled: Counter[str]
) -> Counter[str]:
    """Compare what lies in the folders with the plans, the records and the journal."""
    lines: dict[tuple[str, str], list[Performed]] = defaultdict(list)
    for line in performed:
        lines[line.folder, line.name].append(line)
    interrupted = Counter(task_id for task_id, *_ in ask(INTERRUPTED))
    again: Counter[str] = Counter()
    wanted = _wanted()
    for goal_id, name, kept, recorded, task_id in ask(FILES):
        goal = Goal(pk=goal_id)
        path = settings.GOALS_DIR / goal.folder / (name or "")
        content = path.read_bytes() if name and path.is_file() else b""
        digest = hashlib.sha256(content).hexdigest()
        is_right = _steps_of(content) == wanted.get((goal_id, name))
        lost["files"] += not (is_right and digest == kept == recorded)
        written = lines[goal.folder, name]
        more_than_once = len(written) - 1
        again["files"] += max(0, more_than_once)
        doubled["files"] += more_than_once > interrupted[task_id]
        doubled["files of other content"] += any(line.sha256 != digest for line in written)
    return again


def _wanted() -> dict[tuple[int, str], list[str]]:
    """Of each file the rows that the plan asks for: its own instruction, then its inputs' rows."""
    wanted: dict[tuple[int, str], list[str]] = {}
    for goal_id, body in Plan.objects.values_list("goal_id", "body"):
        for step in body["steps"]:  # each comes after its inputs
            rows = [step["instruction"]]
            for name in step["inputs"]:
                rows += wanted[goal_id, name]
            wanted[goal_id, step["outputs"][0]] = rows
    return wanted


def _steps_of(content: bytes) -> list[str]:
    text = content.decode("utf-8-sig", errors="replace")
    return [row.get("step") or "" for row in csv.DictReader(io.StringIO(text))]
