from django.conf import settings
from django.urls import reverse

from staff.actions import people
from web.management.house import HouseCommand, find_user


class Command(HouseCommand):
    help = "Print a link that signs a user in once, within 30 minutes."

    def add_arguments(self, parser):
        parser.add_argument("username", nargs="?", default="", help="default: the first boss")

    def handle(self, username, **options):
        secret = people.make_sign_in_link(find_user(username))
        self.stdout.write(settings.PUBLIC_URL.rstrip("/") + reverse("enter", args=[secret]))
