"""What is asked in the benchmark: eight agents who share a system prompt.

A: conversations of several turns, all agents at once; B: one question each. Texts are random
common words, the same for every contestant; each answer has exactly the tokens asked for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from orchestrator.inference.base import Message

AGENTS = 8
WORDS = (
    "the goal plan report table invoice vendor total month week note meeting owner budget cost "
    "price order date name list file page draft review answer question summary team office step "
    "task result check open paid late new old first last next early large small short long"
)


@dataclass(frozen=True)
class Sizes:
    """Tokens of each part. scale 1 is the size that the targets are set for."""

    prefix: int = 600
    own: int = 100
    turns: int = 6
    answer_a: int = 48
    answer_b: int = 64

    @classmethod
    def scaled(cls, scale: float) -> Sizes:
        full = cls()
        return cls(
            prefix=max(40, round(full.prefix * min(1, scale * 2))),
            own=max(20, round(full.own * min(1, scale * 2))),
            turns=max(2, round(full.turns * scale)),
            answer_a=max(8, round(full.answer_a * min(1, scale * 2))),
            answer_b=max(8, round(full.answer_b * min(1, scale * 2))),
        )


@dataclass(frozen=True)
class Asked:
    """One request and what came of it."""

    messages: tuple[Message, ...]
    max_tokens: int
    text: str = ""
    first_token_s: float = 0.0


class Contestant(Protocol):
    """Answers from many threads at once."""

    name: str

    def answer(self, messages: tuple[Message, ...], max_tokens: int) -> Asked:
        """first_token_s counts from the call, waiting for others included."""


@dataclass(frozen=True)
class Run:
    """What a contestant did with a workload."""

    asked: list[Asked]
    elapsed_s: float

    @property
    def tokens_per_s(self) -> float:
        return sum(each.max_tokens for each in self.asked) / self.elapsed_s

    @property
    def first_token_p95_s(self) -> float:
        ordered = sorted(each.first_token_s for each in self.asked)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]

    def figures(self) -> dict[str, Any]:
        return {
            "tokens_per_s": round(self.tokens_per_s, 2),
            "first_token_p95_s": round(self.first_token_p95_s, 3),
            "elapsed_s": round(self.elapsed_s, 1),
        }


class Texts:
    """Random words by the token; `count` counts tokens of a text."""

    def __init__(self, count: Callable[[str], int], seed: int):
        self._count = count
        self._random = random.Random(seed)

    def of(self, tokens: int) -> str:
        words: list[str] = []
        while (missing := tokens - self._count(" ".join(words))) > 0:
            words += self._random.choices(WORDS.split(), k=max(1, missing // 2))
        return " ".join(words)


class Staff:
    """One workload's agents: the system prompt that they share, and what each is asked."""

    def __init__(self, count: Callable[[str], int], sizes: Sizes, seed: int):
        texts = Texts(count, seed)
        self.sizes = sizes
        self.system = Message("system", texts.of(sizes.prefix))
        self._questions = [
            [Message("user", texts.of(sizes.own)) for _ in range(sizes.turns)]
            for _ in range(AGENTS)
        ]

    def prepare(self, contestant: Contestant) -> None:
        """Let the contestant compute the shared prefix: a staff's is there long before."""
        contestant.answer((self.system, Message("user", "Hello")), 1)

    def conversations(self, contestant: Contestant) -> Run:
        """Workload A."""

        def converse(questions: list[Message]) -> list[Asked]:
            history: tuple[Message, ...] = (self.system,)
            done = []
            for question in questions:
                asked = contestant.answer((*history, question), self.sizes.answer_a)
                history = (*asked.messages, Message("assistant", asked.text))
                done.append(asked)
            return done

        return self._together([partial(converse, questions) for questions in self._questions])

    def questions(self, contestant: Contestant) -> Run:
        """Workload B."""

        def ask(question: Message) -> list[Asked]:
            return [contestant.answer((self.system, question), self.sizes.answer_b)]

        return self._together([partial(ask, questions[0]) for questions in self._questions])

    def _together(self, jobs: list[Callable[[], list[Asked]]]) -> Run:
        started = time.perf_counter()
        with ThreadPoolExecutor(len(jobs)) as pool:
            done = [future.result() for future in [pool.submit(job) for job in jobs]]
        elapsed_s = time.perf_counter() - started
        return Run([asked for each in done for asked in each], elapsed_s)
