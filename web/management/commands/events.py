from datetime import timedelta

from django.conf import settings
from django.core.management.base import CommandError

from staff.actions import archive
from web.management.house import HouseCommand

BATCH = 20_000


class Command(HouseCommand):
    help = "Look after the goals' streams."

    def add_arguments(self, parser):
        verbs = parser.add_subparsers(dest="verb", required=True)
        roll_up = verbs.add_parser(
            "archive", help="roll up the events of goals that ended long ago"
        )
        roll_up.add_argument(
            "--older-than", type=float, metavar="DAYS", default=settings.ARCHIVE_AFTER_DAYS
        )

    def handle(self, verb, older_than, **options):
        if not 0 <= older_than < 36_500:
            raise CommandError(f"{older_than:g} is no number of days: use 0 or more.")
        total = 0
        while count := archive.roll_up(timedelta(days=older_than), most_events=BATCH):
            total += count
            if count >= BATCH:
                self.stdout.write(f"{total} events so far")
        self.stdout.write(f"archived {total} events")
