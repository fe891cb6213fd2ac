"""The OpenAI SDK with what an ended model took and its successor does not: the app must not notice."""

import json

import openai
import pytest
from cases import BREAKS, CHAT_TOOLS, ENDLESS, HELLO, LIVING, RETIRED, STEPS, broken

TOOLS = {"tools": CHAT_TOOLS}


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture
def client(door):
    with openai.OpenAI(base_url=door.url, api_key="any", max_retries=0) as made:
        yield made


# ---- tools with reasoning: over /v1/responses, and back as chat --------------------------------------------------------


@pytest.mark.parametrize("effort", [None, "low", "high"])
def test_tools_do_not_cost_the_reasoning(client, upstream, effort):
    """A reasoning model with tools goes on reasoning, at the effort asked for, and says how much."""
    wishes = {"reasoning_effort": effort} if effort else {}
    answer = client.chat.completions.create(model=RETIRED, messages=user(STEPS), **TOOLS, **wishes)
    sent = upstream.calls()[-1]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.object == "chat.completion"
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert sent["path"] == "/v1/responses"
    assert sent["body"].get("reasoning", {}).get("effort", "medium") == (effort or "medium")


def test_streamed_chunks_are_chats_own(client):
    """One id, a role first, deltas by index with id and name once, one finish_reason, usage last and only when asked for."""
    ask = {"model": RETIRED, "messages": user("Call add and multiply on 2 and 3."), "stream": True, **TOOLS}
    chunks = list(client.chat.completions.create(**ask, stream_options={"include_usage": True}))
    plain = list(client.chat.completions.create(**ask))
    deltas = [call for chunk in plain for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert {chunk.object for chunk in plain} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in plain}) == 1
    assert plain[0].choices[0].delta.role == "assistant"
    assert [call.index for call in deltas if call.id] == [0, 1]
    assert [call.function.name for call in deltas if call.function.name] == ["add", "multiply"]
    for index in (0, 1):
        assert json.loads("".join(call.function.arguments or "" for call in deltas if call.index == index))
    assert [chunk.choices[0].finish_reason for chunk in plain if chunk.choices[0].finish_reason] == [
        "tool_calls"
    ]
    assert all("usage" not in chunk.model_fields_set for chunk in plain)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens > 0


def test_text_beside_tools(client):
    """Tools that are not called leave plain text, whole and streamed alike."""
    ask = {"model": RETIRED, "messages": user(HELLO), **TOOLS}
    whole = client.chat.completions.create(**ask)
    streamed = client.chat.completions.create(**ask, stream=True)
    text = "".join(choice.delta.content or "" for chunk in streamed for choice in chunk.choices)
    assert whole.choices[0].finish_reason == "stop"
    assert text == whole.choices[0].message.content


@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(client, how):
    """Half an answer is never taken for a whole one on this way either."""
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=RETIRED, messages=user(broken(how)), stream=True, **TOOLS))


def test_leaving_a_stream_closes_upstream(client, closed):
    """Closing the stream ends the provider's call."""
    stream = client.chat.completions.create(model=RETIRED, messages=user(ENDLESS), stream=True, **TOOLS)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    assert closed()["path"] == "/v1/responses"


def test_a_cap_that_is_too_small_ends_by_length(client):
    """finish_reason `length`, whole and streamed."""
    ask = {
        "model": RETIRED,
        "messages": user("[[sandbox:words=400]] hi"),
        "max_completion_tokens": 300,
        **TOOLS,
    }
    whole = client.chat.completions.create(**ask)
    chunks = list(client.chat.completions.create(**ask, stream=True))
    assert whole.choices[0].finish_reason == "length"
    assert chunks[-1].choices[0].finish_reason == "length"


def test_a_strict_schema_beside_tools(client):
    """`response_format` and tools together."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    answer = client.chat.completions.create(
        model=RETIRED, messages=user(HELLO), response_format=form, **TOOLS
    )
    assert set(json.loads(answer.choices[0].message.content)) == {"a"}


def test_a_refusal_beside_tools(client):
    """A refusal stays one."""
    answer = client.chat.completions.create(model=RETIRED, messages=user("[[sandbox:refuse]] hi"), **TOOLS)
    assert answer.choices[0].message.refusal


def test_a_limit_beside_tools(client):
    """429 is chat's own error."""
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(
            model=RETIRED, messages=user("[[sandbox:429 retry_after=9]] hi"), **TOOLS
        )
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["retry-after"] == "9"


def test_errors_speak_of_chats_fields(client):
    """A wrong tool is told in the words of the request the app sent."""
    bad = [
        {"type": "function", "function": {"name": "a b", "parameters": {"type": "object", "properties": {}}}}
    ]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=RETIRED, messages=user(HELLO), tools=bad)
    assert refused.value.param == "tools[0].function.name"


# ---- stop, n, penalties ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("stop", ["STOP", ["nothing", "STOP"]])
def test_stop(client, stream, stop):
    """Text ends before the sequence, also where it is split over pieces of the stream."""
    said = "[[sandbox:say=one two STOP three]] hi"
    made = client.chat.completions.create(model=RETIRED, messages=user(said), stop=stop, stream=stream)
    if stream:
        chunks = list(made)
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        finish = chunks[-1].choices[0].finish_reason
    else:
        text, finish = made.choices[0].message.content, made.choices[0].finish_reason
    assert (text, finish) == ("one two ", "stop")


def test_stop_with_tools(client):
    """Both at once."""
    said = "[[sandbox:say=one two STOP three]] hi"
    answer = client.chat.completions.create(model=RETIRED, messages=user(said), stop="STOP", **TOOLS)
    assert answer.choices[0].message.content == "one two "


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices_with_tools(client, stream):
    """`n` with tools: as many choices, one bill."""
    made = client.chat.completions.create(
        model=RETIRED, messages=user("Call add on 2 and 3 now"), n=2, stream=stream, **TOOLS
    )
    if stream:
        indexes = {choice.index for chunk in made for choice in chunk.choices}
    else:
        indexes = {choice.index for choice in made.choices}
        assert all(choice.message.tool_calls for choice in made.choices)
        assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
    assert indexes == {0, 1}


def test_what_was_dropped_is_told(client):
    """Every change is in a header the operator can see."""
    raw = client.chat.completions.with_raw_response.create(
        model=RETIRED, messages=user(HELLO), max_tokens=3000, temperature=0.2, presence_penalty=0.5
    )
    changes = raw.headers["x-switchyard-changes"]
    assert "temperature" in changes
    assert "presence_penalty" in changes
    assert raw.parse().choices[0].message.content


@pytest.mark.only_chat
def test_nothing_is_changed_for_a_living_model(client, upstream):
    """No header, and upstream gets the body as the SDK wrote it."""
    raw = client.chat.completions.with_raw_response.create(
        model=LIVING, messages=user(HELLO), max_tokens=30, temperature=0.2, stop=["zzz"], n=2, **TOOLS
    )
    assert "x-switchyard-changes" not in raw.headers
    assert upstream.calls()[-1]["body"] == json.loads(raw.http_request.content)
