"""What a tool is, and what a program that calls tools leaves behind: intended effects.

A tool is a typed Python function. A tool that only reads runs during the dry-run; a tool that
writes does not: its call is captured as an `Effect`, shown to the boss, and committed later. A tool
that says something is an effect too, but changes nothing besides what its task has to say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, Protocol

from orchestrator.inference.base import ChatRequest, Completion
from orchestrator.tools.notes import Note

EffectKind = Literal["reads", "says", "writes"]
Row = dict[str, Any]
Table = list[Row]


class ToolError(Exception):
    """A mistake in how a tool was called. The message goes back to the model, so it says what
    was expected and what was given."""


class FileProblem(Exception):
    """A file that cannot be used: `name` and a plain `reason` for the boss."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class Waiting(Exception):
    """Somebody was asked and has not answered yet. It leaves the program, which is run again when
    the answer is there, and then gets it from the same call."""


@dataclass(frozen=True)
class Effect:
    """One intended change: the exact tool and its canonical (JSON) arguments.

    summary: the change in plain words, for the boss ("write totals.csv: 5 rows, 3 columns")
    """

    tool: str
    arguments: dict[str, Any]
    summary: str

    @property
    def digest(self) -> str:
        """SHA-256 hex of the canonical JSON of tool and arguments; approvals bind this."""
        canonical = json.dumps(
            [self.tool, self.arguments], sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class FileEntry:
    name: str
    size_bytes: int
    kind: str  # "pdf", "docx", "csv", "text", ... by content, not by extension


class Files(Protocol):
    """The goal's workspace: a flat folder of named files."""

    def names(self) -> list[str]: ...

    def list(self, only: Collection[str] | None = None) -> Iterable[FileEntry]:
        """The files by name, or those of them that are asked for; their kind is looked at."""

    def read(self, name: str) -> bytes:
        """Raises FileProblem if there is no such file or it may not be read."""

    def write(self, name: str, content: bytes) -> None:
        """Replace the file atomically: stage, fsync, rename."""


class ModelCaller(Protocol):
    """How tools use the language model. The runtime streams, records and charges each call;
    the same request within one task is replayed, never sampled again. Thread-safe."""

    def __call__(self, purpose: str, request: ChatRequest) -> Completion: ...


@dataclass(frozen=True)
class Handover:
    """A piece of work for a colleague.

    to:     a role or a name
    inputs: files of the goal that it works on
    output: the file that it leaves; "" where its answer is all that is wanted
    """

    to: str
    skill: str
    instruction: str
    inputs: tuple[str, ...] = ()
    output: str = ""


class Colleagues(Protocol):
    """Whom a program can ask: promises, kept by the runtime.

    A question is asked once; until its answer is there every call raises Waiting, and then returns
    it, on whatever worker the program is run again. ToolError for what cannot be asked.
    """

    def ask_boss(self, question: str, options: Sequence[str] = ()) -> str: ...

    def ask_lead(self, question: str) -> str: ...

    def whom(self, skill: str) -> str:
        """The role to which work of this kind can be handed on, or ""."""

    def delegate(self, work: Sequence[Handover]) -> list[Row]:
        """What came of each piece of work: {answer, files, problem}; they are done side by side."""


class Alone:
    """Colleagues where there are none: a program that is tried out, or a tool by itself."""

    def ask_boss(self, question: str, options: Sequence[str] = ()) -> str:
        raise ToolError("there is nobody to ask here: decide with what you have")

    def ask_lead(self, question: str) -> str:
        return self.ask_boss(question)

    def whom(self, skill: str) -> str:
        return ""

    def delegate(self, work: Sequence[Handover]) -> list[Row]:
        raise ToolError("there is nobody to hand work to: do it in this program")


class Memory(Protocol):
    """What the staff remembers, as one task may see it. What it gives out is on record there.

    given: all notes that it has given out so far
    """

    @property
    def given(self) -> Sequence[Note]: ...

    def notes(self, prompt: str) -> Sequence[Note]:
        """What the task's own prompt shows beside the rest of it: chosen once for a task. Nothing
        that is tainted, as what is written after this prompt acts."""

    def about_boss(self) -> Sequence[Note]:
        """What the boss has said that the staff should know about them."""

    def recall(self, question: str) -> Sequence[Note]:
        """The notes that may answer a question, the best first; none where nothing is near it."""


class Blank:
    """Memory where there is none: a tool by itself, or an office on its first day."""

    given: Sequence[Note] = ()

    def notes(self, prompt: str) -> Sequence[Note]:
        return ()

    def about_boss(self) -> Sequence[Note]:
        return ()

    def recall(self, question: str) -> Sequence[Note]:
        return ()


@dataclass
class ToolContext:
    """What a tool may use while one program of one task runs.

    problems: files that could not be used, gathered here and shown on the goal
    notes:    remarks for the boss ("3 fields could not be read: ...")
    effects:  intended effects of this dry-run, in order
    colleagues: the boss and the rest of the staff
    memory:   what is remembered, as far as this task may see it
    on_call:  told of each finished call: tool, JSON arguments, JSON result cut for showing
    """

    files: Files
    model: ModelCaller
    goal_text: str
    today: date
    problems: list[FileProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    on_call: Callable[[str, dict[str, Any], Any], None] = lambda name, arguments, result: None
    colleagues: Colleagues = field(default_factory=Alone)
    memory: Memory = field(default_factory=Blank)


@dataclass(frozen=True)
class Tool:
    """A function on offer to programs.

    signature: typed stub shown to the model, one line, e.g. 'sum_by(rows: Table, ...) -> Table'
    call:      (context, **arguments) -> value; for a tool that writes it appends an Effect
    commit:    for a tool that writes: performs the effect; called once per effect key
    acts:      the arguments that say what is done, and to whom; no word of a tainted note may
               stand in them
    """

    name: str
    effect: EffectKind
    signature: str
    description: str
    parameters: dict[str, Any]  # JSON schema of the arguments
    call: Callable[..., Any]
    commit: Callable[[Files, dict[str, Any]], dict[str, Any]] | None = None
    acts: tuple[str, ...] = ()
