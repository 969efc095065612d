import json
import sys
from pathlib import Path

from django.core.management.base import CommandError

from orchestrator import memory as memories
from orchestrator import runtime
from orchestrator.inference.base import InferenceError
from orchestrator.intake import GivenFile
from orchestrator.memory import consolidation, exchange, library
from staff import queries
from staff.actions import memory
from staff.actions.consolidation import split
from staff.actions.memory import MemoryRefused
from staff.models import Memory
from staff.recall import narrowed, visible_to
from web.management.commands.goal import parse_deadline as parse_moment
from web.management.house import HouseCommand, find_user, find_workspace

SCOPES = "workspace, boss, team:NAME or agent:NAME"

OUTCOMES = {
    "new": "is being read",
    "version": "is being read as a new version",
    "retried": "is being read once more",
    "known": "is there already",
}


class Command(HouseCommand):
    help = "What the staff remembers: add, import, export, recall, forget."

    def add_arguments(self, parser):
        parser.add_argument("--user", default="")
        parser.add_argument("--workspace", type=int)
        verbs = parser.add_subparsers(dest="verb", required=True)
        take = verbs.add_parser("import", help="lines of JSON; bad ones are listed and left out")
        take.add_argument("file", help="a .jsonl file; - reads from standard input")
        take.add_argument("--scope", default="workspace", help=f"for lines without one: {SCOPES}")
        give = verbs.add_parser("export", help="lines of JSON to standard output")
        give.add_argument("--scope", default="", help=f"default: all that you may see; {SCOPES}")
        ask = verbs.add_parser("recall", help="search")
        ask.add_argument("query")
        ask.add_argument("-k", type=int, default=10)
        ask.add_argument("--scope", default="", help=SCOPES)
        ask.add_argument("--as-of", help="ISO date and time: what held then")
        ask.add_argument("--past", action="store_true", help="superseded facts as well")
        ask.add_argument("--json", action="store_true")
        add = verbs.add_parser("add", help="documents, to be read in the background")
        add.add_argument("files", nargs="+", help="pdf, docx, xlsx, pptx, html, md, txt, csv, eml")
        add.add_argument("--scope", default="workspace", help=SCOPES)
        merge = verbs.add_parser("consolidate", help="make one of facts in several wordings")
        merge.add_argument("--scope", default="", help=f"default: all that you may see; {SCOPES}")
        merge.add_argument("--without-model", action="store_true", help="only what code can tell")
        part = verbs.add_parser("split", help="undo: the facts stand by themselves again")
        part.add_argument("ids", nargs="+", type=int)
        drop = verbs.add_parser("forget", help="purge memories by their numbers, for good")
        drop.add_argument("ids", nargs="+", type=int)

    def handle(self, verb, user, workspace, **options):
        self.user = find_user(user)
        self.workspace = find_workspace(self.user, workspace)
        try:
            getattr(self, f"do_{verb}")(options)
        except (MemoryRefused, InferenceError) as reason:
            raise CommandError(str(reason)) from reason

    def sight(self, scope=""):
        sight = visible_to(self.user, self.workspace)
        return narrowed(sight, scope) if scope else sight

    def do_import(self, options):
        with opened(options["file"]) as file:
            report = exchange.import_lines(self.workspace, self.user, file, options["scope"])
        for line, reason in report.notes:
            self.stderr.write(f"line {line}: kept, but {reason}")
        for line, reason in report.bad:
            self.stderr.write(f"line {line}: {reason}")
        told = ", ".join(f"{count} {outcome}" for outcome, count in report.outcomes.items())
        self.stdout.write(f"remembered: {told or 'nothing'}; {len(report.bad)} bad lines left out")
        if report.bad:
            raise SystemExit(1)

    def do_add(self, options):
        scope, bad = memory.scope_named(self.workspace, self.user, options["scope"]), 0
        for name in options["files"]:
            with opened(name) as file:
                given = GivenFile(Path(name).name, file, Path(name).stat().st_size)
                try:
                    kept = library.add(scope, self.user, given)
                    self.stdout.write(f"{kept.document.name}: {OUTCOMES[kept.outcome]}")
                except MemoryRefused as reason:
                    self.stderr.write(str(reason))
                    bad += 1
        if bad:
            raise SystemExit(1)

    def do_export(self, options):
        found = queries.memories_of(self.sight(options["scope"])).reverse()
        for line in exchange.export_lines(found.iterator()):
            self.stdout.write(line)

    def do_recall(self, options):
        as_of = parse_moment(options["as_of"])
        found = memories.recall(
            self.sight(options["scope"]),
            options["query"],
            options["k"],
            as_of=as_of,
            with_past=options["past"],
        )
        for each in found:
            if options["json"]:
                row = exchange.as_row(each.memory)
                self.stdout.write(
                    json.dumps(row | {"score": each.score, "why": each.why}, ensure_ascii=False)
                )
            else:
                who = each.memory.actor or each.memory.subject or each.memory.kind
                line = " ".join(each.memory.text.split())[:160]
                said = f"{each.memory.said_at:%Y-%m-%d}"
                self.stdout.write(f"{each.memory.pk:>7}  {each.score:5.2f}  {said}  {who}: {line}")

    def do_consolidate(self, options):
        model = None if options["without_model"] else runtime.chat_model()
        for scope in queries.scopes_in(self.sight(options["scope"])):
            report = consolidation.consolidate(scope, model)
            for kept, other in report.merged:
                self.stdout.write(f"{other} stepped back behind {kept}")
            rest = "" if report.is_complete else "; not all was compared, run it again"
            self.stdout.write(f"{scope}: {len(report.merged)} merged, {report.asked} asked{rest}")

    def do_split(self, options):
        sight = self.sight()
        for pk in options["ids"]:
            found = queries.memories_of(sight).filter(pk=pk).first()
            if found is None or not split(found, by=self.user.get_username()):
                self.stderr.write(f"memory {pk} did not step back behind another, or cannot return")
            else:
                self.stdout.write(f"{pk} stands by itself again")

    def do_forget(self, options):
        sight, gone = self.sight(), 0
        for pk in options["ids"]:
            try:
                gone += memory.forget([queries.memory_of(sight, pk)], by=self.user.get_username())
            except Memory.DoesNotExist:
                self.stderr.write(f"there is no memory {pk} here")
        self.stdout.write(f"forgotten: {gone}, with all that was drawn from them")


def opened(name):
    try:
        return sys.stdin.buffer if name == "-" else Path(name).open("rb")
    except OSError as reason:
        raise CommandError(f"{name} cannot be read: {reason.strerror}.") from reason
