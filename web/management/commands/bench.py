import json

import psutil
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestrator.inference.base import InferenceError
from orchestrator.inference.catalogue import Catalogue


class Command(BaseCommand):
    help = "Measure. The last line is one JSON object."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("name", choices=["inference"])
        parser.add_argument("--model", default=settings.DEFAULT_MODEL)

    def handle(self, name, **options):
        self.stdout.write(json.dumps(getattr(self, name)(options)))

    def inference(self, options):
        from orchestrator.inference import bench

        catalogue = Catalogue.load()
        wanted = options["model"] or catalogue.default(psutil.virtual_memory().total).name
        try:
            path = catalogue.get(wanted).verified_path()
        except InferenceError as reason:
            raise CommandError(str(reason)) from reason
        if path is None:
            raise CommandError(f"fetch it first: python manage.py models pull {wanted}")
        return bench.run(path, wanted)
