"""How a whole staff is served: our engine against llama-cpp-python's own class behind a lock and
llama.cpp's own server, side by side in one run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from orchestrator.inference import threads
from orchestrator.inference.base import Message
from orchestrator.inference.bench.contestants import ROOM, Locked, Ours, llama_server
from orchestrator.inference.bench.growth import growth
from orchestrator.inference.bench.workloads import AGENTS, Asked, Contestant, Sizes, Staff
from orchestrator.inference.llamacpp import LlamaCppEngine
from orchestrator.inference.shelf import PrefixShelf

SPIN = "while True: pass"
MOST_COMPARED = 64  # answers that are asked for again, one at a time
SHELF_BYTES = 2_000_000_000

Say = Callable[[str], None]


def run(
    path: Path, name: str, *, scale: float = 1.0, peer: Path | None = None, say: Say = print
) -> dict[str, Any]:
    """Measure one model. Ratios above 1 mean that we are faster, but for those of first tokens.

    scale: 1 is the size that the targets are set for; less is quicker and says less
    peer:  llama-server's binary; without it its ratios are None
    """
    with contextlib.ExitStack() as stack:
        ours = Ours(_engine(path, name))
        stack.callback(ours.engine.close)
        locked = Locked(path, ours.engine.ends)
        stack.callback(locked.close)
        contestants: list[Contestant] = [ours, locked]
        if peer is not None:
            contestants.append(stack.enter_context(llama_server(peer, path)))
        bench = Bench(ours, contestants, Sizes.scaled(scale), say)
        bench.workload("a", Staff.conversations)
        bench.workload("b", Staff.questions)
        bench.busy()
        answered = bench.answered
    return bench.figures | {
        "model": name,
        "scale": scale,
        "threads": threads.usable_cores(),
        "spin_count": os.environ.get("GOMP_SPINCOUNT", ""),
        "warm_restart_ratio": warm_restart(path, name, Sizes.scaled(scale)),
        "batch_identity": identity(path, name, answered),
    }


def endless(path: Path, name: str, minutes: float, *, scale: float = 1.0) -> dict[str, Any]:
    """Eight streams for so long, and how much memory they have cost at the end."""
    return growth(path, name, minutes, room=ROOM, sizes=Sizes.scaled(scale))


class Bench:
    """Runs each workload with each contestant, one after the other, and compares."""

    def __init__(self, ours: Ours, contestants: list[Contestant], sizes: Sizes, say: Say):
        self.figures: dict[str, Any] = {}
        self.answered: list[Asked] = []
        self._ours = ours
        self._contestants = contestants
        self._sizes = sizes
        self._say = say
        self._seeds = count(1)

    def workload(self, key: str, run: Callable[[Staff, Contestant], Any]) -> None:
        staff = self._staff()
        done = {}
        for contestant in self._contestants:
            staff.prepare(contestant)
            done[contestant.name] = run(staff, contestant)
            self._say(f"{key} {contestant.name}: {done[contestant.name].figures()}")
        ours = done["ours"]
        self.answered += ours.asked
        for name in ("locked", "llama_server"):
            theirs = done.get(name)
            self.figures[f"{key}_vs_{name}"] = theirs and _ratio(
                ours.tokens_per_s, theirs.tokens_per_s
            )
            self.figures[f"{key}_ttft_p95_vs_{name}"] = theirs and _ratio(
                ours.first_token_p95_s, theirs.first_token_p95_s
            )
        self.figures[f"{key}_tokens_per_s"] = round(ours.tokens_per_s, 2)
        worst = self.figures.get("ttft_p95_vs_locked", 0.0)
        self.figures["ttft_p95_vs_locked"] = max(worst, self.figures[f"{key}_ttft_p95_vs_locked"])

    def busy(self) -> None:
        """Workload B again, on a quiet machine and beside one busy process for each core."""
        speeds = []
        for processes in (0, threads.usable_cores()):
            staff = self._staff()
            staff.prepare(self._ours)
            with busy(processes):
                speeds.append(staff.questions(self._ours).tokens_per_s)
        self.figures["busy_ratio"] = _ratio(speeds[1], speeds[0])

    def _staff(self) -> Staff:
        return Staff(self._ours.engine.count_tokens, self._sizes, next(self._seeds))


def warm_restart(path: Path, name: str, sizes: Sizes) -> float:
    """Time to the first token of a new process that finds the staff's prefix on disk, over that of
    one that finds nothing."""
    with tempfile.TemporaryDirectory() as folder:

        def first_token_s(questions: int) -> float:
            shelf = PrefixShelf(Path(folder), "bench", SHELF_BYTES)
            engine = _engine(path, name, shelf=shelf)
            try:
                staff = Staff(engine.count_tokens, sizes, seed=1000)
                asked = [
                    Ours(engine).answer((staff.system, Message("user", f"Question {n}?")), 1)
                    for n in range(questions)
                ]
                return asked[0].first_token_s
            finally:
                engine.close()

        cold = first_token_s(2)  # the second question shows what is common, and it is kept
        return _ratio(first_token_s(1), cold)


def identity(path: Path, name: str, answered: list[Asked]) -> float:
    """The share of answers that come out the same, token for token, one at a time."""
    engine = _engine(path, name, sequences=1)
    sample = answered[:: max(1, len(answered) // MOST_COMPARED)]
    try:
        alone = Ours(engine)
        equal = [alone.answer(a.messages, a.max_tokens).text == a.text for a in sample]
    finally:
        engine.close()
    return round(sum(equal) / len(equal), 4)


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that each want a core for themselves."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _engine(
    path: Path, name: str, sequences: int = AGENTS, shelf: PrefixShelf | None = None
) -> LlamaCppEngine:
    return LlamaCppEngine(path, name=name, context_tokens=ROOM, sequences=sequences, shelf=shelf)


def _ratio(ours: float, theirs: float) -> float:
    return round(ours / theirs, 3)
