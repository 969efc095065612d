from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from orchestrator.inference.base import ModelUnavailable, ModelUnknown
from orchestrator.inference.catalogue import Catalogue, Entry, Source, models_folder, sidecar

CONTENT = b"GGUF and the weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FORESTAFF_MODELS", str(tmp_path))
    return tmp_path


def entry(**changes) -> Entry:
    facts = {"name": "tiny", "file": "tiny.gguf", "sha256": SHA256, "size_bytes": len(CONTENT)}
    return Entry(**{**facts, "sources": (Source(kind="url", url="http://x"),), **changes})


def test_the_catalogue_is_complete_and_sound():
    entries = Catalogue.load().entries
    assert {e.name for e in entries} >= {"smollm2-135m-instruct", "qwen2.5-coder-1.5b-instruct"}
    for e in entries:
        assert len(e.sha256) == 64 and e.size_bytes and e.context_tokens and e.licence
        assert e.min_memory_bytes > 2 * e.size_bytes
        assert e.sources
        for source in e.sources:
            assert source.title and (source.parts == 1 or "{n}" in source.requirement)


@pytest.mark.parametrize(
    ("gigabytes", "name"),
    [
        (0.5, "smollm2-135m-instruct"),
        (2, "qwen2.5-coder-0.5b-instruct"),
        (3.8, "qwen2.5-coder-1.5b-instruct"),
        (64, "qwen2.5-coder-1.5b-instruct"),
    ],
)
def test_the_default_is_the_largest_that_fits(gigabytes, name):
    assert Catalogue.load().default(int(gigabytes * 1e9)).name == name


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelUnknown, match=r"'gpt'.*smollm2-135m-instruct.*hf:owner"):
        Catalogue.load().get("gpt")


def test_any_gguf_by_path_url_or_hub_name(tmp_path, folder):
    catalogue = Catalogue.load()
    path = tmp_path / "mine.gguf"
    path.write_bytes(CONTENT)
    assert catalogue.get(str(path)).verified_path() == path
    hub = catalogue.get("hf:owner/repo/deep/file.Q4.gguf")
    assert hub.sources == (Source("huggingface", repo="owner/repo", file="deep/file.Q4.gguf"),)
    assert hub.file == "file.Q4.gguf"
    web = catalogue.get("https://models.example/a%20b.gguf?download=1")
    assert web.file == "a b.gguf" and web.sources[0].kind == "url"


def test_the_models_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FORESTAFF_MODELS", str(tmp_path))
    assert models_folder() == tmp_path
    monkeypatch.delenv("FORESTAFF_MODELS")
    assert models_folder().parts[-2:] == ("forestaff", "models")


def test_a_file_is_hashed_once(folder, monkeypatch):
    path = folder / "tiny.gguf"
    assert entry().verified_path() is None
    path.write_bytes(CONTENT)
    assert entry().verified_path() == path
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert entry().verified_path() == path, "the sidecar spares the second hash"


def test_a_changed_file_is_hashed_again(folder):
    path = folder / "tiny.gguf"
    path.write_bytes(CONTENT)
    entry().verified_path()
    path.write_bytes(CONTENT.replace(b"weights", b"WEIGHTS"))
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelUnavailable, match=r"sha256.*models rm tiny"):
        entry().verified_path()


def test_a_sidecar_for_another_hash_does_not_count(folder):
    (folder / "tiny.gguf").write_bytes(CONTENT)
    entry().verified_path()
    with pytest.raises(ModelUnavailable, match="was expected"):
        entry(sha256="0" * 64).verified_path()


def test_what_is_no_gguf_is_refused(folder):
    (folder / "tiny.gguf").write_bytes(b"<html>not found</html>")
    with pytest.raises(ModelUnavailable, match="not a GGUF"):
        entry(sha256="").verified_path()


def test_remove(folder):
    path = folder / "tiny.gguf"
    path.write_bytes(CONTENT)
    entry().verified_path()
    assert entry().remove() == path
    assert not path.exists() and not sidecar(path).exists()
    assert entry().remove() is None


def test_the_boss_own_file_is_never_removed(tmp_path, folder):
    path = tmp_path / "mine.gguf"
    path.write_bytes(CONTENT)
    assert Catalogue.load().get(str(path)).remove() is None
    assert path.exists()
