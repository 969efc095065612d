"""What a world is to the engine: observations, actions, transitions, and nothing else.

A world is an adapter. The engine never sees a name, only kinds, numbers and links; whatever has to
be legal is read from the world and never learned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class WorldModelError(Exception):
    """Something the boss can fix; the message says how."""


@dataclass(frozen=True)
class ActionKind:
    """name: for people; arity: how many tokens it points to."""

    name: str
    arity: int = 0


@dataclass(frozen=True)
class WorldSpec:
    """The shape of a world; part of a model's identity.

    token_kinds: kinds of tokens; empty if the world is seen as an image
    features:    numbers in [0, 1] that each token has, in order
    relations:   directed links between two tokens
    actions:     discrete actions with pointers; empty if actions are numbers
    action_size: numbers of a continuous action
    image:       (channels, height, width) of an image world
    outcomes:    of ("success", "seconds", "tokens"), what a transition is also judged by
    text_size:   numbers of a frozen text embedding for each token; 0 if there is none
    text_version: hash of the text encoder; another one makes another model
    """

    name: str
    token_kinds: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    actions: tuple[ActionKind, ...] = ()
    action_size: int = 0
    image: tuple[int, int, int] | None = None
    outcomes: tuple[str, ...] = ()
    text_size: int = 0
    text_version: str = ""

    @property
    def pointers(self) -> int:
        """The most tokens that one action points to."""
        return max((kind.arity for kind in self.actions), default=0)


@dataclass(frozen=True)
class TokenSet:
    """Typed tokens and the links between them; one set, or a batch with leading axes (...).

    kinds:     (..., N) index into spec.token_kinds
    features:  (..., N, F) numbers in [0, 1]
    relations: (..., R, N, N) 1 where the link r goes from token i to token j
    mask:      (..., N) 1 for a token, 0 for padding
    partial:   (...) 1 if what is not said may be either way: a goal
    text:      (..., N, T) frozen text embeddings, or None
    Arrays are numpy's or torch's.
    """

    kinds: Any
    features: Any
    relations: Any
    mask: Any
    partial: Any
    text: Any = None

    def __len__(self) -> int:
        return int(self.kinds.shape[-1])

    def take(self, index: Any) -> TokenSet:
        """Some of a batch."""
        return self.map(lambda array: array[index])

    def map(self, change: Any) -> TokenSet:
        """The same set with `change` applied to each array."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return TokenSet(**{k: None if v is None else change(v) for k, v in values.items()})


Image = np.ndarray  # (C, H, W) uint8; with a leading axis, a batch
Observation = TokenSet | Image


@dataclass(frozen=True)
class Action:
    """kind: index into spec.actions; pointers: token indices; values: of a continuous action."""

    kind: int = 0
    pointers: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Box:
    """Continuous actions: `size` numbers, each between -limit and limit."""

    size: int
    limit: float


@dataclass(frozen=True)
class Transition:
    """What one action really did.

    state: the state afterwards, as JSON; propensity: how likely the actor was to choose the action.
    """

    state: Any
    success: bool = True
    seconds: float = 0.0
    tokens: int = 0
    propensity: float = 1.0


class World(Protocol):
    """States are plain JSON, so that experience can be exported and read back."""

    spec: WorldSpec

    def observe(self, states: Sequence[Any]) -> Observation:
        """A batch of what can be seen of these states; sets are padded to the largest."""

    def goal(self, goals: Sequence[Any]) -> Observation:
        """A batch of goals, their tokens in the order of the states'; may be partial."""

    def actions(self, seen: Observation) -> list[Action] | Box:
        """What is legal where this one observation, real or imagined, holds."""

    def step(self, state: Any, action: Action, rng: np.random.Generator) -> Transition: ...

    def reached(self, seen: Observation, goals: Observation) -> np.ndarray:
        """(B) bool: which observations of a batch satisfy their goal."""

    def hindsight(self, seen: Observation, rng: np.random.Generator) -> Observation:
        """A batch of goals that these observations satisfy."""

    def key(self, seen: Observation) -> Hashable:
        """The same for observations that are the same place."""


def pad(sets: Sequence[TokenSet]) -> TokenSet:
    """One batch of single sets, padded to the largest."""
    size = max(len(one) for one in sets)

    def grown(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        widths = [(0, 0)] * array.ndim
        for axis in axes:
            widths[axis] = (0, size - array.shape[axis])
        return np.pad(array, widths)

    token_axis = {"kinds": (0,), "features": (0,), "relations": (1, 2), "mask": (0,), "text": (0,)}
    stacked: dict[str, Any] = {"partial": np.stack([np.asarray(one.partial) for one in sets])}
    for name, axes in token_axis.items():
        arrays = [getattr(one, name) for one in sets]
        whole = None if arrays[0] is None else np.stack([grown(a, axes) for a in arrays])
        stacked[name] = whole
    return TokenSet(**stacked)
