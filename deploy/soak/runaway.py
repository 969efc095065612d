"""Promise P10: work without measure stops exactly at its cap and asks the boss; raised, it goes on
to the new cap. Also when workers die in the middle.

Each run is a goal with one cap and a model that never has enough: it writes and never stops
(tokens), asks again or hands on for ever (steps), takes its time (seconds), or hands its work to
the next colleague, who does the same (depth). What exact means:

- tokens and steps: used is the cap, to the last one. The caps lie where an answer can be cut; with
  less left than a prompt takes, nothing is started, and used stays below.
- seconds: used is the cap, and at most the token more in which it was reached (`TOKEN_S`): a token
  is not cut in two.
- depth: the chain has as many hops as the cap; the last one is refused another and does the work
  itself, so there is nothing to ask the boss and nothing to raise.

What a worker had used of a call when it died is not charged: only what is written down counts.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.soak import scripts
from deploy.soak.house import House, HouseFailed
from deploy.soak.outcome import Outcome, say
from staff import crashes

# kind -> what the goal says, the skill of its step, how many runs
KINDS = {
    "tokens": ("Write on", "answer-question", 25),
    "steps": ("Ask on", "answer-question", 13),
    "steps by delegation": ("Delegate on", "hand-on", 12),
    "seconds": ("Take your time", "answer-question", 25),
    "depth": ("Hand it on: hop 0", "hand-on", 25),
}
COLUMNS = {
    "tokens": "token_cap tokens_used",
    "steps": "step_cap steps_used",
    "steps by delegation": "step_cap steps_used",
    "seconds": "second_cap seconds_used",
}
DEEPEST = 6
TOKEN_S = 1.0  # a word of the script takes 0.05 s, and far more while everything starts anew
KILLS = 20  # by us; the crash points come on top
CRASH_AT = ",".join(f"{point}:0.01" for point in crashes.POINTS if not point.startswith("nudge"))
STOPPED_WITHIN_S = 300.0
WORKERS, THREADS = 2, 4


@dataclass
class Run:
    """One goal. seen: (cap, used) at each stop"""

    kind: str
    goal_id: int
    cap: int
    seen: list[tuple[int, float]] = field(default_factory=list)

    @property
    def is_raised(self) -> bool:
        """Whether it is a cap that the boss can raise."""
        return self.kind in COLUMNS


def house(scale: float) -> House:
    made = House(
        workers=WORKERS,
        threads=THREADS,
        env={"FORESTAFF_SCRIPT": "deploy.soak.scripts:runaway", "FORESTAFF_CRASH_AT": CRASH_AT},
    )
    for name, program in made.programs.items():
        if name.startswith("staff"):
            program.command += ["-I", scripts.__name__]
    return made


def run(house: House, scale: float, outcome: Outcome) -> None:
    house.use_here()
    hire_hops()
    house.start_all()
    chance = random.Random(1)
    prompt_tokens = calibrate(house)
    runs = [
        submit(kind, prompt_tokens, chance)
        for kind, (_, _, count) in KINDS.items()
        for _ in range(max(2, round(count * scale)))
    ]
    kills = max(2, round(KILLS * scale))
    say(f"{len(runs)} runs; an endless answer has a prompt of {prompt_tokens} tokens")
    watch(house, runs, 1, kills, chance)
    for each in runs:
        if each.is_raised:
            raise_cap(each, prompt_tokens, chance)
    say("all have stopped; their caps are raised")
    watch(house, [each for each in runs if each.is_raised], 2, kills, chance)
    judge(house, runs, outcome)


def watch(house: House, runs: Sequence[Run], stops: int, kills: int, chance: random.Random) -> None:
    """Wait until all runs have stopped, and kill workers meanwhile. Notes where they stopped."""
    before = len(house.restarts)
    moments = sorted(chance.uniform(0, 0.9) * len(runs) for _ in range(kills // 2))
    end = time.monotonic() + STOPPED_WITHIN_S
    while open_runs := [each for each in runs if len(each.seen) < stops]:
        if time.monotonic() > end:
            kinds = Counter(each.kind for each in open_runs)
            raise HouseFailed(f"these did not stop: {dict(kinds)}")
        for each in open_runs:
            if is_still(each):
                each.seen.append(used(each))
        stopped = len(runs) - len(open_runs)
        if len(house.restarts) - before < sum(moment <= stopped for moment in moments):
            kill_one(house, chance)
        time.sleep(0.2)
    for each in runs:  # and it stays so
        if used(each) != each.seen[-1]:
            each.seen[-1] = used(each)


def kill_one(house: House, chance: random.Random) -> None:
    name = chance.choice([n for n in house.programs if n.startswith("staff")])
    before = len(house.restarts)
    try:
        house.kill(name)
    except HouseFailed:
        return  # it is dead already
    house.until(f"{name} starts again", lambda: len(house.restarts) > before, 10)


def judge(house: House, runs: Sequence[Run], outcome: Outcome) -> None:
    exact, stops = Counter[str](), Counter[str]()
    for each in runs:
        for cap, amount in each.seen:
            stops[each.kind] += 1
            exact[each.kind] += is_exact(each.kind, cap, amount)
    over_s = max(used - cap for each in runs if each.kind == "seconds" for cap, used in each.seen)
    asked, doubled = questions_and_reservations()
    outcome.note(
        runs=len(runs),
        stops=stops.total(),
        exact_stops=exact.total(),
        exact_by_kind={kind: f"{exact[kind]} of {stops[kind]}" for kind in KINDS},
        runs_exact=sum(all(is_exact(e.kind, *seen) for seen in e.seen) for e in runs),
        most_seconds_over=round(over_s, 2),
        asked_the_boss=asked,
        restarts=len(house.restarts),
    )
    for each in runs:
        wrong = [seen for seen in each.seen if not is_exact(each.kind, *seen)]
        outcome.check(not wrong, f"{each.kind}, goal {each.goal_id}: cap and used are {wrong}")
    outcome.check(doubled == 0, f"{doubled} budgets hold reservations of nobody")
    outcome.check(bool(house.restarts), "no worker died")


def is_exact(kind: str, cap: int, amount: float) -> bool:
    if kind == "seconds":
        return cap <= amount <= cap + TOKEN_S
    return amount == cap


# What is asked of the database; inside the house only


def submit(kind: str, prompt_tokens: int, chance: random.Random) -> Run:
    from deploy.soak import cast, work

    text, skill, _ = KINDS[kind]
    cap = {
        "tokens": prompt_tokens + chance.randint(20, 300),
        "seconds": chance.randint(1, 3),
        "depth": chance.randint(1, DEEPEST),
    }.get(kind, chance.randint(3, 12))
    names = {"tokens": "token_budget", "seconds": "second_budget", "depth": "depth_budget"}
    role = "hop-0" if kind == "depth" else "assistant"
    step = work.lone_step(text, skill, role)
    caps = {names.get(kind, "step_budget"): cap}
    return Run(kind, work.submit(cast.office(), cast.boss(), text, [step], **caps), cap)


def raise_cap(run: Run, prompt_tokens: int, chance: random.Random) -> None:
    """The boss gives more. An endless answer is asked for again, and its prompt is paid again."""
    from deploy.soak import cast
    from staff.actions import goals

    more = {
        "tokens": prompt_tokens + chance.randint(20, 300),
        "seconds": chance.randint(1, 2),
    }.get(run.kind, chance.randint(1, 6))
    run.cap += more
    caps: dict[str, int | None] = dict.fromkeys(("token_budget", "second_budget", "step_budget"))
    caps[COLUMNS[run.kind].split("_")[0] + "_budget"] = run.cap
    goals.raise_budget(run.goal_id, cast.boss(), **caps)


def is_still(run: Run) -> bool:
    """Whether nothing of the goal goes on: it is over, or the boss was asked for more."""
    from staff.models import Goal, Task

    tasks = Task.objects.filter(goal=run.goal_id)
    if tasks.filter(state__in=("ready", "running")).exists():
        return False
    if not run.is_raised:
        return Goal.objects.filter(pk=run.goal_id).exclude(state="running").exists()
    return Goal.objects.get(pk=run.goal_id).questions.filter(kind="budget", state="open").exists()


def used(run: Run) -> tuple[int, float]:
    """(the cap, what was used of it), as the budget's row has it; of depth the longest chain."""
    from staff.models import Budget, Goal, Task

    if run.kind == "depth":
        if not Goal.objects.filter(pk=run.goal_id, state="done").exists():
            return run.cap, -1
        return run.cap, Task.objects.filter(goal=run.goal_id).exclude(parent=None).count()
    names = COLUMNS[run.kind].split()
    return Budget.objects.filter(goal=run.goal_id).values_list(*names).get()  # type: ignore[return-value]


def questions_and_reservations() -> tuple[int, int]:
    from django.db.models import Q

    from staff.models import Budget, Question

    reserved = Budget.objects.filter(Q(tokens_reserved__gt=0) | Q(seconds_reserved__gt=0))
    return Question.objects.filter(kind="budget").count(), reserved.count()


def hire_hops() -> None:
    """Colleagues in a row, each of whom can hand on to the next."""
    from deploy.soak import cast
    from staff.actions import agents
    from staff.models import Agent

    for hop in range(DEEPEST + 2):
        agents.save(Agent(workspace=cast.office()), name=f"Hop {hop}", role=f"hop-{hop}")


def calibrate(house: House) -> int:
    """Tokens of the prompt of an endless answer."""
    from deploy.soak import cast, work
    from staff.models import ModelCall

    text, skill, _ = KINDS["tokens"]
    step = work.lone_step(text, skill, "assistant")
    goal_id = work.submit(cast.office(), cast.boss(), text, [step], step_budget=1)
    calls = ModelCall.objects.filter(goal=goal_id, is_settled=True)
    house.until("the first model call is done", calls.exists, 60)
    return int(calls.values_list("prompt_tokens", flat=True)[0])
