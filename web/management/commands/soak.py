import os
import sys

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Treat a house of its own badly and see whether it keeps a promise. Needs no `make up`."
    requires_system_checks = []

    def run_from_argv(self, argv):
        """Become the soak: it makes its own house first, and reads the settings of that one."""
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "deploy.soak", *argv[2:]])
