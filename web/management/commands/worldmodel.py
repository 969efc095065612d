import json
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

TORCH_MISSING = "The world model needs PyTorch: run `make worldmodel` once (about 900 MB)."


class Command(BaseCommand):
    help = "World models of the benchmark worlds: train, evaluate, export, import."
    requires_system_checks = []

    def add_arguments(self, parser):
        verbs = parser.add_subparsers(dest="verb", required=True)
        train = verbs.add_parser("train", help="make experience and train on it")
        train.add_argument("world", help="blocksworld, tworooms or tworooms-random")
        train.add_argument("--seed", type=int, default=0)
        train.add_argument("--scale", type=float, default=1.0, help="below 1: shorter and worse")
        measure = verbs.add_parser("evaluate", help="fresh tasks; prints one JSON object")
        give = verbs.add_parser("export", help="weights, card and experience in one zip file")
        give.add_argument("archive")
        take = verbs.add_parser("import", help="unpack what export wrote, and check it")
        take.add_argument("archive")
        take.add_argument("--again", action="store_true", help="train again and compare")
        for verb in (train, measure, give, take):
            verb.add_argument("--folder", help="of the model; default: in the data folder")
        for verb in (train, measure):
            verb.add_argument("--tasks", type=int, default=30, help="how many to measure on")

    def handle(self, verb, **options):
        try:
            from orchestrator.worldmodel import shelf
            from orchestrator.worldmodel.base import WorldModelError
        except ImportError as reason:
            raise CommandError(TORCH_MISSING) from reason
        folder = Path(
            options["folder"] or settings.DATA_DIR / "worldmodel" / options.get("world", "model")
        )
        try:
            shown = getattr(self, f"do_{verb}")(shelf, folder, options)
        except WorldModelError as reason:
            raise CommandError(str(reason)) from reason
        self.stdout.write(json.dumps(shown, ensure_ascii=False))

    def do_train(self, shelf, folder, options):
        return shelf.train(
            options["world"],
            folder,
            self.stderr.write,
            options["seed"],
            options["scale"],
            options["tasks"],
        )

    def do_evaluate(self, shelf, folder, options):
        return shelf.evaluate(folder, options["tasks"])

    def do_export(self, shelf, folder, options):
        shelf.pack(folder, Path(options["archive"]))
        return {"exported": options["archive"]}

    def do_import(self, shelf, folder, options):
        card = shelf.unpack(Path(options["archive"]), folder)
        return shelf.reproduce(folder, self.stderr.write) if options["again"] else card
