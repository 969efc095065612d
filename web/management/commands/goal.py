import json
import sys
import time
from datetime import datetime
from pathlib import Path

from django.core.management.base import CommandError
from django.utils import timezone

from orchestrator import dispatch
from staff import queries
from staff.actions.goals import GoalRefused
from staff.domain.lifecycle import OPEN_GOALS, GoalState
from staff.models import Goal
from web.management.house import HouseCommand, find_user, find_workspace


class Command(HouseCommand):
    help = "Give the staff a goal."

    def add_arguments(self, parser):
        parser.add_argument("text", help="what you want done; - reads it from standard input")
        parser.add_argument(
            "--file", action="append", default=[], type=Path, help="attach a file or a folder"
        )
        parser.add_argument("--auto", action="store_true", help="act without asking for the plan")
        parser.add_argument("--wait", action="store_true", help="follow the goal until it ends")
        parser.add_argument("--json", action="store_true", help="print JSON only")
        parser.add_argument("--priority", choices=[p.name.lower() for p in Goal.Priority])
        parser.add_argument("--deadline", help="ISO date and time")
        parser.add_argument("--tokens", type=int, help="token budget")
        parser.add_argument("--seconds", type=int, help="budget of working seconds")
        parser.add_argument("--user", default="")
        parser.add_argument("--workspace", type=int)
        parser.add_argument("--out", type=Path, help="copy what was made into this folder")

    def handle(self, text, **options):
        self.quiet = options["json"]
        user = find_user(options["user"])
        try:
            goal = dispatch.submit_goal(
                find_workspace(user, options["workspace"]),
                user,
                sys.stdin.read() if text == "-" else text,
                [given_file(path) for path in expand(options["file"])],
                priority=Goal.Priority[(options["priority"] or "normal").upper()],
                deadline_at=parse_deadline(options["deadline"]),
                token_budget=options["tokens"],
                second_budget=options["seconds"],
                autonomy=Goal.Autonomy.ACT if options["auto"] else Goal.Autonomy.ASK,
            )
        except GoalRefused as reason:
            raise CommandError(str(reason)) from reason
        self.say(f"goal {goal.pk} accepted")
        if options["wait"]:
            self.follow(goal)
            goal.refresh_from_db()
        if options["out"]:
            self.copy_out(goal, options["out"])
        self.report(goal)
        if options["wait"] and goal.state in (GoalState.FAILED, GoalState.CANCELLED):
            raise SystemExit(1)

    def say(self, line):
        if not self.quiet:
            self.stdout.write(line)

    def follow(self, goal):
        """Print the stream as it grows; stop where the goal ends or waits for the boss."""
        seen = 0
        while True:
            for event in queries.events_after(goal.pk, seen, 500):
                seen = event.seq
                if line := as_line(event):
                    self.say(line)
            goal.refresh_from_db()
            waits = waits_for_boss(goal)
            if goal.last_seq <= seen and (goal.state not in OPEN_GOALS or waits):
                if waits:
                    self.say("the goal waits for you: go on at its page, or through the API")
                return
            time.sleep(0.3)

    def copy_out(self, goal, folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = dispatch.folder_of(goal)
        for artifact in goal.artifacts.filter(origin="made"):
            (folder / artifact.name).write_bytes(files.read(artifact.name))

    def report(self, goal):
        if not self.quiet:
            if goal.answer or goal.failure:
                self.say(f"\n{goal.answer or goal.failure}")
            return
        self.stdout.write(
            json.dumps(
                {
                    "id": goal.pk,
                    "state": goal.state,
                    "answer": goal.answer,
                    "failure": goal.failure,
                    "tokens_used": goal.budget.tokens_used,
                    "seconds_used": round(goal.budget.seconds_used, 1),
                    "elapsed_s": elapsed_s(goal),
                    "artifacts": [a.name for a in goal.artifacts.filter(origin="made")],
                    "asks": [q.text for q in goal.questions.filter(state="open")],
                    "problems": {a.name: a.problem for a in goal.artifacts.exclude(problem="")},
                },
                ensure_ascii=False,
            )
        )


def waits_for_boss(goal):
    """Whether nothing goes on until the boss has approved or answered something."""
    if goal.state == GoalState.PROPOSED:
        return True
    asks = goal.approvals.filter(state="open").exists()
    asks = asks or goal.questions.filter(state="open").exists()
    return asks and not goal.tasks.filter(state__in=("ready", "running")).exists()


def as_line(event):
    """One line for the terminal, or None for what only a page shows."""
    who = f"[{event.task.title}] " if event.task else ""
    data = event.data
    lines = {
        "file.problem": lambda: f"{data['file']}: {data['problem']}",
        "planning.started": lambda: "planning ...",
        "plan.proposed": lambda: f"{len(data['plans'])} plan(s) proposed",
        "task.started": lambda: f"started by {event.actor or 'the staff'}",
        "task.handed_on": lambda: f"handed on to {data['to']}: {data['instruction'][:80]}",
        "question.asked": lambda: "asks you: " + " / ".join([data["text"], *data["options"]]),
        "question.answered": lambda: f"answered: {data['answer']}",
        "budget.spent": lambda: data["reason"],
        "program.failed": lambda: f"program failed: {data['error']}",
        "effect.committed": lambda: data["summary"],
        "task.sent_back": lambda: "sent back: " + "; ".join(data["reasons"]),
        "task.retrying": lambda: f"trying again: {data['reason']}",
        "task.failed": lambda: f"failed: {data['reason']}",
        "task.done": lambda: "done",
        "goal.done": lambda: "goal done",
        "goal.failed": lambda: "goal failed",
    }
    return who + lines[event.kind]() if event.kind in lines else None


def elapsed_s(goal):
    return round((goal.ended_at - goal.created_at).total_seconds(), 1) if goal.ended_at else None


def expand(paths):
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
        else:
            yield path


def given_file(path):
    try:
        return dispatch.GivenFile(path.name, path.open("rb"), path.stat().st_size)
    except OSError as reason:
        raise CommandError(f"{path} cannot be read: {reason.strerror}.") from reason


def parse_deadline(text):
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is no date: write it like 2027-01-31T17:00.") from None
    return moment if moment.tzinfo else timezone.make_aware(moment)
