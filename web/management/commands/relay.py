from orchestrator import relay
from web.management.house import HouseCommand


class Command(HouseCommand):
    help = "Send committed nudges to the workers, for ever (the supervisor runs this)."

    def handle(self, **options):
        relay.run()
