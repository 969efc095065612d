"""A server that a team runs, played by a small one that obeys the protocol, and its failures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestrator.inference import remote
from orchestrator.inference.base import (
    ChatRequest,
    InferenceError,
    Message,
    ModelUnavailable,
    ModelUnknown,
    Overloaded,
    PromptTooLong,
    RequestInvalid,
)
from orchestrator.inference.remote import OpenAICompatible

ASK = ChatRequest((Message("user", "Say hello."),), max_tokens=8)


class Server:
    """Answers with `status` and `lines`; records what it was asked."""

    def __init__(self) -> None:
        self.status = [200]
        self.error = {"error": {"message": "no"}}
        self.lines = [
            {"choices": [{"delta": {"content": "Hello"}}]},
            {"choices": [{"delta": {"content": " there"}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
        ]
        self.is_llama = True
        self.before_line: Callable[[], None] = lambda: None
        self.asked: list[dict] = []
        self.keys: list[str | None] = []


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def reply(self, status: int, body: object) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def do_GET(self) -> None:
            facts = {"default_generation_settings": {"n_ctx": 1234}}
            self.reply(200 if told.is_llama else 404, facts if told.is_llama else {})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/tokenize":
                return self.reply(200, {"tokens": asked["content"].split()})
            told.asked.append(asked)
            told.keys.append(self.headers["Authorization"])
            status = told.status.pop(0) if len(told.status) > 1 else told.status[0]
            if status != 200:
                return self.reply(status, told.error)
            self.send_response(200)
            self.end_headers()
            for line in told.lines:
                told.before_line()
                self.wfile.write(f"data: {json.dumps(line)}\n\n".encode())
                self.wfile.flush()
            self.wfile.write(b"data: [DONE]\n\n")

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield told, f"http://127.0.0.1:{http.server_port}/v1"
    http.shutdown()
    http.server_close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(remote, "RETRY_S", 0.01)


def test_pieces_usage_and_key(server):
    told, url = server
    model = OpenAICompatible(url, "qwen", name="office/qwen", key="secret")
    stream = model.stream(ASK)
    assert list(stream) == ["Hello", " there"]
    done = stream.completion
    assert (done.text, done.finish_reason) == ("Hello there", "stop")
    assert (done.prompt_tokens, done.completion_tokens) == (7, 2)
    assert told.keys == ["Bearer secret"] and told.asked[0]["model"] == "qwen"
    assert model.context_tokens == 1234 and model.count_tokens("one two three") == 3


def test_a_busy_server_is_asked_again_but_not_for_ever(server):
    told, url = server
    told.status = [503, 429, 200]
    assert OpenAICompatible(url, "m").complete(ASK).text == "Hello there"
    assert len(told.asked) == 3
    told.status, told.asked = [503], []
    with pytest.raises(Overloaded):
        OpenAICompatible(url, "m").complete(ASK)
    assert len(told.asked) == remote.TRIES


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, "no such model", ModelUnknown),
        (401, "who are you", ModelUnavailable),
        (400, "the request exceeds the available context size", PromptTooLong),
        (500, "boom", InferenceError),
    ],
)
def test_refusals_have_their_kind(server, status, message, kind):
    told, url = server
    told.status, told.error = [status], {"error": {"message": message}}
    with pytest.raises(kind, match=message):
        OpenAICompatible(url, "m").complete(ASK)
    assert len(told.asked) == 1


def test_a_grammar_goes_only_to_a_server_that_obeys_one(server):
    told, url = server
    asked = ChatRequest(ASK.messages, grammar='root ::= "yes"')
    OpenAICompatible(url, "m").complete(asked)
    assert told.asked[0]["grammar"] == 'root ::= "yes"'
    told.is_llama = False
    with pytest.raises(RequestInvalid, match="takes no grammar"):
        OpenAICompatible(url, "m").stream(asked)


def test_an_answer_that_breaks_off_is_an_error_not_an_answer(server):
    told, url = server
    told.lines = told.lines[:1]
    with pytest.raises(InferenceError, match="broke off in mid-answer"):
        OpenAICompatible(url, "m").complete(ASK)


def test_nobody_there():
    with pytest.raises(ModelUnavailable, match="does not answer"):
        OpenAICompatible("http://127.0.0.1:9/v1", "m").complete(ASK)


def test_cancel_and_deadline(server):
    told, url = server
    told.lines = [{"choices": [{"delta": {"content": f"{n} "}}]} for n in range(200)]
    told.before_line = lambda: time.sleep(0.005)
    stream = OpenAICompatible(url, "m").stream(ASK)
    for number, _ in enumerate(stream):
        if number == 2:
            stream.cancel()
    assert stream.completion.finish_reason == "cancelled"
    late = ChatRequest(ASK.messages, timeout_s=0.1)
    done = OpenAICompatible(url, "m").complete(late)
    assert done.finish_reason == "deadline" and done.text.startswith("0 1 ")
