"""Which sequence holds which tokens: prefix sharing and least-recently-used eviction.

The KV cache is one pool of cells. A slot is one sequence in it; slots that begin alike share the
cells of the common prefix, so a prompt that the staff has in common is computed and stored once.
A finished slot keeps its tokens until the room is needed. Nothing here knows llama.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

WORTH_WAITING = 32  # tokens that another slot will have computed soon: wait and share them


class Memory(Protocol):
    """The KV cache that the bookkeeping here speaks for."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Let sequence `target`, which is empty, share the first `length` tokens of `source`."""

    def cut(self, sequence: int, length: int) -> None:
        """Keep only the first `length` tokens of a sequence."""


@dataclass(eq=False)
class Slot:
    """One sequence.

    tokens: what its part of the cache holds
    cells:  one id per token; slots that share a prefix hold the same ids
    prompt: what a live slot is computing or has computed
    limit:  most tokens that the live request may come to; 0 when idle
    """

    number: int
    tokens: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    prompt: Sequence[int] = ()
    limit: int = 0
    used_at: int = 0

    @property
    def live(self) -> bool:
        return self.limit > 0


class Sequences:
    """The slots of one context.

    slots:   sequences that may be live at once
    cells:   tokens that all slots together can hold
    sharing: False for models whose state cannot be cut at a token (recurrent ones)
    """

    def __init__(self, memory: Memory, *, slots: int, cells: int, sharing: bool = True):
        self.slots = [Slot(number) for number in range(slots)]
        self._memory = memory
        self._capacity = cells
        self._sharing = sharing
        self._new_cell = count()
        self._clock = count(1)

    def take(self, prompt: Sequence[int], limit: int) -> Slot | None:
        """A live slot that holds the longest known prefix of `prompt`, or None: not now.

        limit: tokens of prompt and answer together; their cells are set aside, so a request that
               got its slot never runs out of cache.

        The last token of the prompt is always left to compute, since its logits are needed. None
        means that every slot is live, that the cells are set aside for others, or that a live
        slot is about to compute a longer prefix of this prompt.
        """
        idle = sorted((s for s in self.slots if not s.live), key=lambda s: (s.used_at, s.number))
        if not idle:
            return None
        donor, shared = self._donor(prompt)
        if self._soon(prompt) - shared >= WORTH_WAITING:
            return None
        target = self._target(idle, donor, shared)
        self._cut(target, shared if target is donor else 0)
        needed = limit - shared
        for victim in idle:
            if self._free() >= needed:
                break
            if victim is not donor and victim is not target:
                self._cut(victim, 0)
        if self._free() < needed and not donor.live:
            target = donor  # without its tail the donor itself may just fit
            self._cut(donor, shared)
        if self._free() < needed:
            return None
        if target is not donor:
            self._share(donor, target, shared)
        donor.used_at = target.used_at = next(self._clock)
        target.prompt, target.limit = tuple(prompt), limit
        return target

    def append(self, slot: Slot, tokens: Sequence[int]) -> None:
        """Note that `tokens` are in the cache now, at the end of the slot's own."""
        slot.tokens.extend(tokens)
        slot.cells.extend(next(self._new_cell) for _ in tokens)

    def release(self, slot: Slot) -> None:
        """The request is done; its tokens stay until the room is needed."""
        slot.prompt, slot.limit = (), 0
        slot.used_at = next(self._clock)

    def clear(self) -> None:
        """Forget everything, for instance after a failed decode."""
        for slot in self.slots:
            slot.prompt, slot.limit = (), 0
            self._cut(slot, 0)

    def _donor(self, prompt: Sequence[int]) -> tuple[Slot, int]:
        """The slot that holds the longest prefix of all but the last token, and its length."""
        if not self._sharing:
            return self.slots[0], 0
        lengths = [common_prefix(slot.tokens, prompt[:-1]) for slot in self.slots]
        longest = max(lengths)
        return self.slots[lengths.index(longest)], longest

    def _soon(self, prompt: Sequence[int]) -> int:
        """Tokens of `prompt` that live slots hold or are about to compute."""
        if not self._sharing:
            return 0
        live = (slot for slot in self.slots if slot.live)
        return max((common_prefix(slot.prompt, prompt[:-1]) for slot in live), default=0)

    def _target(self, idle: Sequence[Slot], donor: Slot, shared: int) -> Slot:
        """Continue the donor if nothing of it is lost, else the slot that is missed least."""
        if not donor.live and shared == len(donor.tokens):
            return donor
        return next((slot for slot in idle if not slot.tokens), idle[0])

    def _share(self, donor: Slot, target: Slot, length: int) -> None:
        if length:
            self._memory.copy(donor.number, target.number, length)
        target.tokens, target.cells = donor.tokens[:length], donor.cells[:length]

    def _cut(self, slot: Slot, length: int) -> None:
        if len(slot.tokens) > length:
            self._memory.cut(slot.number, length)
            del slot.tokens[length:], slot.cells[length:]

    def _free(self) -> int:
        """Cells that are neither in use nor set aside for a live request."""
        used = len(set().union(*(slot.cells for slot in self.slots)))
        aside = sum(slot.limit - len(slot.tokens) for slot in self.slots if slot.live)
        return self._capacity - used - aside


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    for length, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return length
    return min(len(a), len(b))
