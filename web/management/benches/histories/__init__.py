"""Long conversations of many people with questions whose evidence is known.

Two families of wording: `dev`, on which the ranking was tuned, and `held_out`, on which nothing
was. All that a history says comes from the TOML file of its family and a seed.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from staff.domain.words import terms

FAMILIES = ("dev", "held_out")
KINDS = ("single", "paraphrase", "multi_hop", "temporal", "value_change")
START = datetime(2025, 1, 6, 9, tzinfo=UTC)
DAYS = 400
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Turn:
    text: str
    actor: str
    said_at: datetime
    thread: str


@dataclass(frozen=True)
class Question:
    """evidence: groups of turns, as numbers; a group is found when one of its turns is.

    subject, topic: what a value_change question is about
    """

    text: str
    kind: str
    evidence: tuple[frozenset[int], ...]
    subject: str = ""
    topic: str = ""


@dataclass(frozen=True)
class Held:
    """That somebody has a value of a topic, said in one turn."""

    person: str
    topic: str
    value: str
    turn: int


@dataclass(frozen=True)
class History:
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]
    values: tuple[Held, ...]  # in the order in which they were said
    asked_at: datetime


@cache
def family(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text())


def make(name: str, seed: int, turns: int = 1500, people: int = 8) -> History:
    """A history of about so many turns in a little over a year, and its questions."""
    return _Writer(family(name), random.Random(f"{name} {seed}"), people).write(turns)


def shared_words(name: str) -> list[tuple[str, str, set[str]]]:
    """Where a question that should not share words with its evidence does: question, evidence,
    words. The histories are honest if this is empty."""
    data = family(name)
    found = []
    for topic in data["topic"]:
        said = topic["says"] + topic["answers"] + topic.get("changes", [])
        texts = [text.format(v=v, w=v) for text in said for v in topic["values"]]
        for question in topic["paraphrases"]:
            asked = set(terms(question.format(n="")))
            found += [(question, t, common) for t in texts if (common := asked & set(terms(t)))]
    for question in data["temporal"]:
        asked = set(terms(question.format(n="", when="")))
        found += [(question, t, c) for t in data["events"] if (c := asked & set(terms(t)))]
    return found


@dataclass
class _Bit:
    """Something to be said on a day. key marks it, so that questions can point at it."""

    actor: str
    text: str
    on: datetime
    key: tuple[Any, ...]
    prompt: str = ""


@dataclass
class _Writer:
    data: dict[str, Any]
    chance: random.Random
    people_count: int
    bits: list[_Bit] = field(default_factory=list)
    asked: list[tuple[str, str, list[list[tuple[Any, ...]]], str, str]] = field(
        default_factory=list
    )
    held: list[tuple[str, str, str, tuple[Any, ...]]] = field(default_factory=list)

    def write(self, count: int) -> History:
        self.people = self.chance.sample(self.data["people"], self.people_count)
        for person in self.people:
            self.tell_topics(person)
            self.tell_events(person)
            self.tell_opinions(person)
        self.tell_relations()
        turns, places = self.converse(count)
        questions = [
            Question(
                text,
                kind,
                tuple(frozenset(places[key] for key in group) for group in evidence),
                subject,
                topic,
            )
            for text, kind, evidence, subject, topic in self.asked
        ]
        values = sorted(
            (Held(person, topic, value, places[key]) for person, topic, value, key in self.held),
            key=lambda held: held.turn,
        )
        return History(tuple(turns), tuple(questions), tuple(values), START + (DAYS + 2) * DAY)

    def tell_topics(self, person: str) -> None:
        known = self.chance.sample(self.data["topic"], len(self.data["topic"]) * 3 // 5)
        for topic in known:
            if "changes" in topic and self.chance.random() < 0.6:
                self.change(person, topic)
            else:
                self.state(person, topic)

    def state(self, person: str, topic: dict[str, Any]) -> None:
        """One value, said once or twice in different ways."""
        value = self.chance.choice(topic["values"])
        forms = self.chance.sample(range(3), self.chance.choice([1, 1, 2]))
        keys = []
        for form in forms:
            keys.append(self.say(person, topic, value, form))
            if form < 2 and self.chance.random() < 0.5:
                text = topic["asks"][form].format(n=self.name(person))
                self.ask(text, "single", [[keys[-1]]])
        if self.chance.random() < 0.5:
            text = self.chance.choice(topic["paraphrases"]).format(n=self.name(person))
            self.ask(text, "paraphrase", [keys])

    def change(self, person: str, topic: dict[str, Any]) -> None:
        """Two or three values, one after the other; asked for is the last."""
        values = self.chance.sample(topic["values"], self.chance.choice([2, 2, 3]))
        days = sorted(self.chance.sample(range(10, DAYS - 10), len(values)))
        key = self.say(person, topic, values[0], self.chance.randrange(3), days[0])
        for old, new, day in zip(values, values[1:], days[1:], strict=False):
            text = self.chance.choice(topic["changes"]).format(v=new, w=old)
            key = self.put(person, text, day, ("value", person, topic["key"], day))
            self.held.append((person, topic["key"], new, key))
        asked = self.chance.choice(topic["paraphrases"]).format(n=self.name(person))
        now = self.chance.choice([" now?", " at the moment?", " today?", "?"])
        text = asked.removesuffix("?") + now
        self.ask(text, "value_change", [[key]], person, topic["key"])

    def say(
        self, person: str, topic: dict[str, Any], value: str, form: int, day: int | None = None
    ) -> tuple[Any, ...]:
        """form: one of the two statements, or 2 for the answer to a question of somebody else"""
        day = self.chance.randrange(DAYS) if day is None else day
        text = (topic["says"] + topic["answers"])[form].format(v=value)
        key = ("value", person, topic["key"], day, form)
        self.put(person, text, day, key, topic["prompt"] if form == 2 else "")
        self.held.append((person, topic["key"], value, key))
        return key

    def tell_events(self, person: str) -> None:
        events = self.chance.sample(self.data["events"], 12)
        days = sorted(self.chance.sample(range(5, DAYS), len(events)))
        for at, (event, day) in enumerate(zip(events, days, strict=True)):
            late = self.chance.random() < 0.3
            text = f"Yesterday {event}." if late else f"{event[0].upper()}{event[1:]} today."
            key = self.put(person, text, day + late, ("event", person, day))
            others = days[:at] + days[at + 1 :]
            if self.chance.random() < 0.5 and (when := self.when(day, others)):
                text = self.chance.choice(self.data["temporal"])
                self.ask(text.format(n=self.name(person), when=when), "temporal", [[key]])

    def tell_opinions(self, person: str) -> None:
        for subject in self.chance.sample(self.data["subjects"], 3):
            opinions = self.chance.sample(self.data["opinions"], 4)
            days = sorted(self.chance.sample(range(5, DAYS), len(opinions)))
            asked = self.chance.randrange(len(days))
            for at, (opinion, day) in enumerate(zip(opinions, days, strict=True)):
                said = opinion.format(s=subject)
                key = self.put(
                    person, f"{said[0].upper()}{said[1:]}.", day, ("opinion", person, subject, day)
                )
                when = self.when(day, days[:at] + days[at + 1 :])
                if at == asked and when:
                    text = self.chance.choice(self.data["said"])
                    text = text.format(n=self.name(person), s=subject, when=when)
                    self.ask(text, "temporal", [[key]])

    def tell_relations(self) -> None:
        """Each person is bound to somebody; asked for is something that this one said."""
        for person in self.people:
            others = [each for each in self.people if each != person]
            for relation in self.chance.sample(self.data["relation"], 3):
                other = others.pop(self.chance.randrange(len(others)))
                text = self.chance.choice(relation["says"]).format(o=other.split()[0])
                day = self.chance.randrange(DAYS)
                bond = self.put(person, text, day, ("bond", person, relation["phrases"][0]))
                phrase = self.chance.choice(relation["phrases"]).format(n=self.name(person))
                for topic in self.chance.sample(self.data["topic"], len(self.data["topic"])):
                    keys = [k for p, t, _, k in self.held if (p, t) == (other, topic["key"])]
                    if keys and not any(len(key) == 4 for key in keys):  # nothing that changed
                        self.ask(self.about(phrase, topic, keys), "multi_hop", [[bond], keys])
                        break

    def about(self, phrase: str, topic: dict[str, Any], keys: list[tuple[Any, ...]]) -> str:
        """A question about somebody's value, half of the time in the words in which it was said."""
        form = self.chance.choice(keys)[-1]
        direct = form < 2 and self.chance.random() < 0.5
        return (topic["asks"][form] if direct else self.chance.choice(topic["paraphrases"])).format(
            n=phrase
        )

    def when(self, day: int, others: Sequence[int]) -> str:
        """Words for a span of time that holds this day and none of the others; "" for none."""
        date = START + day * DAY
        month = f"{date:%B %Y}"
        back = DAYS + 2 - day
        forms = [(0, f"on {date.day} {month}"), (0, f"on {date:%B} {date.day}, {date.year}")]
        if date.day <= 28:
            nth = ("first", "second", "third", "fourth")[(date.day - 1) // 7]
            forms.append((6, f"in the {nth} week of {month}"))
        forms.append((31, f"in {month}"))
        if 8 <= back <= 40:
            forms.append((6, f"{back // 7} week{'s' if back >= 14 else ''} ago"))
        margin, words = self.chance.choice(forms)
        return "" if any(abs(day - other) <= margin + 1 for other in others) else words

    def put(
        self, person: str, text: str, day: int, key: tuple[Any, ...], prompt: str = ""
    ) -> tuple[Any, ...]:
        self.bits.append(_Bit(person, text, START + day * DAY, key, prompt))
        return key

    def ask(
        self,
        text: str,
        kind: str,
        evidence: list[list[tuple[Any, ...]]],
        subject: str = "",
        topic: str = "",
    ) -> None:
        self.asked.append((text, kind, evidence, subject, topic))

    def name(self, person: str) -> str:
        return person if self.chance.random() < 0.3 else person.split()[0]

    def converse(self, count: int) -> tuple[list[Turn], dict[tuple[Any, ...], int]]:
        """Conversations in the order of time, each around one bit; and where each bit went."""
        self.bits.sort(key=lambda bit: bit.on)
        prompts = sum(bool(bit.prompt) for bit in self.bits)
        spare = max(0, count - len(self.bits) - prompts) / len(self.bits)
        turns: list[Turn] = []
        places: dict[tuple[Any, ...], int] = {}
        for number, bit in enumerate(self.bits):
            others = self.chance.sample([p for p in self.people if p != bit.actor], 2)
            moment = bit.on + timedelta(minutes=self.chance.randrange(8 * 60))
            fillers = int(spare) + (self.chance.random() < spare % 1)
            place = self.chance.randrange(fillers + 1)
            for at in range(fillers + 1):
                moment += timedelta(seconds=self.chance.randrange(20, 200))
                if at == place:
                    if bit.prompt:
                        text = f"{bit.prompt.rstrip()}"
                        turns.append(Turn(text, others[0], moment, f"talk {number}"))
                        moment += timedelta(seconds=30)
                    places[bit.key] = len(turns)
                    turns.append(Turn(self.dressed(bit.text), bit.actor, moment, f"talk {number}"))
                else:
                    who = self.chance.choice([bit.actor, *others])
                    turns.append(Turn(self.filler(), who, moment, f"talk {number}"))
        return turns, places

    def dressed(self, text: str) -> str:
        parts = [self.chance.choice(self.data["openers"]), text]
        parts.append(self.chance.choice(self.data["closers"]))
        return " ".join(part for part in parts if part)

    def filler(self) -> str:
        """Small talk. A tenth each is about a topic in general, and names a value that somebody
        may have; a quarter holds words as rare as any evidence."""
        draw, choice = self.chance.random(), self.chance.choice
        if draw < 0.1:
            return self.dressed(choice(choice(self.data["topic"])["chatter"]))
        if draw < 0.2:
            value = choice(choice(self.data["topic"])["values"])
            return self.dressed(choice(self.data["gossip"]).format(v=value))
        if draw < 0.45:
            things = self.chance.sample(self.data["things"], 3)
            return self.dressed(
                choice(self.data["odd"]).format(**dict(zip("xyz", things, strict=True)))
            )
        parts = (self.data["filler_who"], self.data["filler_did"], self.data["filler_tail"])
        return self.dressed(" ".join(map(choice, parts)) + ".")


def crowd(name: str, seed: int, count: int) -> Iterator[Turn]:
    """Endless small talk of many people, to make a memory large."""
    writer = _Writer(family(name), random.Random(f"crowd {name} {seed}"), 2)
    writer.people = writer.data["people"]
    for number in range(count):
        moment = START + timedelta(seconds=300 * number)
        actor = writer.chance.choice(writer.people)
        yield Turn(f"{writer.filler()} ({number})", actor, moment, f"crowd {number // 12}")
