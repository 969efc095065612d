"""The house's rules, executable: which room knows which, and what the light processes load."""

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_import_contracts_hold():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_web_process_loads_no_weights():
    code = (
        "import django; django.setup(); import web.asgi, web.urls, sys;"
        "print(sorted({'torch', 'llama_cpp'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_only_the_expected_stands_at_the_top():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()
    top = {name.split("/")[0] for name in listed}
    expected = {"manage.py", "pyproject.toml", "README.md", "staff", "orchestrator", "web"}
    expected |= {"tests", "deploy", "Makefile", "docs", "CHANGELOG.md", "LICENSE"}
    assert {name for name in top if not name.startswith(".")} <= expected


def test_migrations_are_complete(db):
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_streams_are_read_through_the_queries():
    """Event rows are only a part of a stream: what ended long ago is in its archive."""
    reading = re.compile(r"\bEvent\.objects|\bevent_set\b|\.events\.(filter|all)\b")
    allowed = {"staff/queries.py", "staff/actions/archive.py", "staff/actions/redaction.py"}
    rooms = (CHECKOUT / room for room in ("staff", "orchestrator", "web"))
    found = {
        str(path.relative_to(CHECKOUT))
        for room in rooms
        for path in room.rglob("*.py")
        if reading.search(path.read_text())
    }
    assert found <= allowed
