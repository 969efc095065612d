"""Everything that changes what the staff remembers. No model is called here.

Each action locks the row of its scope first, so writers of one scope take turns and none can
deadlock; goals that it mentions are locked before the scope.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from django.db import transaction
from django.db.models import F, Q

from staff.actions import originals, outbox
from staff.actions.drafts import (
    Draft,
    MemoryChanged,
    MemoryRefused,
    Source,
    Vectors,
    checked,
    limited,
    row_of,
)
from staff.actions.memory_write import Write
from staff.actions.redaction import copies_of, redact
from staff.domain import facts
from staff.domain.facts import Standing
from staff.domain.redaction import Forgotten
from staff.models import Agent, Memory, MemoryEvent, MemoryUse, Scope, User, Workspace
from staff.recall import Recalled

Outcome = Literal["new", "again", "superseding", "earlier", "quarantined", "forgotten"]


@dataclass(frozen=True)
class Kept:
    """What became of a draft.

    outcome: "new"; "again" (known: a source was added); of facts also "superseding" (a new value
    took the place of another), "earlier" (it was true before what is known now), "quarantined"
    (it contradicts something that weighs more: the boss settles it); "forgotten" (the boss had it
    forgotten; it was not kept, memory is None)
    """

    outcome: Outcome
    memory: Memory | None


def scope_of(
    workspace: Workspace,
    kind: str = Scope.Kind.WORKSPACE,
    *,
    agent: Agent | None = None,
    user: User | None = None,
) -> Scope:
    """The scope of that owner, made on first use. Raises MemoryRefused for a stranger."""
    if agent is not None and agent.workspace_id != workspace.pk:
        raise MemoryRefused(f"{agent} works in another workspace.")
    if user is not None and not workspace.memberships.filter(user=user).exists():
        raise MemoryRefused(f"{user} has no seat in this workspace.")
    needs = {Scope.Kind.TEAM: agent, Scope.Kind.AGENT: agent, Scope.Kind.BOSS: user}
    if kind in needs and needs[Scope.Kind(kind)] is None:
        raise MemoryRefused(f"Say whose memory it is: a {kind} scope needs its owner.")
    owner = {"agent": agent, "user": user}
    return Scope.objects.get_or_create(workspace=workspace, kind=kind, **owner)[0]


def scope_named(workspace: Workspace, user: User, wanted: str = "workspace") -> Scope:
    """The scope that "workspace", "boss" (the user's own), "team:NAME" or "agent:NAME" means; the
    agent may be given by its number. Raises MemoryRefused."""
    kind, _, owner = wanted.partition(":")
    if kind == Scope.Kind.BOSS:
        return scope_of(workspace, kind, user=user)
    if kind == Scope.Kind.WORKSPACE:
        return scope_of(workspace)
    if kind not in Scope.Kind.values or not owner:
        raise MemoryRefused(
            f"{wanted!r} is no scope: write workspace, boss, team:NAME or agent:NAME."
        )
    staff = workspace.agents.all()
    agent = staff.filter(name__iexact=owner).first()
    if agent is None and owner.isdecimal() and len(owner) < 19:
        agent = staff.filter(pk=int(owner)).first()
    if agent is None:
        raise MemoryRefused(f"Nobody here is called {owner!r}.")
    return scope_of(workspace, kind, agent=agent)


@transaction.atomic
def remember(
    scope: Scope, drafts: Sequence[Draft], vectors: Vectors | None = None, *, by: str = ""
) -> list[Kept]:
    """Keep episodes, procedures, passages or profile entries; facts go through `assert_fact`.

    What is known already in this scope (same kind, actor and words) gets another source, not
    another row. vectors: one row for each draft.
    Raises MemoryRefused, naming the draft, before anything is written.
    """
    drafts = [checked(draft, number) for number, draft in enumerate(drafts, 1)]
    write = Write.begin(scope, by, drafts)
    hashes = [facts.content_hash(draft.text) for draft in drafts]
    buried = write.buried(hashes)
    known = {
        (memory.kind, memory.actor, memory.content_hash): memory
        for memory in Memory.objects.filter(scope=scope, content_hash__in=hashes)
        .exclude(kind=Memory.Kind.FACT)
        .exclude(state=Memory.State.FORGOTTEN)
    }
    kept: list[Kept] = []
    for at, (draft, digest) in enumerate(zip(drafts, hashes, strict=True)):
        key = (draft.kind, draft.actor, digest)
        if digest in buried:
            kept.append(Kept("forgotten", None))
        elif key in known:
            write.again(known[key], draft)
            kept.append(Kept("again", known[key]))
        else:
            known[key] = write.add(row_of(scope, draft, digest), draft, vectors and vectors[at])
            kept.append(Kept("new", known[key]))
    write.end()
    return kept


@transaction.atomic
def assert_fact(
    scope: Scope, draft: Draft, vectors: Vectors | None = None, *, by: str = ""
) -> Kept:
    """Keep a fact: one current value for each subject and attribute.

    The same value again adds a source. A new value closes the one before it, by `valid_to` and
    `superseded_by`; nothing is deleted. One that was valid earlier is put into the past. One that
    weighs less than what it contradicts waits in quarantine for the boss.
    """
    draft = checked(replace(draft, kind=Memory.Kind.FACT), 1)
    write = Write.begin(scope, by, [draft])
    slot = _standing_slot(scope, facts.slot(draft.subject, draft.attribute))
    digest = facts.content_hash(draft.text)
    if write.buried([digest, facts.value_hash(slot, draft.value)]):
        return Kept("forgotten", None)
    row = row_of(scope, draft, digest, slot)
    history = _history(scope, slot)
    place = facts.placed([fact.valid_from for fact in history], row.valid_from)
    before = history[place - 1] if place else None
    after = history[place] if place < len(history) else None
    same = _with_value(scope, slot, before, draft.value)
    kept: Kept
    if same is not None:
        write.again(same, draft)
        kept = Kept("again", same)
    elif before and after is None and not _standing(before).yields_to(_standing(row)):
        row.state = Memory.State.QUARANTINED
        kept = Kept("quarantined", write.add(row, draft, vectors))
    else:
        kept = Kept(_outcome(before, after), write.put(row, draft, vectors, before, after))
    write.end()
    return kept


@transaction.atomic
def settle(memory: Memory, *, accept: bool, by: str) -> None:
    """The boss's word on a quarantined memory: let it stand (and close what it contradicts), or
    forget it."""
    if not accept:
        return forget([memory], by=by)
    write = Write.begin(memory.scope, by)
    memory = _locked(memory)
    if memory.state != Memory.State.QUARANTINED:
        raise MemoryRefused("There is nothing to settle: it does not wait for you.")
    memory.trust, memory.is_tainted = Memory.Trust.BOSS, False
    current = [f for f in _history(memory.scope, memory.slot) if f.state == Memory.State.ACTIVE]
    memory.state = Memory.State.ACTIVE
    if memory.kind == Memory.Kind.FACT and current:
        memory.valid_from = max(memory.valid_from, current[0].valid_from)
        write.close(current[0], memory)
    write.change(memory, "settled", "state", "trust", "is_tainted", "valid_from")
    write.end()


@transaction.atomic
def edit(
    memory: Memory,
    vectors: Vectors | None = None,
    *,
    by: str,
    text: str | None = None,
    value: str | None = None,
    seen: int | None = None,
) -> Memory:
    """The boss corrects the words of a memory, and so vouches for them. What it said before stays
    in its events until it is forgotten.

    vectors: of the new words, one row; without it the memory is found by its words only
    seen: the memory's version that was corrected; raises MemoryChanged if it has another now
    """
    write = Write.begin(memory.scope, by)
    memory = _locked(memory)
    if seen is not None and memory.version != seen:
        raise MemoryChanged("Somebody has changed it since you looked.")
    if value is not None and memory.kind != Memory.Kind.FACT:
        raise MemoryRefused("Only a fact has a value.")
    before = {"text": memory.text} | ({"value": memory.value} if memory.value else {})
    memory.text = limited(facts.clean(edited_text(memory, text, value)).strip())
    memory.value = limited(facts.clean(value if value is not None else memory.value).strip())
    if not memory.text or (memory.kind == Memory.Kind.FACT and not memory.value):
        raise MemoryRefused("A memory needs words: to remove it, forget it.")
    memory.trust, memory.is_tainted = Memory.Trust.BOSS, False
    memory.content_hash = facts.content_hash(memory.text)
    if _twin(memory):
        raise MemoryRefused("The same is remembered already.")
    write.unindex([memory])
    write.index(memory, vectors)
    changed = ("text", "value", "content_hash", "length", "trust", "is_tainted")
    write.change(memory, "edited", *changed, **before)
    write.end()
    return memory


def edited_text(memory: Memory, text: str | None, value: str | None) -> str:
    """What a memory says after an edit of its text or, of a fact, its value."""
    if text is not None:
        return text
    if value is None:
        return memory.text
    if memory.value and memory.value in memory.text:
        return memory.text.replace(memory.value, value)
    return f"{memory.subject} {memory.attribute}: {value}"


@transaction.atomic
def pin(memory: Memory, *, by: str, is_pinned: bool = True) -> None:
    """A pinned memory comes first where it fits, and no fact replaces it without the boss."""
    write = Write.begin(memory.scope, by)
    memory = _locked(memory)
    memory.is_pinned = is_pinned
    write.change(memory, "pinned" if is_pinned else "unpinned", "is_pinned")
    write.end()


@transaction.atomic
def forget(memories: Iterable[Memory], *, by: str) -> int:
    """Purge memories of one scope, all that was drawn from them, and their copies. Returns how many
    went.

    The rows stay as empty husks, so that what points at them still can; words, vectors, postings,
    sources and the words in events go; of documents, the passages and the files that hold their
    words. So do their words in whatever else the workspace holds: see `redaction`. Hashes stay
    behind, so that the same is not learned again.
    """
    named = list(memories)
    ids = {memory.pk for memory in named}
    if not named:
        return 0
    if len({memory.scope_id for memory in named}) > 1:
        raise MemoryRefused("Forget the memories of one scope at a time.")
    going = _drawn_from(_all_fresh(named))
    texts = _words_of(going)
    going += copies_of(going, Forgotten(texts))
    forgotten = Forgotten(texts, [memory.pk for memory in going])
    redacted = redact(named[0].scope.workspace, forgotten)
    originals.let_go([memory.pk for memory in going])
    for scope_id in sorted({memory.scope_id for memory in going}):
        there = [memory for memory in going if memory.scope_id == scope_id]
        write = Write.begin(there[0].scope, by)
        there = _unforgotten(there)
        write.bury(*(memory for memory in there if memory.pk in ids))
        write.purge(there, redacted=dict(redacted))
        write.end()
    outbox.nudge(outbox.SCRUB, named[0].scope_id)
    return len(going)


def _words_of(memories: Sequence[Memory]) -> list[str]:
    """What may stand nowhere any more: what they say and said before an edit, and their values."""
    texts = [text for memory in memories for text in (memory.text, memory.value)]
    edits = MemoryEvent.objects.filter(memory__in=memories, kind="edited")
    texts += [text for data in edits.values_list("data", flat=True) for text in data.values()]
    return texts


@transaction.atomic
def note_uses(
    recalled: Sequence[Recalled],
    query: str,
    *,
    goal_id: int | None,
    task_id: int | None,
    is_in_task: bool = False,
) -> None:
    """Which memories entered a prompt, and what the ranking saw of each. One row for a memory in
    a task; the first question that brought it counts."""
    MemoryUse.objects.bulk_create(
        [
            MemoryUse(
                memory=each.memory,
                goal_id=goal_id,
                task_id=task_id,
                query=facts.clean(query),
                rank=rank,
                score=each.score,
                features=each.features,
                is_in_task=is_in_task,
            )
            for rank, each in enumerate(recalled)
        ],
        ignore_conflicts=True,
    )


@transaction.atomic
def note_cited(task_id: int, memory_ids: Collection[int]) -> None:
    """The answer of a task is known: these of its memories were cited, the others were not."""
    uses = MemoryUse.objects.filter(task=task_id)
    uses.exclude(memory__in=memory_ids).update(was_cited=False)
    uses.filter(memory__in=memory_ids).update(was_cited=True)


@transaction.atomic
def keep_both(one: Memory, other: Memory, *, by: str) -> None:
    """The boss says that two facts that are alike are about different things."""
    write = Write.begin(one.scope, by)
    one, other = _all_fresh(sorted((one, other), key=lambda memory: memory.pk))
    if one.scope_id != other.scope_id:
        raise MemoryRefused("They are not of one scope, so they are two anyway.")
    write.tell(one, "kept both", other=other.pk)
    write.end()


def _history(scope: Scope, slot: str) -> list[Memory]:
    """What was ever held true of a slot, the oldest first."""
    standing = (Memory.State.ACTIVE, Memory.State.SUPERSEDED)
    found = Memory.objects.filter(scope=scope, slot=slot, kind=Memory.Kind.FACT, state__in=standing)
    return list(found.order_by("valid_from", "id"))


def _standing_slot(scope: Scope, slot: str) -> str:
    """The slot under which a fact is kept: another one, if this one was merged into it."""
    seen = {slot}
    while True:
        there = Memory.objects.filter(scope=scope, slot=slot, kind=Memory.Kind.FACT)
        if there.filter(state=Memory.State.ACTIVE).exists():
            return slot
        into = there.filter(valid_to=F("valid_from"), superseded_by__isnull=False)
        further = into.order_by("-id").values_list("superseded_by__slot", flat=True).first()
        if not further or further in seen:
            return slot
        seen.add(further)
        slot = further


def _with_value(scope: Scope, slot: str, before: Memory | None, value: str) -> Memory | None:
    """The fact that says the same: the one that held at that time, or one in quarantine."""
    if before and facts.same_value(before.value, value):
        return before
    waiting = Memory.objects.filter(scope=scope, slot=slot, state=Memory.State.QUARANTINED)
    return next((fact for fact in waiting if facts.same_value(fact.value, value)), None)


def _outcome(before: Memory | None, after: Memory | None) -> Outcome:
    return "earlier" if after else "superseding" if before else "new"


def _standing(memory: Memory) -> Standing:
    return Standing(memory.trust, memory.is_tainted, memory.is_pinned)


def _locked(memory: Memory) -> Memory:
    """The memory as it is now that its scope is locked. Raises MemoryRefused if it is gone."""
    return _all_fresh([memory])[0]


def _all_fresh(memories: Sequence[Memory]) -> list[Memory]:
    """The memories as they are now. Raises MemoryRefused if one is gone."""
    found = _unforgotten(memories)
    if len(found) < len(memories):
        raise MemoryRefused("It has been forgotten.")
    return found


def _unforgotten(memories: Sequence[Memory]) -> list[Memory]:
    """Those that still stand, as they are now, in the given order."""
    standing = Memory.objects.exclude(state=Memory.State.FORGOTTEN)
    fresh = standing.select_related("scope__workspace").in_bulk([m.pk for m in memories])
    return [fresh[memory.pk] for memory in memories if memory.pk in fresh]


def _twin(memory: Memory) -> bool:
    if memory.kind == Memory.Kind.FACT:
        return False
    same = Memory.objects.filter(
        scope=memory.scope_id,
        kind=memory.kind,
        actor=memory.actor,
        content_hash=memory.content_hash,
    )
    return same.exclude(pk=memory.pk).exclude(state=Memory.State.FORGOTTEN).exists()


def _drawn_from(named: Sequence[Memory]) -> list[Memory]:
    """These memories and, step by step, all that was drawn from them."""
    found = {memory.pk: memory for memory in named}
    newest = list(found)
    while newest:
        merged = Q(superseded_by__in=newest, valid_to=F("valid_from"))
        drawn = Memory.objects.filter(Q(sources__origin__in=newest) | merged)
        drawn = drawn.exclude(pk__in=found)
        drawn = drawn.exclude(state=Memory.State.FORGOTTEN).select_related("scope").distinct()
        newest = []
        for memory in drawn:
            found[memory.pk] = memory
            newest.append(memory.pk)
    return list(found.values())


__all__ = [
    "Draft",
    "Kept",
    "MemoryChanged",
    "MemoryRefused",
    "Source",
    "Vectors",
    "assert_fact",
    "edit",
    "edited_text",
    "forget",
    "keep_both",
    "note_cited",
    "note_uses",
    "pin",
    "remember",
    "scope_named",
    "scope_of",
    "settle",
]
