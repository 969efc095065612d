"""What the rest of the house knows of a language model: requests in, pieces of text out.

Nothing here imports an engine. `LlamaCppEngine`, `ScriptedModel` and any later client obey
`ChatModel`; callers hold the protocol, never the class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled", "deadline", "repetition"]
Overflow = Literal["refuse", "drop_oldest"]


class InferenceError(Exception):
    """A model could not do what was asked; the message says what to do about it."""


class ModelUnknown(InferenceError):
    """No model of that name in the catalogue."""


class ModelUnavailable(InferenceError):
    """The model is known but cannot be used here: not fetched, damaged, or too large."""


class PromptTooLong(InferenceError):
    """The prompt and the answer asked for do not fit the context; nothing was cut silently."""


class GrammarInvalid(InferenceError):
    """The grammar could not be parsed."""


class Overloaded(InferenceError):
    """Too many requests wait for this model already; try again later."""


class RequestInvalid(InferenceError):
    """The request asks for what this model cannot do."""


@dataclass(frozen=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """One request to a chat model.

    max_tokens:  most tokens to generate
    temperature: 0 is greedy; `seed` matters only above 0
    grammar:     GBNF that the answer must obey, root rule `root`
    stop:        the answer ends before any of these strings
    priority:    higher goes first when requests wait
    timeout_s:   wall-clock seconds from submission; then the stream ends with "deadline"
    logprobs:    None, or how many alternatives the stream reports for each token (0 to 20)
    min_tokens:  the answer does not end by itself before so many tokens
    overflow:    what to do with a prompt that is too long: "refuse" raises PromptTooLong;
                 "drop_oldest" leaves out the oldest messages after the system's, until the rest
                 fits, and the stream's `dropped_messages` says how many
    """

    messages: tuple[Message, ...]
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    grammar: str | None = None
    stop: tuple[str, ...] = ()
    priority: int = 0
    timeout_s: float | None = None
    logprobs: int | None = None
    min_tokens: int = 0
    overflow: Overflow = "refuse"


@dataclass(frozen=True)
class TokenChance:
    """One token of an answer: its bytes, and its log probability before sampling and grammar.

    top: the likeliest tokens at this place, best first
    """

    data: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True)
class Completion:
    """What a request produced and what it cost.

    prompt_tokens counts the whole prompt, cached_tokens the part of it that was not computed again.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    first_token_s: float
    total_s: float


class Stream(Protocol):
    """An answer on its way: iterate over pieces of text, then read `completion`.

    position:         how many requests go first; 0 once this one runs
    logprobs:         of the tokens so far, if they were asked for
    dropped_messages: how many messages were left out to make the prompt fit
    """

    @property
    def position(self) -> int: ...

    @property
    def logprobs(self) -> Sequence[TokenChance]: ...

    @property
    def dropped_messages(self) -> int: ...

    def __iter__(self) -> Iterator[str]: ...

    def cancel(self) -> None:
        """Stop within one decode step. Iteration ends; `completion` says "cancelled"."""

    @property
    def completion(self) -> Completion:
        """The whole answer. Iterates to the end first if need be. Raises what the engine raised."""


class ChatModel(Protocol):
    """A chat model that may be called from many threads at once."""

    name: str
    context_tokens: int

    def stream(self, request: ChatRequest) -> Stream:
        """Submit a request. Raises PromptTooLong, GrammarInvalid or Overloaded before anything
        runs."""

    def complete(self, request: ChatRequest) -> Completion: ...

    def count_tokens(self, text: str) -> int: ...

    def count_prompt(self, request: ChatRequest) -> int:
        """Tokens of the whole prompt, as the model would read it."""
