"""Experience: episodes as JSON lines, how they are split, and what training draws from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.worldmodel.base import (
    Action,
    Observation,
    TokenSet,
    World,
    WorldModelError,
    pad,
)

WorldOf = Callable[[dict[str, Any]], World]


@dataclass(frozen=True)
class Episode:
    """What happened in one go.

    family:   what kind of setting it was; held-out families are never trained on
    setting:  what the world is built from, as JSON
    states:   T+1 states as JSON; actions: T
    outcomes: T dicts with any of spec.outcomes, or empty
    at:       when it began, seconds since the epoch; 0 if that means nothing
    """

    family: str
    setting: dict[str, Any]
    states: list[Any]
    actions: list[Action]
    outcomes: list[dict[str, float]] = field(default_factory=list)
    at: float = 0.0

    def __len__(self) -> int:
        return len(self.actions)


def save(path: Path, episodes: Iterable[Episode]) -> str:
    """Write one episode a line; returns the SHA-256 of the file."""
    with path.open("w") as out:
        for episode in episodes:
            line = {
                "family": episode.family,
                "at": episode.at,
                "setting": episode.setting,
                "states": episode.states,
                "actions": [[a.kind, list(a.pointers), list(a.values)] for a in episode.actions],
                "outcomes": episode.outcomes,
            }
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    return digest(path)


def load(path: Path) -> list[Episode]:
    """Read what `save` wrote; a line that is not an episode is refused with its number."""
    episodes = []
    try:
        with path.open() as lines:
            for number, line in enumerate(lines, 1):
                episodes.append(_episode(line, f"{path}, line {number}"))
    except (OSError, UnicodeDecodeError) as reason:
        raise WorldModelError(f"{path}: cannot be read: {reason}") from reason
    if not episodes:
        raise WorldModelError(f"{path}: holds no experience; export it again")
    return episodes


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _episode(line: str, where: str) -> Episode:
    try:
        raw = json.loads(line)
        actions = [Action(kind, tuple(p), tuple(v)) for kind, p, v in raw["actions"]]
        states = raw["states"]
        if len(states) != len(actions) + 1:
            raise ValueError(f"{len(states)} states around {len(actions)} actions")
        return Episode(raw["family"], raw["setting"], states, actions, raw["outcomes"], raw["at"])
    except (ValueError, KeyError, TypeError) as reason:
        raise WorldModelError(f"{where}: not an episode ({reason}); export it again") from reason


def split_by_time(
    episodes: Sequence[Episode], newest: float = 0.2
) -> tuple[list[Episode], list[Episode]]:
    """(older, newest share): never random rows, or tomorrow would be learned from."""
    ordered = sorted(episodes, key=lambda episode: episode.at)
    cut = len(ordered) - max(1, round(len(ordered) * newest))
    return ordered[:cut], ordered[cut:]


def split_by_family(
    episodes: Sequence[Episode], held_out: Sequence[str]
) -> tuple[list[Episode], list[Episode]]:
    """(the others, the episodes of the families that are held out)."""
    inside = [episode for episode in episodes if episode.family not in held_out]
    return inside, [episode for episode in episodes if episode.family in held_out]


class Replay:
    """Frames of many episodes, and the draws that training makes from them.

    Half of a draw comes from the newest `recent` share of the windows, the rest from all of them; 0
    draws evenly. Sets are padded once; images are drawn when they are looked at.
    """

    def __init__(
        self,
        episodes: Sequence[Episode],
        world_of: WorldOf,
        rng: np.random.Generator,
        recent: float = 0.0,
    ) -> None:
        if not any(len(episode) for episode in episodes):
            raise WorldModelError("no experience yet: nothing to learn from")
        ordered = sorted(episodes, key=lambda episode: episode.at)
        self.rng, self.recent = rng, recent
        self.world = world_of(ordered[0].setting)
        self.states = [state for episode in ordered for state in episode.states]
        lengths = np.array([len(episode) + 1 for episode in ordered])
        self.first = np.repeat(np.cumsum(lengths) - lengths, lengths)  # of each frame's episode
        self.last = np.repeat(np.cumsum(lengths) - 1, lengths)
        self.actions = [a for e in ordered for a in [*e.actions, Action()]]  # one for each frame
        nothing: list[dict[str, float]] = [{}]
        self.outcomes = [o for e in ordered for o in (e.outcomes or nothing * len(e)) + nothing]
        groups: dict[str, int] = {}
        numbers = [groups.setdefault(json.dumps(e.setting), len(groups)) for e in ordered]
        self.group = np.repeat(numbers, lengths)  # frames whose goals are goals for each other
        self.members = [np.flatnonzero(self.group == number) for number in range(len(groups))]
        self.tokens: TokenSet | None = None
        if not self.world.spec.image:
            seen = [(world_of(e.setting), e.states) for e in ordered]
            singles = [
                batch.take(i)
                for world, states in seen
                for batch in [_tokens(world.observe(states))]
                for i in range(len(states))
            ]
            self.tokens = pad(singles)

    def __len__(self) -> int:
        """How many transitions there are."""
        return int((self.last > np.arange(len(self.last))).sum())

    def observe(self, frames: np.ndarray) -> Observation:
        """A batch of what was seen; frames: (B) indices."""
        if self.tokens is not None:
            return self.tokens.take(frames)
        return self.world.observe([self.states[i] for i in frames])

    def draw(self, count: int, steps: int) -> np.ndarray:
        """`count` first frames that have at least `steps` frames after them in their episode."""
        fit = np.flatnonzero(self.last - np.arange(len(self.last)) >= steps)
        if not len(fit):
            raise WorldModelError(f"no episode is {steps} steps long; record longer ones")
        half = count // 2 if self.recent else 0
        newest = fit[-max(1, int(len(fit) * self.recent)) :]
        return np.concatenate([self.rng.choice(newest, half), self.rng.choice(fit, count - half)])

    def later(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(goal frames, steps until then): later in the same episode, near ones oftener."""
        room = self.last[frames] - frames
        steps = np.ceil(room * self.rng.random(len(frames)) ** 2).astype(int).clip(1)
        steps = np.minimum(steps, room)
        return frames + steps, steps

    def elsewhere(self, frames: np.ndarray) -> np.ndarray:
        """Frames of the same setting, from any episode: goals that nothing says are near."""
        return np.array([self.rng.choice(self.members[self.group[i]]) for i in frames])


def _tokens(seen: Observation) -> TokenSet:
    assert isinstance(seen, TokenSet)
    return seen
