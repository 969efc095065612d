"""Typed readers of environment variables; a bad value stops the start with one clear line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

CHECKOUT = Path(__file__).resolve().parent.parent


def text(name: str, default: str) -> str:
    return os.environ.get(name, default)


def integer(name: str, default: int) -> int:
    raw = os.environ.get(name, "")
    try:
        return int(raw) if raw else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {raw!r}.") from None


def boolean(name: str, default: bool) -> bool:
    raw = os.environ.get(name, "").lower()
    known = {"": default, "1": True, "true": True, "yes": True, "0": False, "false": False}
    if raw not in known | {"no": False}:
        raise ImproperlyConfigured(f"{name} must be true or false, not {raw!r}.")
    return known.get(raw, False)


def names(name: str, default: list[str]) -> list[str]:
    raw = os.environ.get(name, "")
    return [part.strip() for part in raw.split(",") if part.strip()] or default


def pairs(name: str) -> dict[str, str]:
    """NAME=VALUE, separated by commas."""
    found = {}
    for pair in names(name, []):
        key, equals, value = pair.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise ImproperlyConfigured(f"{name} must be NAME=VALUE, separated by commas: {pair!r}.")
        found[key.strip()] = value.strip()
    return found


def data_folder() -> Path:
    """Where this installation keeps its database, files, logs and keys."""
    return Path(text("FORESTAFF_DATA", str(CHECKOUT / ".forestaff"))).expanduser().resolve()


def running_service(key: str) -> str:
    """Address of a service that `make up` started for this data folder, or ''."""
    try:
        return json.loads((data_folder() / "run" / "services.json").read_text()).get(key, "")
    except (OSError, ValueError):
        return ""


def secret_key() -> str:
    """The installation's own key, made on first use and kept readable by its owner only."""
    if given := os.environ.get("FORESTAFF_SECRET_KEY"):
        return given
    path = data_folder() / "secret_key"
    if not path.exists():
        from django.core.management.utils import get_random_secret_key

        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(f".{os.getpid()}")
        staged.touch(mode=0o600)
        staged.write_text(get_random_secret_key())
        try:
            os.link(staged, path)  # the first process wins, the others read its key
        except FileExistsError:
            pass
        finally:
            staged.unlink()
    return path.read_text()
