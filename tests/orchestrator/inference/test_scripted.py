from __future__ import annotations

import itertools

import pytest

from orchestrator.inference.base import ChatModel, ChatRequest, Message, PromptTooLong
from orchestrator.inference.scripted import ScriptedModel


def ask(text: str = "hello there", **options) -> ChatRequest:
    return ChatRequest((Message("user", text),), **options)


def test_answers_come_in_order_and_requests_are_kept():
    model: ChatModel = ScriptedModel(["one", "two"])
    assert model.complete(ask("a")).text == "one"
    assert model.complete(ask("b")).text == "two"
    assert [r.messages[0].content for r in model.requests] == ["a", "b"]
    with pytest.raises(IndexError, match="request 3"):
        model.complete(ask("c"))


def test_a_function_answers_each_request():
    model = ScriptedModel(lambda request: request.messages[-1].content.upper())
    assert model.complete(ask("shout")).text == "SHOUT"


def test_pieces_join_to_the_text_and_words_are_counted():
    stream = ScriptedModel(["  two words\n  and more \n"]).stream(ask())
    pieces = list(stream)
    assert len(pieces) == 4
    assert "".join(pieces) == stream.completion.text == "  two words\n  and more \n"
    assert stream.completion.completion_tokens == 4
    assert stream.completion.prompt_tokens == 2
    assert stream.completion.finish_reason == "stop"


def test_an_answer_that_never_ends_is_cut_where_the_request_says():
    model = ScriptedModel(lambda request: itertools.repeat(" more"))
    assert model.complete(ask(max_tokens=3)).text == " more more more"


def test_cancel_ends_the_stream():
    stream = ScriptedModel(["one two three four"]).stream(ask())
    for piece in stream:
        if "two" in piece:
            stream.cancel()
    assert stream.completion.text == "one two"
    assert stream.completion.finish_reason == "cancelled"


def test_stop_strings_max_tokens_and_timeouts_hold():
    model = ScriptedModel(lambda request: "one two three four")
    stopped = model.complete(ask(stop=("three",)))
    assert (stopped.text, stopped.finish_reason) == ("one two ", "stop")
    cut = model.complete(ask(max_tokens=2))
    assert (cut.text, cut.finish_reason) == ("one two", "length")
    late = model.complete(ask(timeout_s=0.0))
    assert (late.text, late.finish_reason) == ("", "deadline")


def test_a_prompt_too_long_is_refused_unrecorded():
    model = ScriptedModel(["x"], context_tokens=10)
    with pytest.raises(PromptTooLong, match="2 words"):
        model.stream(ask(max_tokens=9))
    assert model.requests == []


def test_an_empty_answer_is_an_answer():
    assert ScriptedModel([""]).complete(ask()).text == ""
