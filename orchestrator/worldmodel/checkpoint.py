"""A model on disk: weights as safetensors and a card that says what they are and how they came."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from orchestrator.worldmodel.base import ActionKind, WorldModelError, WorldSpec
from orchestrator.worldmodel.data import digest
from orchestrator.worldmodel.model import ModelConfig, WorldModel

WEIGHTS, CARD = "model.safetensors", "card.json"


def code_version() -> str:
    """Hash of the engine's own source; the same code gives the same training."""
    folder = Path(__file__).parent
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def save(folder: Path, model: WorldModel, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write weights and card; `facts`: data hash, seeds, training, figures, negative results."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    card = {
        **model.card(),
        **facts,
        "code_version": code_version(),
        "torch": torch.__version__,
        "weights_sha256": digest(folder / WEIGHTS),
    }
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")
    return card


def load(folder: Path, spec: WorldSpec | None = None) -> tuple[WorldModel, dict[str, Any]]:
    """Read a model back, in evaluation mode, with its card.

    Raises WorldModelError if a file is missing or damaged, or if it was made for another world
    than `spec`.
    """
    card = read_card(folder)
    try:
        config = ModelConfig(**card["config"])
        made_for = _spec(card["spec"])
        expected = card["weights_sha256"]
    except (KeyError, TypeError) as reason:
        raise WorldModelError(f"{folder / CARD}: not a model's card ({reason})") from reason
    if spec is not None and made_for != spec:
        raise WorldModelError(
            f"{folder}: made for {made_for.name} as it was seen then; train a new one"
        )
    path = folder / WEIGHTS
    if not path.exists() or digest(path) != expected:
        raise WorldModelError(f"{path}: missing or damaged: not what its card says; train it again")
    model = WorldModel(made_for, config)
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as reason:
        raise WorldModelError(f"{path}: does not fit its card: {reason}") from reason
    model.eval()
    return model, card


def read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    try:
        card = json.loads(path.read_text())
    except (OSError, ValueError) as reason:
        raise WorldModelError(f"{path}: cannot be read: {reason}") from reason
    if not isinstance(card, dict):
        raise WorldModelError(f"{path}: not a model's card")
    return card


def _spec(raw: Mapping[str, Any]) -> WorldSpec:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    values["actions"] = tuple(ActionKind(**kind) for kind in raw["actions"])
    names = {field.name for field in dataclasses.fields(WorldSpec)}
    return WorldSpec(**{name: value for name, value in values.items() if name in names})
