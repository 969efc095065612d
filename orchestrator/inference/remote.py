"""A ChatModel on a server that the team already runs, over OpenAI's protocol.

llama.cpp's server, vLLM and others take a JSON schema, and llama.cpp's a GBNF grammar as well.
Which one it is asked for is told at `/props`, that only llama.cpp's server has.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from orchestrator.inference.base import (
    ChatRequest,
    Completion,
    FinishReason,
    GrammarInvalid,
    InferenceError,
    ModelUnavailable,
    ModelUnknown,
    Overloaded,
    PromptTooLong,
    RequestInvalid,
    TokenChance,
)

logger = logging.getLogger(__name__)

CONNECT_S, SILENCE_S = 5.0, 120.0  # SILENCE_S: longest wait for the next piece of an answer
TRIES = 3
RETRY_S = 0.5
RETRIED = {429, 502, 503, 504}
CONTEXT_TOKENS = 4096  # where the server does not say
CHARS_PER_TOKEN = 3.5  # an estimate, for servers that cannot count
_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "stop"}


class OpenAICompatible:
    """One model of one server. Safe to call from many threads.

    url: with its version, "http://host:8080/v1"
    key: sent as a bearer token, unless empty
    Raises ModelUnavailable when the server is first asked and does not answer.
    """

    def __init__(self, url: str, model: str, *, name: str = "", key: str = ""):
        self.name = name or model
        self._model = model
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)
        self._root = httpx.URL(url).copy_with(path="/")
        self._facts: dict[str, Any] | None = None
        self._lock = threading.Lock()

    @property
    def context_tokens(self) -> int:
        settings = self._props().get("default_generation_settings", {})
        return int(settings.get("n_ctx") or CONTEXT_TOKENS)

    @property
    def takes_grammar(self) -> bool:
        """Whether the server obeys a GBNF grammar."""
        return bool(self._props())

    def stream(self, request: ChatRequest) -> RemoteStream:
        """Raises RequestInvalid if the server cannot be held to the request's grammar; what the
        server says against the request is raised by the stream."""
        return RemoteStream(self, self._body(request), request.timeout_s)

    def complete(self, request: ChatRequest) -> Completion:
        return self.stream(request).completion

    def count_tokens(self, text: str) -> int:
        """As the server counts; estimated where it has no way to say."""
        if self._props():
            try:
                reply = self._http.post(
                    self._root.copy_with(path="/tokenize"), json={"content": text}
                )
                return len(reply.raise_for_status().json()["tokens"])
            except (httpx.HTTPError, ValueError, KeyError) as reason:
                logger.info("%s cannot count tokens: %s", self.name, reason)
        return round(len(text) / CHARS_PER_TOKEN)

    def count_prompt(self, request: ChatRequest) -> int:
        return sum(self.count_tokens(message.content) + 4 for message in request.messages)

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def opened(self, body: dict[str, Any]) -> Iterator[httpx.Response]:
        """The reply to a chat request, tried again while nothing of it has come."""
        for left in reversed(range(TRIES)):
            try:
                with self._http.stream("POST", "/chat/completions", json=body) as reply:
                    if reply.status_code not in RETRIED or not left:
                        if reply.status_code >= 400:
                            raise _refusal(self.name, reply)
                        yield reply
                        return
            except (httpx.ConnectError, httpx.ConnectTimeout) as reason:
                if not left:
                    raise ModelUnavailable(
                        f"The server of {self.name} does not answer ({reason}). Is it running?"
                    ) from reason
            time.sleep(RETRY_S * (TRIES - left))

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if request.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": request.logprobs}
        if request.grammar is not None:
            if not self.takes_grammar:
                raise RequestInvalid(
                    f"{self.name} is on a server that takes no grammar, which this work needs. "
                    "Use llama.cpp's server, or a model on this machine."
                )
            body["grammar"] = request.grammar
        return body

    def _props(self) -> dict[str, Any]:
        """What llama.cpp's server says of itself; empty for any other."""
        with self._lock:
            if self._facts is None:
                try:
                    reply = self._http.get(self._root.copy_with(path="/props"))
                    found = reply.json() if reply.status_code == 200 else {}
                except (httpx.ConnectError, httpx.TimeoutException) as reason:
                    raise ModelUnavailable(
                        f"The server of {self.name} does not answer ({reason}). Is it running?"
                    ) from reason
                except (httpx.HTTPError, ValueError):
                    found = {}
                is_llama = isinstance(found, dict) and "default_generation_settings" in found
                self._facts = found if is_llama else {}
            return self._facts


class RemoteStream:
    """An answer on its way from a server. It is asked for when iteration begins."""

    position = 0
    dropped_messages = 0

    def __init__(self, model: OpenAICompatible, body: dict[str, Any], timeout_s: float | None):
        self.logprobs: list[TokenChance] = []
        self._model = model
        self._body = body
        self._started_at = time.monotonic()
        self._end_at = None if timeout_s is None else self._started_at + timeout_s
        self._text = ""
        self._usage: dict[str, Any] = {}
        self._pieces = 0
        self._first_at: float | None = None
        self._reason: FinishReason | None = None
        self._cancelled = False
        self._news = self._read()

    def __iter__(self) -> Iterator[str]:
        return self._news

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def completion(self) -> Completion:
        for _ in self._news:
            pass
        now = time.monotonic()
        prompt = self._usage.get("prompt_tokens")
        if prompt is None:
            said = " ".join(message["content"] for message in self._body["messages"])
            prompt = round(len(said) / CHARS_PER_TOKEN)
        details = self._usage.get("prompt_tokens_details") or {}
        return Completion(
            text=self._text,
            finish_reason=self._reason or "cancelled",
            prompt_tokens=prompt,
            cached_tokens=details.get("cached_tokens") or 0,
            completion_tokens=self._usage.get("completion_tokens") or self._pieces,
            first_token_s=(self._first_at or now) - self._started_at,
            total_s=now - self._started_at,
        )

    def _read(self) -> Iterator[str]:
        try:
            with self._model.opened(self._body) as reply:
                for line in reply.iter_lines():
                    if self._interrupted():
                        return
                    piece = self._take(line)
                    if piece:
                        yield piece
        except httpx.HTTPError as reason:
            raise InferenceError(
                f"The server of {self._model.name} broke off: {reason or type(reason).__name__}."
            ) from reason
        if self._reason is None:
            raise InferenceError(f"The server of {self._model.name} broke off in mid-answer.")

    def _interrupted(self) -> bool:
        if self._cancelled:
            self._reason = "cancelled"
        elif self._end_at is not None and time.monotonic() >= self._end_at:
            self._reason = "deadline"
        else:
            return False
        return True

    def _take(self, line: str) -> str:
        """Take in one line of the event stream; returns the text that it adds."""
        if not line.startswith("data:") or line.endswith("[DONE]"):
            return ""
        try:
            news = json.loads(line[5:])
        except ValueError as reason:
            raise InferenceError(f"{self._model.name}: its server sent no JSON.") from reason
        if "error" in news:
            raise InferenceError(f"{self._model.name}: {_message(news)}")
        self._usage = news.get("usage") or self._usage
        if not news.get("choices"):
            return ""
        choice = news["choices"][0]
        for chance in (choice.get("logprobs") or {}).get("content") or ():
            self.logprobs.append(_chance(chance))
        if choice.get("finish_reason"):
            self._reason = _REASONS.get(choice["finish_reason"], "stop")
        piece = str(choice.get("delta", {}).get("content") or "")
        if piece:
            self._first_at = self._first_at or time.monotonic()
            self._pieces += 1
            self._text += piece
        return piece


def _chance(found: dict[str, Any]) -> TokenChance:
    def data(one: dict[str, Any]) -> bytes:
        raw: Sequence[int] | None = one.get("bytes")
        return bytes(raw) if raw is not None else str(one["token"]).encode()

    top = tuple((data(one), float(one["logprob"])) for one in found.get("top_logprobs") or ())
    return TokenChance(data(found), float(found["logprob"]), top)


def _refusal(name: str, reply: httpx.Response) -> InferenceError:
    try:
        said = _message(json.loads(reply.read()))
    except ValueError:
        said = f"it answers {reply.status_code} {reply.reason_phrase}"
    text = f"{name}: {said}"
    if reply.status_code == 404:
        return ModelUnknown(text)
    if reply.status_code in (401, 403):
        return ModelUnavailable(f"{text}. Check the key of its server.")
    if reply.status_code in RETRIED:
        return Overloaded(text)
    if "context" in said or "too long" in said:
        return PromptTooLong(text)
    if "grammar" in said:
        return GrammarInvalid(text)
    return InferenceError(text)


def _message(body: Any) -> str:
    error = body.get("error", body) if isinstance(body, dict) else body
    return str(error.get("message", error) if isinstance(error, dict) else error)
