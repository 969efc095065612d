"""/v1 as programs use it: the official client, a real server, a real broker, a real small model."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time

import httpx
import openai
import pytest
import uvicorn
from django.conf import settings
from pydantic import BaseModel
from redis import Redis

from orchestrator import runtime
from orchestrator.inference.base import ChatRequest, Message
from orchestrator.inference.catalogue import Catalogue
from orchestrator.inference.remote import OpenAICompatible
from orchestrator.serving.counter import Counter
from staff.actions import nodes, people
from staff.models import ApiToken, ModelUsage

SMALL = "smollm2-135m-instruct"
pytestmark = [pytest.mark.model, pytest.mark.django_db(transaction=True)]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Oslo"]}, "days": {"enum": [1, 3]}},
            "required": ["city", "days"],
        },
    },
}


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def server():
    """The house's own ASGI application behind a real socket."""
    from web.asgi import application

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(application, host="127.0.0.1", port=port, log_level="warning")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until(lambda: running.started)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def model():
    if Catalogue.load().get(SMALL).verified_path() is None:
        pytest.skip(f"NOT TESTED: {SMALL} is absent; python manage.py models pull {SMALL}")
    yield runtime.pool().model(SMALL)
    runtime.pool().close()


@pytest.fixture
def node(model, office):
    """A node with the model in memory, that takes orders."""
    nodes.register("staff@here", 4)
    nodes.seen("staff@here", runtime.model_states())
    counter = Counter()
    counter.start()
    yield counter
    counter.stop()
    until(lambda: not counter._all())


@pytest.fixture
def token(boss, office):
    return people.make_token(boss, office, "program")


@pytest.fixture
def client(server, node, token):
    with openai.OpenAI(base_url=f"{server}/v1", api_key=token, max_retries=0, timeout=60) as each:
        yield each


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def say(text):
    return [{"role": "user", "content": text}]


def test_an_answer_and_what_it_used(client, token):
    done = client.chat.completions.create(
        model=SMALL, messages=say("Say hello."), max_tokens=12, temperature=0
    )
    assert done.choices[0].message.content
    assert done.choices[0].finish_reason in ("stop", "length")
    assert done.usage.prompt_tokens > 5 and 0 < done.usage.completion_tokens <= 12
    used = ModelUsage.objects.get()
    assert used.token.name == "program" and used.requests == 1
    assert used.prompt_tokens == done.usage.prompt_tokens
    assert used.completion_tokens == done.usage.completion_tokens


def test_a_stream_is_the_same_answer_in_pieces(client):
    asked = {"model": SMALL, "messages": say("Count to five."), "max_tokens": 16, "temperature": 0}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    chunks = list(
        client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    pieces = [
        c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content
    ]
    assert len(pieces) > 3 and "".join(pieces) == whole
    assert chunks[-1].usage.completion_tokens > 3
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")


def test_a_schema_is_obeyed(client):
    class Step(BaseModel):
        what: str
        hours: int

    class Plan(BaseModel):
        steps: list[Step]
        is_urgent: bool

    schema = Plan.model_json_schema()
    schema["properties"]["steps"] |= {"minItems": 1, "maxItems": 2}
    schema["$defs"]["Step"]["properties"]["what"]["maxLength"] = 20
    done = client.chat.completions.create(
        model=SMALL,
        messages=say("Plan a party."),
        max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "plan", "schema": schema}},
    )
    plan = Plan.model_validate_json(done.choices[0].message.content)
    assert 1 <= len(plan.steps) <= 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called(client, stream):
    asked = {
        "model": SMALL,
        "messages": say("How is the weather in Oslo?"),
        "tools": [WEATHER],
        "tool_choice": "required",
        "max_tokens": 60,
    }
    if stream:
        chunks = [c.choices[0] for c in client.chat.completions.create(**asked, stream=True)]
        (call,) = [c.delta.tool_calls[0] for c in chunks if c.delta.tool_calls]
        reason = chunks[-1].finish_reason
    else:
        choice = client.chat.completions.create(**asked).choices[0]
        (call,), reason = choice.message.tool_calls, choice.finish_reason
    assert reason == "tool_calls" and call.function.name == "weather"
    arguments = json.loads(call.function.arguments)
    assert arguments["city"] in ("Paris", "Oslo") and arguments["days"] in (1, 3)


def test_the_result_of_a_tool_is_heard(client):
    call = {"name": "weather", "arguments": '{"city": "Oslo", "days": 1}'}
    messages = [
        *say("How is the weather in Oslo?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Snow, minus four degrees."},
    ]
    done = client.chat.completions.create(
        model=SMALL, messages=messages, tools=[WEATHER], tool_choice="none", max_tokens=40
    )
    assert done.choices[0].message.content and not done.choices[0].message.tool_calls


def test_logprobs(client):
    done = client.chat.completions.create(
        model=SMALL,
        messages=say("Say hello."),
        max_tokens=4,
        temperature=0,
        logprobs=True,
        top_logprobs=2,
    )
    tokens = done.choices[0].logprobs.content
    assert 1 <= len(tokens) <= 5 and len(tokens[0].top_logprobs) == 2
    assert tokens[0].logprob == tokens[0].top_logprobs[0].logprob <= 0


def test_the_models_and_the_embeddings(client):
    assert {SMALL, settings.EMBEDDER} <= {model.id for model in client.models.list()}
    texts = ["an invoice", "an unpaid invoice", "a green parrot"]
    made = client.embeddings.create(model=settings.EMBEDDER, input=texts)
    one, near, far = (each.embedding for each in made.data)
    assert len(one) == 256
    assert dot(one, near) > dot(one, far)
    plain = client.embeddings.create(
        model=settings.EMBEDDER, input="an invoice", encoding_format="float"
    )
    assert plain.data[0].embedding == pytest.approx(one, abs=1e-6)


def test_what_is_wrong_is_said_in_the_protocols_shape(client, server, token):
    ask = client.chat.completions.create
    with pytest.raises(openai.NotFoundError, match="No node has the model 'gpt-9'") as unknown:
        ask(model="gpt-9", messages=say("Hi"))
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="together") as long:
        ask(model=SMALL, messages=say("word " * 6000))
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="patternProperties"):
        schema = {"type": "object", "patternProperties": {}}
        shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        ask(model=SMALL, messages=say("Hi"), response_format=shape)
    with pytest.raises(openai.BadRequestError, match="temperature"):
        ask(model=SMALL, messages=say("Hi"), temperature=9)
    with pytest.raises(openai.BadRequestError, match="n is not supported"):
        ask(model=SMALL, messages=say("Hi"), n=3)
    with pytest.raises(openai.BadRequestError, match="could not be parsed"):
        ask(model=SMALL, messages=say("Hi"), extra_body={"grammar": "root ::= thing"})
    with pytest.raises(openai.AuthenticationError, match="unknown, revoked or expired"):
        client.with_options(api_key="fs_wrong").chat.completions.create(
            model=SMALL, messages=say("Hi")
        )
    bad = httpx.post(
        f"{server}/v1/chat/completions",
        content=b"{",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert bad.status_code == 400 and "no JSON" in bad.json()["error"]["message"]
    assert httpx.get(f"{server}/v1/chat/completions").status_code == 405


def test_a_quota_ends_a_tokens_day(client):
    ApiToken.objects.update(daily_tokens=10)
    ask = client.chat.completions.create
    ask(model=SMALL, messages=say("Say something new."), max_tokens=8)
    with pytest.raises(openai.RateLimitError, match="10 tokens of today") as spent:
        ask(model=SMALL, messages=say("Again."), max_tokens=8)
    assert spent.value.code == "insufficient_quota"


def test_a_token_that_only_reads_may_list_but_not_ask(client, boss, office):
    reader = client.with_options(api_key=people.make_token(boss, office, "eye", scope="read"))
    assert len(list(reader.models.list())) >= 2
    with pytest.raises(openai.PermissionDeniedError):
        reader.chat.completions.create(model=SMALL, messages=say("Hi"))


def test_a_client_that_leaves_stops_the_work(client, node):
    stream = client.chat.completions.create(
        model=SMALL,
        messages=say("Write a long story."),
        max_tokens=1800,
        stream=True,
        extra_body={"min_tokens": 1800},
    )
    next(iter(stream))
    assert node._all()
    stream.close()
    until(lambda: not node._all())
    assert runtime.pool().states()[0]["stats"]["running"] == 0
    used = until(lambda: ModelUsage.objects.first())
    assert used.completion_tokens < 1800, "what was computed is on the bill all the same"


def test_without_a_node_the_answer_is_a_plain_no(server, token, office, model, monkeypatch):
    monkeypatch.setattr("orchestrator.serving.customer.SILENCE_S", 1.0)
    nodes.register("staff@gone", 4)
    nodes.seen("staff@gone", runtime.model_states())
    client = openai.OpenAI(base_url=f"{server}/v1", api_key=token, max_retries=0)
    with pytest.raises(openai.InternalServerError, match="Is its worker running"):
        client.chat.completions.create(model=SMALL, messages=say("Hi"))
    broker = Redis.from_url(settings.REDIS_URL)
    left = [key for key in broker.keys("forestaff:serving:*") if b":news:" not in key]
    assert not left, "neither the order nor its lease stays in the broker"


def test_our_own_client_speaks_with_our_own_server(server, node, token):
    remote = OpenAICompatible(f"{server}/v1", SMALL, key=token)
    request = ChatRequest((Message("user", "Say hello."),), max_tokens=10, logprobs=1)
    stream = remote.stream(request)
    pieces = list(stream)
    done = stream.completion
    assert "".join(pieces) == done.text and done.text
    assert done.completion_tokens >= len(stream.logprobs) - 1 > 0
    assert done.prompt_tokens > 5
    remote.close()


def test_eight_programs_at_once(server, node, token):
    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key=token) as client:
            asks = [
                client.chat.completions.create(
                    model=SMALL, messages=say(f"Say {n}."), max_tokens=10, temperature=0
                )
                for n in range(8)
            ]
            return await asyncio.gather(*asks)

    answers = asyncio.run(all_of_them())
    assert all(answer.choices[0].message.content for answer in answers)
