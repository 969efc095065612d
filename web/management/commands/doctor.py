import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version

import psutil
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

MARKS = {True: "ok ", False: "BAD", None: "-- "}


class Command(BaseCommand):
    help = "Say what is installed, running and reachable, and how to mend what is not."
    requires_system_checks = []

    def handle(self, **options):
        self.bad = 0
        for check in (
            self.python,
            self.packages,
            self.machine,
            self.disk,
            self.database,
            self.broker,
            self.workers,
            self.web,
            self.model,
            self.device,
        ):
            try:
                check()
            except Exception as reason:  # a check that breaks is a finding, not a crash
                self.say(False, check.__name__, str(reason).splitlines()[0], "see the message")
        self.stdout.write("")
        self.stdout.write(f"{self.bad} problem(s) found" if self.bad else "all is well")
        if self.bad:
            raise SystemExit(1)

    def say(self, good, what, found, fix=""):
        self.bad += good is False
        self.stdout.write(f"{MARKS[good]} {what:12} {found}")
        if good is False and fix:
            self.stdout.write(f"    {'':12} fix: {fix}")

    def python(self):
        self.say(sys.version_info >= (3, 11), "python", sys.version.split()[0], "use 3.11 or newer")

    def packages(self):
        for name in ("django", "celery", "channels", "llama-cpp-python"):
            try:
                self.say(True, name, version(name))
            except PackageNotFoundError:
                self.say(False, name, "not installed", "make install")

    def machine(self):
        memory = psutil.virtual_memory()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        free = memory.available / 2**30
        self.say(True, "machine", f"{cores} core(s) usable, {free:.1f} GB of memory free")

    def disk(self):
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(settings.DATA_DIR).free / 1e9
        self.say(
            free > 2, "disk", f"{free:.1f} GB free at {settings.DATA_DIR}", "free at least 2 GB"
        )

    def database(self):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW server_version")
                (found,) = cursor.fetchone()
                cursor.execute("SELECT count(*) FROM django_migrations")
            self.say(True, "database", f"PostgreSQL {found.split()[0]}")
        except Exception as reason:
            self.say(
                False,
                "database",
                f"does not answer ({str(reason).strip().splitlines()[0]})",
                "start the house with `make up`, or set DATABASE_URL to your own server",
            )

    def broker(self):
        from redis import Redis
        from redis.exceptions import RedisError

        try:
            found = Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=2).info("server")
            self.say(True, "broker", f"Valkey/Redis {found['redis_version']}")
        except (RedisError, OSError) as reason:
            self.say(
                False,
                "broker",
                f"does not answer ({reason})",
                "start the house with `make up`, or set REDIS_URL to your own server",
            )

    def workers(self):
        from orchestrator.celery import app

        try:
            found = app.control.inspect(timeout=2).ping() or {}
        except Exception:
            found = {}
        for kind in ("staff", "office"):
            here = [name for name in found if name.startswith(f"{kind}@")]
            self.say(
                bool(here),
                f"worker {kind}",
                ", ".join(here) or "none answers",
                f"`make up` starts it; its log is {settings.LOGS_DIR / kind}.log",
            )

    def web(self):
        import httpx

        if not settings.PUBLIC_URL:
            self.say(False, "web", "not started", "make up")
            return
        try:
            code = httpx.get(f"{settings.PUBLIC_URL}/healthz", timeout=3).status_code
            self.say(code == 200, "web", f"{settings.PUBLIC_URL} answers {code}", "see web.log")
        except httpx.HTTPError as reason:
            self.say(False, "web", f"{settings.PUBLIC_URL}: {reason}", "make up")

    def model(self):
        from orchestrator.inference.catalogue import Catalogue
        from orchestrator.runtime import default_model

        name = default_model()
        entry = Catalogue.load().get(name)
        path = entry.verified_path()
        found = f"{name} at {path}" if path else f"{name} is not on this machine"
        self.say(bool(path), "model", found, f"python manage.py models pull {name}")

    def device(self):
        import subprocess

        asked = "import llama_cpp; print(llama_cpp.llama_supports_gpu_offload())"
        done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
        gpu = done.stdout.strip().endswith("True")
        layers = settings.GPU_LAYERS
        self.say(
            not (layers > 0 and not gpu),
            "device",
            f"GPU, {'all' if layers < 0 else layers} layers" if gpu and layers else "CPU",
            "llama.cpp was built without a GPU back end: see docs/gpu.md",
        )
