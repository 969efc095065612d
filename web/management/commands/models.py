from pathlib import Path

import psutil
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from orchestrator.inference import probe
from orchestrator.inference.base import InferenceError
from orchestrator.inference.catalogue import Catalogue
from orchestrator.inference.fetch import fetch_with_progress


class Command(BaseCommand):
    help = "List, fetch and remove the models that the staff runs on."
    requires_system_checks = []

    def add_arguments(self, parser):
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list")
        pull = verbs.add_parser("pull", help="fetch a model, with a progress bar")
        pull.add_argument("name", nargs="?", help="default: MODEL, else what fits this machine")
        remove = verbs.add_parser("rm")
        remove.add_argument("name")
        bench = verbs.add_parser("bench", help="the same as `bench inference --model NAME`")
        bench.add_argument("name")
        bench.add_argument("--scale", type=float, default=1.0)
        bench.add_argument("--peer", type=Path)

    def handle(self, verb, **options):
        self.catalogue = Catalogue.load()
        try:
            getattr(self, verb)(options)
        except InferenceError as reason:
            raise CommandError(str(reason)) from reason

    def list(self, options):
        for entry in self.catalogue.entries:
            here = state_of(entry)
            size = f"{entry.size_bytes / 1e6:,.0f} MB"
            self.stdout.write(f"{entry.name:34} {size:>9}  {entry.licence:12} {here}")

    def bench(self, options):
        call_command(
            "bench",
            "inference",
            model=[options["name"]],
            scale=options["scale"],
            peer=options["peer"],
            stdout=self.stdout,
        )

    def pull(self, options):
        memory = psutil.virtual_memory().total
        name = options["name"] or settings.DEFAULT_MODEL or self.catalogue.default(memory).name
        path = fetch_with_progress(self.catalogue.get(name))
        self.stdout.write(f"{name} is at {path}")

    def rm(self, options):
        path = self.catalogue.get(options["name"]).remove()
        self.stdout.write(f"removed {path}" if path else "it was not there")


def state_of(entry):
    """One word or two about the file on this machine."""
    try:
        path = entry.verified_path()
    except InferenceError as reason:
        return f"damaged: {reason}"
    if path is None:
        return "not fetched"
    reason = probe.quarantine_reason(path)
    return f"in quarantine: {reason}" if reason else "here"
