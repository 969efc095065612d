from datetime import timedelta

from django.core.management.base import CommandError
from django.utils import timezone

from staff.actions import people
from staff.models import ApiToken
from web.management.house import HouseCommand, find_user, find_workspace


class Command(HouseCommand):
    help = "Make, list and revoke API tokens."

    def add_arguments(self, parser):
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="print a new token; it is shown once")
        create.add_argument("name", nargs="?", default="command line")
        create.add_argument("--user", default="")
        create.add_argument("--workspace", type=int)
        create.add_argument("--scope", choices=ApiToken.Scope.values, default=ApiToken.Scope.ACT)
        create.add_argument("--days", type=int, help="expires after this many days")
        verbs.add_parser("list")
        revoke = verbs.add_parser("revoke")
        revoke.add_argument("id", type=int)

    def handle(self, verb, **options):
        getattr(self, verb)(options)

    def create(self, options):
        user = find_user(options["user"])
        days = options["days"]
        secret = people.make_token(
            user,
            find_workspace(user, options["workspace"]),
            options["name"],
            scope=options["scope"],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
        )
        self.stdout.write(secret)

    def list(self, options):
        for token in ApiToken.objects.select_related("user", "workspace").order_by("id"):
            state = "revoked" if token.revoked_at else "valid"
            used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never used"
            self.stdout.write(
                f"{token.pk}  {token.name}  {token.user} in {token.workspace}  {state}  {used}"
            )

    def revoke(self, options):
        token = ApiToken.objects.filter(pk=options["id"]).first()
        if token is None:
            raise CommandError(f"There is no token {options['id']}; see `token list`.")
        people.revoke_token(token)
        self.stdout.write(f"revoked {token.name}")
