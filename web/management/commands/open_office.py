from staff.actions import people
from web.management.house import HouseCommand


class Command(HouseCommand):
    help = "Make the first boss, a workspace and a template staff, unless they are there."

    def handle(self, **options):
        boss = people.open_office()
        self.stdout.write(f"{boss.username}: {boss.workspaces.first()}")
