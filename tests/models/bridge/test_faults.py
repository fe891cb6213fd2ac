"""What chat refuses is refused over /v1/responses too, in the same words: the simulated API's, asked directly."""

import json

import pytest

from proxy.errors import BadRequest
from proxy.models.bridge.request import to_responses
from proxy.models.catalogue import load
from proxy.models.translate import translate
from proxy.sandbox.refusals import Refusal
from tests.models.bridge import kit
from tests.models.shapes import ASK, SHAPES, WEATHER

CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
WRONG = {
    "no messages": {"messages": None},
    "messages as a string": {"messages": "hi"},
    "no message": {"messages": []},
    "a message as a string": {"messages": [*ASK, "hi"]},
    "a message as null": {"messages": [None]},
    "no role": {"messages": [{"content": "hi"}]},
    "unknown role": {"messages": [{"role": "boss", "content": "hi"}]},
    "no content": {"messages": [{"role": "user"}]},
    "nothing said": {"messages": [{"role": "assistant", "content": None}]},
    "result of no call": {"messages": [*ASK, {"role": "tool", "content": "4"}]},
    "calls as a string": {"messages": [*ASK, {"role": "assistant", "content": "x", "tool_calls": "c"}]},
    "empty calls": {"messages": [*ASK, {"role": "assistant", "content": "x", "tool_calls": []}]},
    "a call as a string": {"messages": [*ASK, {"role": "assistant", "tool_calls": ["c"]}]},
    "a call without id": {"messages": [*ASK, {"role": "assistant", "tool_calls": [{**CALL, "id": None}]}]},
    "empty tools": {"tools": []},
    "tools as an object": {"tools": {}},
    "empty functions": {"functions": []},
    "a choice among no tools": {"tool_choice": "auto"},
    "parallel calls of no tools": {"parallel_tool_calls": True},
    "a choice among no functions": {"function_call": "auto"},
    "stream options of no stream": {"stream_options": {"include_usage": True}},
    "stream options as a list": {"stream": True, "stream_options": [1]},
    "format as a string": {"response_format": "json"},
}


def words_of(body):
    with pytest.raises(Refusal) as refused:
        kit.directly(body)
    said = refused.value
    return said.message, said.param, said.code


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_chat_refuses_is_refused_before_the_bridge(wrong):
    """Same message, same param, same code: /v1/responses would take it, or never see it."""
    body = {"model": kit.MODEL, "messages": ASK, **wrong}
    with pytest.raises(BadRequest) as refused:
        to_responses(body, reasons=True)
    assert (refused.value.message, refused.value.param, refused.value.code) == words_of(body)


def test_what_chat_takes_crosses():
    """Ours must never be stricter than the API."""
    crossed = 0
    for shape in SHAPES.values():
        body = {"model": kit.MODEL, "messages": ASK, **shape}
        try:
            kit.directly({**body, "reasoning_effort": "none"})
        except Refusal:
            continue
        to_responses(body, reasons=True)
        crossed += 1
    assert crossed > 10


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens"])
@pytest.mark.parametrize("cap", [0, -1, "9", 1.5, True])
def test_a_cap_that_is_none_is_refused_by_the_name_it_was_sent_by(name, cap):
    """Zero must not mean "no cap", wherever the request goes."""
    model, catalogue = "gpt-4.1-mini", load()
    body = {"model": model, "messages": ASK, name: cap}
    for target in ("gpt-6-luna", "gpt-6-astra"):
        with pytest.raises(BadRequest) as refused:
            translate({**body, "tools": [WEATHER]}, catalogue.get(model), catalogue.get(target))
        got = refused.value
        assert (got.message, got.param, got.code) == words_of(body)


def test_no_cap_is_taken_for_none():
    """What comes to the bridge goes over it, or the provider could not refuse it."""
    assert (
        json.loads(to_responses({"messages": ASK, "max_tokens": 0}, reasons=True))["max_output_tokens"] == 0
    )
