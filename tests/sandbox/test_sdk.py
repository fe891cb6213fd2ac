"""A real client, the openai SDK, against the sandbox over a socket: it must believe it is talking to OpenAI."""

import httpx
import openai
import pytest
from openai import OpenAI

from tests.sandbox.kit import flat_tool, running, tool

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def live():
    with running() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(live):
    with OpenAI(base_url=f"{live.url}/v1", api_key="sk-test", max_retries=0) as made:
        yield made


def ordered(text):
    return [{"role": "user", "content": text}]


def test_a_chat_answer_parses_with_its_request_id(client):
    """Whole."""
    answer = client.chat.completions.create(
        model="gpt-4.1-mini", messages=HI, temperature=0.2, max_tokens=100
    )
    assert answer.choices[0].message.content
    assert answer._request_id.startswith("req_")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_chat_stream_accumulates(client):
    """With the SDK's own accumulator, usage included."""
    options = {"include_usage": True}
    with client.chat.completions.stream(model="gpt-4.1", messages=HI, stream_options=options) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert events[-1].type == "chunk"
    assert (
        final.choices[0].message.content
        == client.chat.completions.create(model="gpt-4.1", messages=HI).choices[0].message.content
    )
    assert final.usage.completion_tokens > 0


def test_parallel_tool_calls_accumulate_from_a_stream(client):
    """By index, ids once."""
    tools = [tool("alpha", strict=True), tool("beta", strict=True)]
    with client.chat.completions.stream(
        model="gpt-4.1", messages=ordered("call alpha and beta"), tools=tools
    ) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["alpha", "beta"]
    assert set(calls[0].function.parsed_arguments) == {"city", "days"}


def test_a_parsed_answer_fits_its_class(client):
    """Structured output by a pydantic model."""
    from pydantic import BaseModel

    class Stop(BaseModel):
        station: str
        minutes: list[int]

    parsed = (
        client.chat.completions.parse(model="gpt-5", messages=HI, response_format=Stop)
        .choices[0]
        .message.parsed
    )
    assert isinstance(parsed, Stop)
    assert isinstance(client.responses.parse(model="gpt-5", input="hi", text_format=Stop).output_parsed, Stop)


def test_responses_stream_and_chain(client):
    """Events typed by the SDK, final object, previous_response_id, deletion."""
    with client.responses.stream(model="gpt-5", input="use get_weather", tools=[flat_tool()]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    call = final.output[-1]
    result = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    then = client.responses.create(
        model="gpt-5", input=result, previous_response_id=final.id, tools=[flat_tool()]
    )
    assert then.output_text == "The tools say: sunny."
    assert client.responses.input_items.list(then.id).data[0].call_id == call.call_id
    client.responses.delete(then.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(then.id)


@pytest.mark.parametrize(
    ("order", "kind", "code"),
    [
        ("[[sandbox:429]]", openai.RateLimitError, "rate_limit_exceeded"),
        ("[[sandbox:quota]]", openai.RateLimitError, "insufficient_quota"),
        ("[[sandbox:401]]", openai.AuthenticationError, "invalid_api_key"),
        ("[[sandbox:403]]", openai.PermissionDeniedError, "unsupported_country_region_territory"),
        ("[[sandbox:409]]", openai.ConflictError, None),
        ("[[sandbox:500]]", openai.InternalServerError, None),
        ("[[sandbox:503]]", openai.InternalServerError, "overloaded"),
    ],
)
def test_errors_become_the_sdks_own_classes(client, order, kind, code):
    """By status, with code and request id."""
    with pytest.raises(kind) as raised:
        client.chat.completions.create(model="gpt-4.1", messages=ordered(order))
    assert raised.value.code == code
    assert raised.value.request_id


def test_a_retired_model_is_not_found(client):
    """The problem the whole project is about."""
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="o4-mini", messages=HI)
    assert raised.value.code == "model_not_found"


def test_a_broken_stream_is_visible_to_the_sdk(client):
    """An error event raises; a cut raises."""
    for order in ("[[sandbox:error_inside:2]]", "[[sandbox:cut:2]]"):
        with pytest.raises((openai.APIError, httpx.ReadError)) as raised:
            list(client.chat.completions.create(model="gpt-4.1", messages=ordered(order), stream=True))
        assert "server had an error" in str(raised.value) or "reset" in str(raised.value)


@pytest.mark.parametrize(
    "order", ["comments", "crlf", "split", "gzip", "giant bytes=200000", "extra", "no_usage"]
)
def test_odd_but_legal_streams_parse(client, order):
    """The SDK reads them like any other."""
    messages = ordered(f"[[sandbox:say=one two]] [[sandbox:{order}]]")
    chunks = client.chat.completions.create(model="gpt-4.1", messages=messages, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two"


def test_the_sdk_retries_as_the_headers_tell_it(live):
    """One 429 with retry-after-ms, then the answer; both calls are in the log."""
    live.app.log.clear()
    with OpenAI(base_url=f"{live.url}/v1", api_key="sk-test", max_retries=2) as patient:
        messages = ordered("patience [[sandbox:429 times=1 retry_after_ms=5]]")
        assert patient.chat.completions.create(model="gpt-4.1", messages=messages).choices
    assert [record.status for record in live.app.log.records()] == [429, 200]
    assert live.app.log.last().headers["x-stainless-retry-count"] == "1"


def test_the_other_endpoints_satisfy_the_sdk(client):
    """Models, embeddings, moderations, files, batches, audio, images."""
    assert any(model.id == "gpt-6-luna" and model.shutdown_date is None for model in client.models.list())
    assert len(client.embeddings.create(model="text-embedding-3-small", input="a").data[0].embedding) == 1536
    assert not client.moderations.create(input="hello").results[0].flagged
    line = b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"text-embedding-3-small","input":"x"}}'
    held = client.files.create(file=("in.jsonl", line), purpose="batch")
    batch = client.batches.create(input_file_id=held.id, endpoint="/v1/embeddings", completion_window="24h")
    done = client.batches.retrieve(batch.id)
    assert b'"custom_id":"a"' in client.files.content(done.output_file_id).read()
    speech = client.audio.speech.create(model="gpt-4o-mini-tts", input="hi", voice="alloy")
    assert speech.read().startswith(b"RIFF")
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFFdata"))
    assert heard.text.startswith("Transcript")
    assert client.images.generate(model="gpt-image-1", prompt="a train").data[0].b64_json
    assert client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x").choices[0].text
