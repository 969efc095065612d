import json
import os
import sys
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from orchestrator import dispatch
from orchestrator.inference.base import InferenceError
from orchestrator.inference.catalogue import Catalogue
from orchestrator.runtime import default_model
from staff.domain.lifecycle import OPEN_GOALS
from staff.models import Goal
from web.management.benches import memory as memory_bench
from web.management.benches.histories import FAMILIES
from web.management.commands.goal import elapsed_s, expand, given_file
from web.management.commands.worldmodel import TORCH_MISSING
from web.management.house import HouseCommand, find_user, find_workspace

SAMPLES = settings.BASE_DIR / "web" / "samples"
INVOICES = "Total these invoices per vendor, flag duplicates, and write me a one-page summary"


class Command(HouseCommand):
    help = "Measure. The last line is one JSON object."

    def add_arguments(self, parser):
        benches = parser.add_subparsers(dest="name", required=True)
        inference = benches.add_parser("inference", help="the engine alone; stop the house first")
        inference.add_argument(
            "--model", action="append", help="may be given several times; default: the house's"
        )
        inference.add_argument("--scale", type=float, default=1.0, help="1.0 is the full figure")
        inference.add_argument(
            "--minutes", type=float, help="only eight endless streams, to see whether memory grows"
        )
        inference.add_argument("--peer", type=Path, help="llama-server's binary, to compare with")
        invoices = benches.add_parser("invoices", help="the sample invoice goal in a running house")
        invoices.add_argument("--timeout", type=int, default=900, help="seconds")
        orchestration = benches.add_parser(
            "orchestration", help="the house without a model; it makes one of its own"
        )
        orchestration.add_argument("--scale", default="1.0", help="1.0 is the full figure")
        pages = benches.add_parser("pages", help="pages of very many goals; needs no `make up`")
        pages.add_argument("--scale", default="1.0", help="1.0 is 50,000 goals, a million events")
        worldmodel = benches.add_parser("worldmodel", help="a benchmark world; needs no house")
        worldmodel.add_argument("world", choices=["tworooms", "tworooms-random", "blocksworld"])
        worldmodel.add_argument("--problems", help="a folder of PDDL files; default: made ones")
        worldmodel.add_argument("--seeds", type=int, default=3)
        worldmodel.add_argument("--scale", type=float, default=1.0, help="below 1: shorter")
        memory = benches.add_parser("memory", help="recall, speed, isolation; needs no house")
        memory.add_argument(
            "--part", action="append", choices=list(memory_bench.PARTS), help="default: all"
        )
        memory.add_argument("--family", choices=FAMILIES, default="held_out")
        memory.add_argument("--seconds", type=float, default=60, help="of the four writers")
        memory.add_argument("--queries", type=int, default=10_000, help="of the leak test")
        memory.add_argument("--large", type=int, default=100_000, help="memories of the large one")

    def handle(self, name, **options):
        self.stdout.write(json.dumps(getattr(self, name)(options), ensure_ascii=False))

    def inference(self, options):
        """Each figure by the name of its model."""
        from orchestrator.inference import bench

        if not 0 < options["scale"] <= 1:
            raise CommandError("--scale must be above 0 and at most 1.")
        figures = {}
        for name in options["model"] or [default_model()]:
            try:
                found = self.one_model(bench, name, options)
            except InferenceError as reason:
                raise CommandError(str(reason)) from reason
            for key, value in found.items():
                figures.setdefault(key, {})[name] = value
        return figures

    def one_model(self, bench, name, options):
        path, scale = model_path(name), options["scale"]
        if options["minutes"]:
            return bench.endless(path, name, options["minutes"], scale=scale)
        return bench.run(path, name, scale=scale, peer=options["peer"], say=self.say)

    def say(self, line):
        self.stdout.write(line)
        self.stdout.flush()

    def orchestration(self, options):
        become("orchestration", options["scale"])

    def pages(self, options):
        become("pages", options["scale"])

    def worldmodel(self, options):
        try:
            from orchestrator.worldmodel import bench
            from orchestrator.worldmodel.base import WorldModelError
        except ImportError as reason:
            raise CommandError(TORCH_MISSING) from reason
        folder = Path(options["problems"]) if options["problems"] else None
        try:
            return bench.run(
                options["world"], self.stderr.write, options["seeds"], options["scale"], folder
            )
        except WorldModelError as reason:
            raise CommandError(str(reason)) from reason

    def memory(self, options):
        return memory_bench.run(
            self.stdout.write,
            options["part"] or list(memory_bench.PARTS),
            family=options["family"],
            seconds=options["seconds"],
            queries=options["queries"],
            large=options["large"],
        )

    def invoices(self, options):
        """Give the sample goal, wait, compare every total with the truth it was made from."""
        user = find_user()
        goal = dispatch.submit_goal(
            find_workspace(user),
            user,
            INVOICES,
            [given_file(path) for path in expand([SAMPLES / "invoices"])],
            autonomy=Goal.Autonomy.ACT,
        )
        end = time.monotonic() + options["timeout"]
        while goal.state in OPEN_GOALS and time.monotonic() < end:
            time.sleep(0.5)
            goal.refresh_from_db()
        expected = json.loads((SAMPLES / "expected.json").read_text())
        found = totals_of(goal)
        wrong = [
            key for key, value in expected["totals"].items() if value not in found.get(key, [])
        ]
        repeats = {row.get("source") for row in rows_of(goal, "duplicates.csv")}
        return {
            "model": default_model(),
            "state": goal.state,
            "elapsed_s": elapsed_s(goal),
            "totals": len(expected["totals"]),
            "totals_right": len(expected["totals"]) - len(wrong),
            "wrong": wrong,
            "extra": len(rows_of(goal, "totals.csv")) - len(expected["totals"]),
            "duplicates_right": repeats == set(expected["duplicates"][0][:1])
            or repeats == set(expected["duplicates"][0][1:]),
            "tokens_used": goal.budget.tokens_used,
        }


def model_path(name):
    path = Catalogue.load().get(name).verified_path()
    if path is None:
        raise CommandError(f"fetch it first: python manage.py models pull {name}")
    return path


def become(soak, scale):
    """Become the soak of that name: it makes a house of its own before it reads settings."""
    os.chdir(settings.BASE_DIR)
    os.execv(sys.executable, [sys.executable, "-m", "deploy.soak", soak, "--scale", scale])


def rows_of(goal, name):
    """The rows of a table that the goal has made; none if it has not."""
    import csv
    import io

    if not goal.artifacts.filter(name=name, origin="made").exists():
        return []
    text = dispatch.folder_of(goal).read(name).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def totals_of(goal):
    """Sums by "vendor|currency", as the truth names them: a vendor's name may carry a suffix."""
    expected = json.loads((SAMPLES / "expected.json").read_text())["totals"]
    found = {}
    for row in rows_of(goal, "totals.csv"):
        vendor, currency = row.get("vendor", ""), row.get("currency", "")
        for key in expected:
            name, _, code = key.partition("|")
            if vendor.casefold().startswith(name.casefold()) and code == currency:
                found.setdefault(key, []).append(amount(row.get("total", "")))
    return found


def amount(text):
    try:
        return str(Decimal(text).quantize(Decimal("0.01")))
    except InvalidOperation:
        return text
