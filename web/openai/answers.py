"""From the news of an answer to OpenAI's shapes: one object, or a stream of events."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.serving import customer
from web.openai import tooling
from web.openai.errors import Refused, told_by_node
from web.openai.shapes import Chat, Embed

News = AsyncIterator[dict[str, Any]]
REASONS = {"stop": "stop", "length": "length", "repetition": "length", "deadline": "length"}


@dataclass
class Answer:
    """One answer to one request. text: what has come so far."""

    asked: Chat
    id: str
    created: int
    text: str = ""
    logprobs: list[dict[str, Any]] = field(default_factory=list)

    async def whole(self, news: News) -> dict[str, Any]:
        """The answer when it is complete. Raises Refused if it fails."""
        async for each in news:
            self._take(each)
            if "done" in each:
                call = self._call()
                message: dict[str, Any] = {"role": "assistant", "content": self.text}
                if call:
                    message |= {"content": None, "tool_calls": [call]}
                choice = {"index": 0, "message": message, "finish_reason": self._reason(each, call)}
                choice["logprobs"] = {"content": self.logprobs} if self.asked.logprobs else None
                return self._head("chat.completion") | {
                    "choices": [choice],
                    "usage": usage(each),
                }
        raise customer.NobodyAnswers(f"The node of {self.asked.model} fell silent.")

    async def events(self, news: News) -> AsyncIterator[str]:
        """The answer as server-sent events. An error in mid-answer is an event too."""
        try:
            yield self._chunk({"role": "assistant", "content": ""})
            async for each in news:
                new = self._take(each)
                if "position" in each:
                    yield f": {each['position']} go first\n\n"
                elif "done" in each:
                    async for event in self._end(each):
                        yield event
                elif new["text"] and not self._may_be_call():
                    yield self._chunk({"content": new["text"]}, logprobs=new["logprobs"])
        except Refused as refused:
            yield event_of(refused.body)
        except customer.NobodyAnswers as nobody:
            yield event_of(Refused(503, str(nobody), type="server_error").body)

    async def _end(self, done: dict[str, Any]) -> AsyncIterator[str]:
        call = self._call()
        if call:
            yield self._chunk({"tool_calls": [{"index": 0, **call}]})
        elif self._may_be_call() and self.text:
            yield self._chunk({"content": self.text}, logprobs=self.logprobs)
        yield self._chunk({}, reason=self._reason(done, call))
        if self.asked.stream_options and self.asked.stream_options.include_usage:
            yield event_of(
                self._head("chat.completion.chunk") | {"choices": [], "usage": usage(done)}
            )
        yield "data: [DONE]\n\n"

    def _take(self, each: dict[str, Any]) -> dict[str, Any]:
        """Take in one piece of news. Returns what it adds."""
        if "error" in each:
            raise told_by_node(each)
        chances = [_chance(chance) for chance in each.get("logprobs", ())]
        text = each.get("text", "")
        self.text += text
        self.logprobs += chances
        return {"text": text, "logprobs": chances}

    def _may_be_call(self) -> bool:
        return self.asked.offered is not None and self.text.lstrip()[:1] in ("", "{")

    def _call(self) -> dict[str, Any] | None:
        return tooling.called(self.text) if self.asked.offered is not None else None

    def _reason(self, done: dict[str, Any], call: dict[str, Any] | None) -> str:
        return "tool_calls" if call else REASONS.get(done["done"], "stop")

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.asked.model,
        }

    def _chunk(
        self,
        delta: dict[str, Any],
        *,
        reason: str | None = None,
        logprobs: list[dict[str, Any]] | None = None,
    ) -> str:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": reason}
        if logprobs:
            choice["logprobs"] = {"content": logprobs}
        return event_of(self._head("chat.completion.chunk") | {"choices": [choice]})


def vectors(asked: Embed, news: dict[str, Any]) -> dict[str, Any]:
    """The answer of /v1/embeddings."""
    data = []
    for index, vector in enumerate(news["vectors"]):
        found: Any = vector
        if asked.encoding_format == "base64":
            found = base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
        data.append({"object": "embedding", "index": index, "embedding": found})
    used = {"prompt_tokens": news["usage"][0], "total_tokens": news["usage"][0]}
    return {"object": "list", "data": data, "model": asked.model, "usage": used}


def usage(done: dict[str, Any]) -> dict[str, Any]:
    prompt, cached, completion = done["usage"]
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def event_of(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _chance(chance: list[Any]) -> dict[str, Any]:
    data, logprob, top = chance
    return _token(data, logprob) | {"top_logprobs": [_token(*each) for each in top]}


def _token(data: list[int], logprob: float) -> dict[str, Any]:
    text = bytes(data).decode("utf-8", "replace")
    return {"token": text, "bytes": data, "logprob": logprob}
