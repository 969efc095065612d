"""What happens to the house while it works: how often, after how much work, to whom.

Disasters are spread over the work done, not over time: a house that makes no progress is left
alone, and then fails for that.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.soak.house import House, HouseFailed
from deploy.soak.outcome import say

VICTIMS = {"staff": 14, "relay": 3, "office": 2, "beat": 1}  # of 20 kills
AWAY_S = 2.0  # how long a service may stay away
FIRST, LAST = 0.02, 0.93  # of the work: before it all must be under way, after it all recovers
FREEZE_TRIES = 20
LAST_FREEZE = 0.5  # that needs a worker with work in its hands, which is not at every moment
SETTLED_S = 0.05  # what it had sent to the database when it froze is done by then
REAPED_AFTER_S = 12.0  # what a frozen worker held is given to another by then, after its lease


@dataclass
class Toll:
    """What has happened, in seconds of `time.time`.

    killed:   by us; the crash points come on top
    frozen:   (worker, from, until)
    outages:  of "database" and "broker": (from, until)
    """

    killed: Counter[str] = field(default_factory=Counter)
    frozen: list[tuple[str, float, float]] = field(default_factory=list)
    outages: dict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: {"database": [], "broker": []}
    )


class Disasters:
    """kills: how often a program dies, those that a crash point kills included"""

    def __init__(
        self,
        house: House,
        steps: int,
        *,
        kills: int,
        outages: dict[str, int],
        freezes: int,
        lease_s: float,
        holds: Callable[[str, float], bool],
        seed: int,
    ):
        self.house, self.lease_s, self.holds = house, lease_s, holds
        self.chance = random.Random(seed)
        self.toll = Toll()
        self.kills_at = self._moments(steps, kills)
        self.others = [(at, kind) for kind, n in outages.items() for at in self._moments(steps, n)]
        self.others += [(at, "freeze") for at in self._moments(steps, freezes, LAST_FREEZE)]
        self._thaw: tuple[str, float] | None = None  # (worker, since)

    def _moments(self, steps: int, count: int, last: float = LAST) -> list[int]:
        return sorted(round(steps * self.chance.uniform(FIRST, last)) for _ in range(count))

    @property
    def are_over(self) -> bool:
        killed = len(self.house.restarts) >= len(self.kills_at)
        return killed and not self.others and self._thaw is None

    def strike(self, done: int) -> None:
        """Let happen what is due after so many finished steps."""
        if self._thaw and time.time() > self._thaw[1] + self.lease_s + REAPED_AFTER_S:
            self.thaw()
        if len(self.house.restarts) < sum(at <= done for at in self.kills_at):
            self.kill()
        for disaster in [each for each in self.others if each[0] <= done]:
            if self._happens(disaster[1]):
                self.others.remove(disaster)

    def _happens(self, kind: str) -> bool:
        if kind == "freeze":
            return self.freeze()
        away_s, began = self.chance.uniform(0, AWAY_S), time.time()
        if kind == "database":
            self.house.crash_database(away_s=away_s)
        else:
            self.house.restart_broker(away_s=away_s)
        self.toll.outages[kind].append((began, time.time()))
        return True

    def kill(self) -> None:
        """kill -9 of one program, at no particular moment of its life."""
        time.sleep(self.chance.uniform(0, 0.3))
        (kind,) = self.chance.choices(list(VICTIMS), list(VICTIMS.values()))
        frozen = self._thaw and self._thaw[0]
        names = [n for n in self.house.programs if n.startswith(kind) and n != frozen]
        name, before = self.chance.choice(names) if names else "", len(self.house.restarts)
        try:
            self.house.kill(name)
        except (HouseFailed, KeyError):
            return  # it is dead already, or the only one is frozen: somebody else later
        self.toll.killed[kind] += 1
        self.house.until(f"{name} starts again", lambda: len(self.house.restarts) > before, 10)

    def freeze(self) -> bool:
        """Stop a worker in the middle of its work, until its lease is over and its work is given
        to another. False if none is caught with work in its hands now."""
        if self._thaw:
            return False
        for _ in range(FREEZE_TRIES):
            name = self.chance.choice([n for n in self.house.programs if n.startswith("staff")])
            self.house.freeze(name)
            time.sleep(SETTLED_S)
            program = self.house.programs[name]
            lives_since = program.started_at + time.time() - time.monotonic()
            if program.is_running and self.holds(name, lives_since):
                say(f"{name} freezes")
                self._thaw = name, time.time()
                return True
            self.house.thaw(name)
            time.sleep(self.chance.uniform(0, 0.05))
        return False

    def thaw(self) -> None:
        assert self._thaw is not None
        name, since = self._thaw
        self.house.thaw(name)
        self.toll.frozen.append((name, since, time.time()))
        self._thaw = None
