"""`n` answers from a model that gives one: asked for in parallel, merged, billed as the sum, all or nothing.

o4-mini has ended; with tools and an effort its successor is reached over /v1/responses, which knows no `n`.
"""

import itertools
import json
import socket
import time

import openai
import pytest

from tests.test_main_job import WEATHER, post, sse, wait_until

BODY = {
    "model": "o4-mini",
    "messages": [{"role": "user", "content": "What is the weather in Oslo?"}],
    "tools": [WEATHER],
    "tool_choice": "required",
    "n": 2,
}


@pytest.fixture
def client(door):
    with openai.OpenAI(base_url=door.url, api_key="any", max_retries=0) as made:
        yield made


def responses_of(upstream):
    return [call for call in upstream.calls() if call["path"] == "/v1/responses"]


def billed(upstream):
    """The provider's own account of both parts, once both are over."""
    wait_until(lambda: sum(call["outcome"] == "answered" for call in responses_of(upstream)) == 2)
    return responses_of(upstream)


def billed_input(upstream):
    return sum(call["bill"]["prompt"] for call in billed(upstream))


def test_several_whole_answers_are_one_with_every_choice(door, upstream):
    """Two calls go up, one answer comes down: two numbered choices, usage added up, the change listed, the sum billed."""
    status, headers, body = post(f"{door.url}/chat/completions", BODY)
    answer = json.loads(body)
    assert status == 200, body
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert all(choice["message"]["tool_calls"] for choice in answer["choices"])
    assert "n:fanned_out" in headers["x-switchyard-changes"]
    assert len(responses_of(upstream)) == 2
    assert all("n" not in call["body"] for call in responses_of(upstream))
    row = door.row(headers["x-switchyard-request-id"])
    assert row["usage"]["output_tokens"] == answer["usage"]["completion_tokens"]
    assert row["usage"]["source"] == "reported"
    assert answer["usage"]["prompt_tokens"] == billed_input(upstream)
    assert 0 <= sum(call["cost_nano"] for call in billed(upstream)) - row["cost_nano"] <= 1  # rounded up once


def test_several_streams_are_one_stream(client, door, upstream):
    """Chunks of both choices interleave by index under one id; usage comes once, as the sum, and [DONE] once."""
    chunks = list(client.chat.completions.create(**BODY, stream=True, stream_options={"include_usage": True}))
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    arguments = {0: "", 1: ""}
    finished = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or []:
                arguments[choice.index] += call.function.arguments or ""
            if choice.finish_reason:
                finished[choice.index] = choice.finish_reason
    assert all(json.loads(text) for text in arguments.values())
    assert finished == {0: "tool_calls", 1: "tool_calls"}
    said = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(said) == 1
    assert said[0].prompt_tokens == billed_input(upstream)


def test_choices_come_live_and_side_by_side(client):
    """No answer waits for another to be complete: both are under way at once, long before either ends."""
    text = [{"role": "user", "content": "[[sandbox:words=60]][[sandbox:pace=0.02]] Tell a story."}]
    body = {**BODY, "messages": text, "tool_choice": "auto", "reasoning_effort": "low", "stream": True}
    began, at, order = time.monotonic(), [], []
    for chunk in client.chat.completions.create(**body):
        for choice in chunk.choices:
            if choice.delta.content:
                at.append(time.monotonic() - began)
                order.append(choice.index)
    turns = sum(one != two for one, two in itertools.pairwise(order))
    assert at[0] < at[-1] / 2
    assert set(order) == {0, 1}
    assert turns > len(order) / 4


def test_a_merged_stream_without_asked_usage_shows_none(door, upstream):
    """As with one answer: no usage key, no chunk without choices; the bill knows it all the same."""
    status, headers, body = post(f"{door.url}/chat/completions", {**BODY, "stream": True})
    events = sse(body)
    assert status == 200
    assert events[-1] == "[DONE]"
    assert events.count("[DONE]") == 1
    assert b"usage" not in body
    assert all(json.loads(event)["choices"] for event in events[:-1])
    row = door.row(headers["x-switchyard-request-id"])
    assert row["usage"]["source"] == "reported"
    assert row["usage"]["input_tokens"] == billed_input(upstream)


def test_a_stop_sequence_cuts_every_choice(door, upstream):
    """Cutting happens once for all choices, behind the merger."""
    text = {"role": "user", "content": "Write: alpha beta gamma delta epsilon zeta eta theta"}
    body = {**BODY, "messages": [text], "tool_choice": "auto", "stop": ["e"], "stream": True}
    status, headers, raw = post(f"{door.url}/chat/completions", body)
    assert status == 200, raw
    contents = {0: "", 1: ""}
    for event in sse(raw)[:-1]:
        for choice in json.loads(event)["choices"]:
            contents[choice["index"]] += choice["delta"].get("content") or ""
    assert not any("e" in text for text in contents.values())
    assert "stop:emulated" in headers["x-switchyard-changes"]


@pytest.mark.parametrize("stream", [False, True])
def test_one_failing_part_fails_the_attempt(door, upstream, stream):
    """All or nothing: the refusal reaches the caller, and what the other part cost is in the bill."""
    upstream.fault({"action": "429", "times": 1, "match": {"path": "/v1/responses"}})
    status, headers, body = post(f"{door.url}/chat/completions", {**BODY, "stream": stream})
    rows = [line for line in door.lines if line.get("request_id") == headers["x-switchyard-request-id"]]
    assert rows or door.row(headers["x-switchyard-request-id"])
    assert status in (200, 429), body
    first = next(line for line in door.lines if line.get("request_id") == headers["x-switchyard-request-id"])
    assert first["attempt"] == 1
    assert first["error"].startswith("rate_limited")
    assert first["cost_nano"] > 0
    assert first["estimated"] is stream


def test_a_part_that_breaks_off_breaks_the_stream(client, upstream):
    """Never a false end: half of the choices is no answer."""
    upstream.fault({"action": "cut", "at": 6, "times": 1, "match": {"path": "/v1/responses"}})
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(**BODY, stream=True):
            pass


@pytest.mark.parametrize("stream", [False, True])
def test_closing_the_client_closes_every_part(door, upstream, stream):
    """No part goes on for a caller who left."""
    upstream.fault({"action": "hang", "match": {"path": "/v1/responses"}})
    body = json.dumps({**BODY, "stream": stream}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port)) as connection:
        connection.sendall(head % len(body) + body)
        wait_until(lambda: len(responses_of(upstream)) == 2)
    assert wait_until(lambda: len([call for call in upstream.calls() if call["client_closed"]]) == 2)
