"""Work handed from one agent to another: what is asked, to whom it may go, and who waits for what.

Three things keep it from running on for ever: nobody is asked who waits already, the way from a
task of the plan is only so many hops long, and the tasks of a goal hand on only so much work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

MOST = 40  # pieces of work that the tasks of one goal may have handed on


class NotHandedOn(Exception):
    """The work cannot be handed on like this; nothing was. The message says why, and what to do,
    in words for the agent that asked."""


@dataclass(frozen=True)
class Request:
    """One piece of work for a colleague.

    to:     a role or a name
    tools:  the tools that whoever does it must be free to use
    inputs: files of the goal that it works on
    output: name of the file that it leaves; "" where its answer is all that is wanted
    """

    to: str
    skill: str
    title: str
    instruction: str
    tools: frozenset[str] = frozenset()
    inputs: tuple[str, ...] = ()
    output: str = ""

    def digest(self, contents: Mapping[str, str]) -> str:
        """The same for the same work on the same files.

        contents: SHA-256 of each file, by name
        """
        files = [(name, contents.get(name, "")) for name in self.inputs]
        asked = [self.to.casefold(), self.skill, self.instruction, files, self.output]
        canonical = json.dumps(asked, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class Hop:
    """One task on the way from a task of the plan down to whoever asks now."""

    task_id: int
    agent_id: int | None
    agent: str


@dataclass(frozen=True)
class Member:
    """An agent of the workspace. tools: empty means all; busy: tasks that it has open."""

    id: int
    name: str
    role: str
    tools: frozenset[str] = frozenset()
    busy: int = 0


def choose(staff: Sequence[Member], chain: Sequence[Hop], to: str, needs: Collection[str]) -> int:
    """The id of who takes work on: of those who are meant, may use the tools and do not wait
    already, the least busy.

    chain: from the task of the plan down to the one that asks
    needs: names of tools
    Raises NotHandedOn.
    """
    meant = [one for one in staff if to.casefold() in (one.name.casefold(), one.role.casefold())]
    if not meant:
        there = ", ".join(f"{one.name} ({one.role})" for one in staff)
        raise NotHandedOn(f'nobody in the staff is called "{to}"; there are {there}')
    waiting = {hop.agent_id for hop in chain}
    free = [one for one in meant if one.id not in waiting]
    if not free:
        raise NotHandedOn(_why_none(meant[0], chain))
    able = [one for one in free if not one.tools or one.tools.issuperset(needs)]
    if not able:
        missing = ", ".join(sorted(set(needs) - free[0].tools))
        raise NotHandedOn(f"{free[0].name} may not use {missing}, which this work needs")
    return min(able, key=lambda one: (one.busy, one.id)).id


def _why_none(meant: Member, chain: Sequence[Hop]) -> str:
    if meant.id == chain[-1].agent_id:
        return f"you are {meant.name} yourself: do it in this program"
    way = " → ".join(hop.agent for hop in chain)
    return f"{meant.name} waits for this very work ({way}): do it in this program"


def check_depth(depth_left: int, hops: int) -> None:
    """Raises NotHandedOn where work has come as far as it may.

    depth_left: how many more times it may be handed on
    hops:       how many times it was handed on already
    """
    if depth_left <= 0:
        times = f"was handed on {hops} time{'s' * (hops != 1)}" if hops else "is yours"
        raise NotHandedOn(f"this work {times} and may go no further: do it in this program")


def check_count(count: int) -> None:
    """Raises NotHandedOn where the tasks of a goal have handed on as much as they may."""
    if count >= MOST:
        raise NotHandedOn(
            f"{count} pieces of this goal's work were handed on, which is the most there may be: "
            "do it in this program"
        )


def awaited(after: Mapping[str, Iterable[str]], by: Iterable[str]) -> set[str]:
    """Keys of all that some tasks wait for, directly or through others.

    after: what each task waits for, by key
    """
    found: set[str] = set()
    waiting = list(by)
    while waiting:
        for key in after.get(waiting.pop(), ()):
            if key not in found:
                found.add(key)
                waiting.append(key)
    return found
