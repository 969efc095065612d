"""Which sequence holds which tokens: prefix sharing and least-recently-used eviction.

Each slot is one sequence with a room of its own in the KV cache, so that an answer's attention
reads its own tokens only. A prompt that begins like what another slot holds gets a copy of that
part instead of computing it again; a finished slot keeps its tokens until the slot is needed.
Nothing here knows llama.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

LEFT = 2  # tokens of a prompt that are computed in any case
WORTH_WAITING = 32  # tokens that another slot will have computed soon: wait and copy them
WORTH_KEEPING = 64  # a tail shorter than this is dropped rather than another slot's tokens
WORTH_SHELVING = 128  # a prefix of so many tokens that prompts have in common outlives a restart


class Memory(Protocol):
    """The KV cache that the bookkeeping here speaks for."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Let sequence `target`, which is empty, begin with the first `length` of `source`."""

    def cut(self, sequence: int, length: int) -> None:
        """Keep only the first `length` tokens of a sequence."""

    def save(self, sequence: int) -> bytes:
        """A sequence's state, for `load`."""

    def load(self, sequence: int, state: bytes) -> bool:
        """Put a saved state into an empty sequence. False if it cannot be used."""


class Shelf(Protocol):
    """Prefixes that were computed before, perhaps by a process that is gone."""

    def longest(self, prompt: Sequence[int]) -> int:
        """How many tokens of `prompt` some prefix holds."""

    def take(self, prompt: Sequence[int]) -> tuple[Sequence[int], bytes] | None:
        """Tokens and state of the prefix that holds most of `prompt`; None if it is unusable."""

    def put(self, tokens: Sequence[int], state: bytes) -> None:
        """Keep a prefix."""


@dataclass(eq=False)
class Slot:
    """One sequence.

    tokens: what its part of the cache holds
    prompt: what a live slot is computing or has computed
    """

    number: int
    tokens: list[int] = field(default_factory=list)
    prompt: Sequence[int] = ()
    live: bool = False
    used_at: int = 0


class Sequences:
    """The slots of one context.

    slots:   sequences that may be live at once
    sharing: False for models whose state cannot be cut at a token (recurrent ones)
    """

    def __init__(
        self, memory: Memory, *, slots: int, sharing: bool = True, shelf: Shelf | None = None
    ):
        self.slots = [Slot(number) for number in range(slots)]
        self._memory = memory
        self._sharing = sharing
        self._shelf = shelf if sharing else None
        self._clock = count(1)

    def take(self, prompt: Sequence[int]) -> Slot | None:
        """A live slot that holds the longest known prefix of `prompt`, or None: not now.

        The last two tokens of the prompt are always left to compute: the logits after the last are
        needed, and a token alone is rounded otherwise than one of many. None
        means that every slot is live, or that a live slot is about to compute a longer prefix of
        this prompt.
        """
        idle = sorted((s for s in self.slots if not s.live), key=lambda s: (s.used_at, s.number))
        if not idle:
            return None
        known = prompt[:-LEFT]
        donor, shared = self._donor(known)
        if self._soon(known) - shared >= WORTH_WAITING:
            return None
        target = self._target(idle, donor, shared)
        self._cut(target, shared if target is donor else 0)
        if self._shelf and self._shelf.longest(known) - shared >= WORTH_WAITING:
            self._unshelve(self._shelf, target, known)
        if target is not donor and len(target.tokens) < shared:
            self._share(donor, target, shared)
            self._keep(donor, target, known)
        donor.used_at = target.used_at = next(self._clock)
        target.prompt, target.live = tuple(prompt), True
        return target

    def append(self, slot: Slot, tokens: Sequence[int]) -> None:
        """Note that `tokens` are in the cache now, at the end of the slot's own."""
        slot.tokens.extend(tokens)

    def release(self, slot: Slot) -> None:
        """The request is done; its tokens stay until the slot is needed."""
        slot.prompt, slot.live = (), False
        slot.used_at = next(self._clock)

    def clear(self) -> None:
        """Forget everything, for instance after a failed decode."""
        for slot in self.slots:
            slot.prompt, slot.live = (), False
            self._cut(slot, 0)

    def _donor(self, known: Sequence[int]) -> tuple[Slot, int]:
        """The slot that holds the longest prefix of `known`, and its length."""
        if not self._sharing:
            return self.slots[0], 0
        shared = {slot: common_prefix(slot.tokens, known) for slot in self.slots}
        donor = max(self.slots, key=lambda s: (shared[s], not s.live, -len(s.tokens)))
        return donor, shared[donor]

    def _soon(self, known: Sequence[int]) -> int:
        """Tokens of `known` that live slots hold or are about to compute."""
        if not self._sharing:
            return 0
        live = (slot for slot in self.slots if slot.live)
        return max((common_prefix(slot.prompt, known) for slot in live), default=0)

    def _target(self, idle: Sequence[Slot], donor: Slot, shared: int) -> Slot:
        """Continue the donor if next to nothing of it is lost, else the slot missed least.

        A conversation's last answer, tokenized again as text, may differ in its tokens: its slot
        is continued all the same, and no other conversation has to make room.
        """
        lost = len(donor.tokens) - shared
        if not donor.live and not lost:
            return donor
        empty = next((slot for slot in idle if not slot.tokens), None)
        if empty is not None:
            return empty
        return donor if not donor.live and lost < min(WORTH_KEEPING, shared) else idle[0]

    def _share(self, donor: Slot, target: Slot, length: int) -> None:
        self._cut(target, 0)
        self._memory.copy(donor.number, target.number, length)
        target.tokens = donor.tokens[:length]

    def _keep(self, donor: Slot, target: Slot, known: Sequence[int]) -> None:
        """Shelve what two different prompts have in common: what only one of them holds may be
        somebody's letter, and is nothing for a disk."""
        length = len(target.tokens)
        branches = length < len(known) and length < len(donor.tokens)
        if not (self._shelf and branches and length >= WORTH_SHELVING):
            return
        if self._shelf.longest(target.tokens) < length:
            self._shelf.put(target.tokens, self._memory.save(target.number))

    def _unshelve(self, shelf: Shelf, target: Slot, known: Sequence[int]) -> None:
        """Load what an earlier process computed, and keep as much of it as `known` begins with."""
        found = shelf.take(known)
        if found is None:
            return
        tokens, state = found
        self._cut(target, 0)
        if self._memory.load(target.number, state):
            target.tokens = list(tokens)
            self._cut(target, common_prefix(tokens, known))

    def _cut(self, slot: Slot, length: int) -> None:
        if len(slot.tokens) > length:
            self._memory.cut(slot.number, length)
            del slot.tokens[length:]


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    for length, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return length
    return min(len(a), len(b))
