"""From events to memory, without a language model: what the boss said, what came of the work, and
what is to be done differently.

An answer that cites memory is not remembered again: it says what memory says already, and what a
model makes of its own words must not come back to it as news.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator import memory, runtime
from orchestrator.memory import notebook
from orchestrator.tools import notes
from orchestrator.tools.remembering import NOTHING
from staff import queries
from staff.actions import episodes
from staff.actions.drafts import Draft, Vectors
from staff.actions.episodes import Told
from staff.actions.memory import scope_of
from staff.models import Event, Goal, Memory, Scope

GOAL_CHARS = 200  # of a goal's text where it only says what something was about
TEXT_CHARS = 4000
GOOD, BAD = 4, 2  # ratings from which on the way of working is kept, or is to be mended
BOSS = {"trust": Memory.Trust.BOSS}
KINDS = (
    *("goal.created", "question.answered", "task.done", "goal.rated"),
    *("plan.rejected", "approval.decided", "task.sent_back"),
)


def keep(goal_id: int) -> int:
    """Remember what was said on a goal since the last time. Returns how many memories are new."""
    goal = Goal.objects.select_related("boss", "workspace").filter(pk=goal_id).first()
    if goal is None or goal.last_seq == goal.remembered_seq:
        return 0
    events = queries.events_said(goal, KINDS)
    drafts: dict[Scope, list[Draft]] = {}
    if events:
        everybody, narrow = scope_of(goal.workspace), notebook.scope_for(goal)
        for event in events:  # what came of private notes stays as private as they are
            scope = narrow if event.kind == "task.done" else everybody
            drafts.setdefault(scope, []).extend(drafts_of(goal, event))
    told = [_told(scope, said) for scope, said in drafts.items() if said]
    kept = episodes.keep(goal_id, goal.remembered_seq, goal.last_seq, told)
    return sum(each.outcome == "new" for each in kept)


def drafts_of(goal: Goal, event: Event) -> Iterator[Draft]:
    """What one event gives to remember."""
    said, data = f'"{_short(goal.text)}"', event.data
    match event.kind:
        case "goal.created":
            outside = queries.is_from_outside(goal)
            trust = Memory.Trust.DOCUMENT if outside else Memory.Trust.BOSS
            yield _draft(goal, event, goal.text, trust=trust, is_tainted=outside)
        case "question.answered":
            asked = queries.question_text(goal, data["question"])
            yield _draft(goal, event, f'Asked "{asked}": {data["answer"]}', **BOSS)
        case "task.done" if _is_news(data.get("answer", "")):
            task = event.task
            actor = str(task.agent or "") if task else ""
            text = f"{task.title if task else 'Done'}, for {said}: {data['answer']}"
            draft = _draft(goal, event, text, trust=Memory.Trust.DERIVED, is_tainted=True)
            yield replace(draft, actor=actor)
        case "goal.rated":
            yield from _judged(goal, event, said)
        case "plan.rejected" if data.get("reason"):
            yield _lesson(goal, event, f"For {said}: mind this: {data['reason']}")
        case "approval.decided" if not data.get("granted") and data.get("note"):
            yield _lesson(goal, event, f"For {said}: mind this: {data['note']}")
        case "task.sent_back":
            for reason in data.get("reasons", ()):
                lesson = _lesson(goal, event, f"For {said}: mind this: {reason}")
                yield replace(lesson, trust=Memory.Trust.AGENT)


def _judged(goal: Goal, event: Event, said: str) -> Iterator[Draft]:
    """The boss's judgement: of good work the way it was done, of bad work what to mind."""
    rating, note = event.data["rating"], event.data.get("note", "").strip()
    if note:
        yield _draft(goal, event, f"On {said} ({rating} of 5): {note}", **BOSS)
    if rating >= GOOD:
        steps = queries.steps_done(goal)
        way = "; then ".join(f"{title} ({skill})" for title, skill in steps)
        if way:
            text = f"For {said} this was rated {rating} of 5: {way}."
            yield replace(_lesson(goal, event, text), trust=Memory.Trust.DERIVED)
    elif rating <= BAD and note:
        yield _lesson(goal, event, f"For {said}: mind this: {note}")


def _draft(goal: Goal, event: Event, text: str, **options: int | bool) -> Draft:
    return Draft(
        text=text[:TEXT_CHARS],
        actor=event.actor,
        thread=f"goal {goal.pk}",
        said_at=event.created_at,
        goal_id=goal.pk,
        task_id=event.task_id,
        **options,  # type: ignore[arg-type]
    )


def _lesson(goal: Goal, event: Event, text: str) -> Draft:
    return replace(_draft(goal, event, text, **BOSS), kind=Memory.Kind.PROCEDURE)


def _is_news(answer: str) -> bool:
    return bool(answer.strip()) and not notes.cited(answer) and NOTHING not in answer


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= GOAL_CHARS else f"{plain[: GOAL_CHARS - 1]}…"


def _told(scope: Scope, drafts: Sequence[Draft]) -> Told:
    embedder = runtime.embedder()
    rows = memory.embedded(embedder, drafts, [""] * len(drafts))
    return Told(scope, drafts, Vectors(embedder.name, rows))
