"""A program uses the staff's model through /v1, in a house as `make up` starts it."""

from __future__ import annotations

import openai
import pytest

from tests.journeys.conftest import MODEL, until

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def client(house):
    token = house.manage("token", "create", "v1").stdout.strip()
    with openai.OpenAI(base_url=f"{house.url}/v1", api_key=token, timeout=120) as each:
        yield each


def test_a_program_streams_an_answer_of_the_staffs_model(house, client):
    until(lambda: MODEL in {model.id for model in client.models.list()})
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Say hello."}],
        max_tokens=16,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text and chunks[-1].usage.completion_tokens > 0


def test_the_node_reports_its_model_and_its_figures(house, client):
    with house.api() as api:

        def loaded():
            (node,) = api.get("/nodes").json()["results"]
            states = {each["name"]: each for each in node["model_states"]}
            return states.get(MODEL, {}).get("state") == "loaded" and states[MODEL]

        state = until(loaded)
        assert state["memory_bytes"] > 50_000_000
        until(lambda: loaded()["stats"]["requests"] > 0, 30)
