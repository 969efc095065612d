"""What a task sees of memory and adds to it: the house behind `tools.base.Memory`.

Everything that is given out goes on record with the task. Where nothing is remembered it costs one
question to the database and no token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils import timezone

from orchestrator import memory, runtime
from orchestrator.tools import notes
from orchestrator.tools.base import FileProblem, Files
from orchestrator.tools.notes import Note
from staff import queries
from staff.actions import memory as memories
from staff.actions.memory import Draft, Source, Vectors, scope_of
from staff.domain import ranking
from staff.models import Agent, Effect, Goal, Memory, Scope, Task
from staff.recall import NothingVisible, Recalled, Sight, visible_to

PROMPT_TOKENS = 1500  # of that prompt with its notes
ANSWER_TOKENS = 900  # of the notes from which a question is answered
LOOKED_AT = 24  # memories that are considered for a prompt
READ_BYTES = 100_000  # of an input that is compared with the notes
SAID_BY = {
    "boss": (Memory.Trust.BOSS, False),
    "document": (Memory.Trust.DOCUMENT, True),
    "staff": (Memory.Trust.AGENT, False),
}


class Notebook:
    """Memory for one attempt at one task.

    asked: what the task is to do; count: tokens of a text, as the task's model reads it
    """

    def __init__(self, task: Task, asked: str, files: Files, count: Callable[[str], int]):
        self.task, self.goal = task, task.goal
        self.asked = asked
        self.files = files
        self.count = count
        self._given: dict[int, Note] = {}

    @property
    def given(self) -> Sequence[Note]:
        return list(self._given.values())

    def notes(self, prompt: str) -> Sequence[Note]:
        """See `tools.base.Memory`. An attempt that takes over shows what the one before it did, so
        that its prompt is the same and the recorded answer fits."""
        if settings.NOTES_TOKENS == 0 or self._sight is None:
            return ()
        found = queries.noted_for(self.task) if self.task.fence > 1 else []
        found = found or [*self._profile, *self._near(self.asked)]
        found = [each for each in found if not each.memory.is_tainted]
        room = min(settings.NOTES_TOKENS, PROMPT_TOKENS - self.count(prompt))
        return self._give(found, self.asked, room, self._inputs(), is_in_task=True)

    def about_boss(self) -> Sequence[Note]:
        if self._sight is None:
            return ()
        return self._give(self._profile, self.asked, settings.NOTES_TOKENS)

    def recall(self, question: str) -> Sequence[Note]:
        if self._sight is None:
            return ()
        return self._give(self._near(question), question, ANSWER_TOKENS)

    @cached_property
    def _sight(self) -> Sight | None:
        """None where nothing is remembered, or nobody of the staff asks."""
        agent = self.task.agent
        if agent is None or not queries.is_anything_remembered(self.goal.workspace_id):
            return None
        try:
            return visible_to(agent, boss=self.goal.boss)
        except NothingVisible:  # whoever gave the goal has left
            return visible_to(agent)

    @cached_property
    def _profile(self) -> list[Recalled]:
        assert self._sight is not None
        return [Recalled(each, 0.0, {}, {}) for each in queries.profile_in(self._sight)]

    def _near(self, question: str) -> list[Recalled]:
        """What has to do with the question and was known when the task began."""
        assert self._sight is not None
        began_at = self.task.started_at or timezone.now()
        return [
            each
            for each in memory.recall(self._sight, question, LOOKED_AT, now=began_at)
            if ranking.is_near(each.features)
            and each.memory.recorded_at <= began_at
            and not (each.memory.goal_id == self.goal.pk and each.memory.kind == "episode")
        ]

    def _give(
        self,
        found: Iterable[Recalled],
        question: str,
        room: int,
        known: Sequence[str] = (),
        *,
        is_in_task: bool = False,
    ) -> list[Note]:
        """The notes that say something new and fit, noted as used."""
        chosen = {each.memory.pk: each for each in found}
        if not chosen:
            return []
        named = queries.names_of_sources(chosen)
        shown = [noted(each.memory, named.get(pk, "")) for pk, each in chosen.items()]
        shown = [note for note in shown if named.get(note.number, "") not in self.task.inputs]
        kept = notes.fitting(notes.news(shown, [question, *known]), question, self.count, room)
        fresh = [chosen[note.number] for note in kept if note.number not in self._given]
        if fresh:
            memories.note_uses(
                fresh,
                question,
                goal_id=self.goal.pk,
                task_id=self.task.pk,
                is_in_task=is_in_task,
            )
        self._given |= {note.number: note for note in kept if note.number not in self._given}
        return kept

    def _inputs(self) -> list[str]:
        """The texts of the task's smaller inputs: what stands there need not be told twice."""
        texts = []
        for name in self.task.inputs:
            try:
                texts.append(self.files.read(name)[:READ_BYTES].decode("utf-8", "ignore"))
            except FileProblem:
                continue  # its own reader says so
        return texts


def noted(memory_: Memory, name: str = "") -> Note:
    """A memory as a note. name: of its document, if it has one"""
    boss = "the boss" if memory_.trust == Memory.Trust.BOSS else "the staff"
    return Note(
        number=memory_.pk,
        text=memory_.text,
        said_on=timezone.localdate(memory_.said_at),
        source=" in ".join(part for part in (memory_.actor, name) if part) or boss,
        kind=memory_.kind,
        is_tainted=memory_.is_tainted,
    )


def keeping(task: Task, effect: Effect) -> Callable[[], dict[str, Any]]:
    """A function that keeps the fact of a `remember` effect, in its caller's transaction; what
    takes time, the embedding, is done now.

    Raises, as the function does, MemoryRefused.
    """
    fact = effect.arguments
    said_by = fact["said_by"]
    if said_by == "boss" and queries.is_from_outside(task.goal):
        said_by = "document"
    trust, is_tainted = SAID_BY[said_by]
    agent = task.agent
    actor = task.goal.boss.get_username() if said_by == "boss" else str(agent or "")
    origins = queries.ids_used_in(task, fact["from_notes"])
    draft = Draft(
        text=fact["text"],
        kind=Memory.Kind.FACT,
        actor=actor,
        subject=fact["subject"],
        attribute=fact["attribute"],
        value=fact["value"],
        said_at=timezone.now(),
        goal_id=task.goal_id,
        task_id=task.pk,
        trust=trust,
        is_tainted=is_tainted,
        sources=tuple(Source(origin_id=origin) for origin in origins),
    )
    scope = scope_of(task.goal.workspace) if said_by == "boss" else scope_for(task.goal, agent)
    embedder = runtime.embedder()
    vectors = Vectors(embedder.name, memory.embedded(embedder, [draft], [""]))

    def keep() -> dict[str, Any]:
        kept = memories.assert_fact(scope, draft, vectors, by=str(agent or ""))
        done: dict[str, Any] = {"remembered": draft.text, "outcome": kept.outcome}
        return done | ({"memory": kept.memory.pk} if kept.memory else {})

    return keep


def scope_for(goal: Goal, agent: Agent | None = None) -> Scope:
    """Where what came of a goal belongs: to everybody, unless something narrower was read for it.
    So nothing private spreads by way of what is drawn from it."""
    kinds = queries.kinds_of_scopes_used(goal)
    if Scope.Kind.BOSS in kinds:
        return scope_of(goal.workspace, Scope.Kind.BOSS, user=goal.boss)
    if Scope.Kind.AGENT in kinds and agent is not None:
        return scope_of(goal.workspace, Scope.Kind.AGENT, agent=agent)
    if Scope.Kind.TEAM in kinds and agent is not None:
        return scope_of(goal.workspace, Scope.Kind.TEAM, agent=agent.lead or agent)
    return scope_of(goal.workspace)
