"""The OpenAI SDK, chat and everything beside it: only base_url differs from an app that talks to OpenAI."""

import asyncio
import json
from typing import Literal

import openai
import pytest
from cases import (
    BREAKS,
    BROKE,
    CHAT_TOOLS,
    ENDLESS,
    FUNCTIONS,
    HELLO,
    LIMITED,
    LIVING,
    ONCE_LIMITED,
    ORDER,
    PERSON,
    PIXEL,
    RETIRED,
    ROUTED,
    STEPS,
    SUCCESSOR,
    broken,
    each_target,
)
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int
    kind: Literal["human", "machine"]


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture
def client(door):
    with openai.OpenAI(base_url=door.url, api_key="any", max_retries=0) as made:
        yield made


def with_async(door, work):
    """Run `work(client)` with an AsyncOpenAI."""

    async def run():
        async with openai.AsyncOpenAI(base_url=door.url, api_key="any", max_retries=0) as made:
            return await work(made)

    return asyncio.run(run())


# ---- answers -------------------------------------------------------------------------------------------------------


@each_target
def test_whole(client, model):
    """Text, an end and usage come back."""
    answer = client.chat.completions.create(model=model, messages=user(HELLO))
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id.startswith("req_")


@each_target
def test_streamed_equals_whole(client, model):
    """The same question streamed says the same, with usage only because it was asked for."""
    whole = client.chat.completions.create(model=model, messages=user(HELLO))
    chunks = list(
        client.chat.completions.create(
            model=model, messages=user(HELLO), stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1


@each_target
def test_a_stream_nobody_asked_usage_of_has_none(client, model):
    """Every chunk has a choice and none has usage."""
    chunks = list(client.chat.completions.create(model=model, messages=user(HELLO), stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


@each_target
def test_async_whole_and_streamed(door, model):
    """The asynchronous client does both, several at once."""

    async def work(client):
        asks = [client.chat.completions.create(model=model, messages=user(f"{HELLO} {n}")) for n in range(8)]
        answers = await asyncio.gather(*asks)
        stream = await client.chat.completions.create(model=model, messages=user(HELLO), stream=True)
        return answers, [chunk async for chunk in stream]

    answers, chunks = with_async(door, work)
    assert len({answer.id for answer in answers}) == 8
    assert chunks[-1].choices[0].finish_reason == "stop"


@each_target
def test_raw_response_shows_headers(client, model):
    """`with_raw_response` sees upstream's headers and ours."""
    raw = client.chat.completions.with_raw_response.create(model=model, messages=user(HELLO))
    assert raw.parse().choices[0].message.content
    assert {"x-request-id", "openai-processing-ms", "x-switchyard-model", "x-switchyard-cost-usd"} <= set(
        raw.headers
    )
    assert float(raw.headers["x-switchyard-cost-usd"]) > 0


@each_target
def test_streaming_response_reads_lines(client, model):
    """`with_streaming_response` reads the event stream itself, to its [DONE]."""
    with client.chat.completions.with_streaming_response.create(
        model=model, messages=user(HELLO), stream=True
    ) as raw:
        lines = [line for line in raw.iter_lines() if line]
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert lines[-1] == "data: [DONE]"


@each_target
def test_the_stream_helper_accumulates(client, model):
    """`chat.completions.stream` puts the completion together."""
    with client.chat.completions.stream(model=model, messages=user(HELLO)) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content


@each_target
def test_parse_gives_the_model_class(client, model):
    """`parse` sends a strict JSON schema and reads the answer into the class."""
    answer = client.chat.completions.parse(model=model, messages=user(PERSON), response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)


@each_target
def test_streamed_parse_gives_the_model_class(client, model):
    """The same, streamed."""
    with client.chat.completions.stream(model=model, messages=user(PERSON), response_format=Person) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Person)


@each_target
def test_json_object(client, model):
    """JSON mode answers with JSON."""
    answer = client.chat.completions.create(
        model=model, messages=user("Answer as JSON: hi"), response_format={"type": "json_object"}
    )
    assert json.loads(answer.choices[0].message.content)


@each_target
def test_a_refusal_is_a_refusal(client, model):
    """A refused structured answer is in `refusal`, not in `content`."""
    answer = client.chat.completions.parse(
        model=model, messages=user(f"[[sandbox:refuse]] {PERSON}"), response_format=Person
    )
    assert answer.choices[0].message.refusal
    assert answer.choices[0].message.parsed is None


@each_target
def test_tools_loop_in_three_steps(client, model):
    """Call, result, call, result, call, result, text: each step one round trip."""
    messages, called = user(STEPS), []
    for _ in range(6):
        message = (
            client.chat.completions.create(model=model, messages=messages, tools=CHAT_TOOLS)
            .choices[0]
            .message
        )
        messages.append(message)
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            called.append(call.function.name)
            result = FUNCTIONS[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})
    assert called == ORDER
    assert message.content.startswith("The tools say")


@each_target
def test_streamed_tools_loop_in_three_steps(client, model):
    """The same, with every step streamed through the SDK's accumulator."""
    messages, called = user(STEPS), []
    for _ in range(6):
        with client.chat.completions.stream(model=model, messages=messages, tools=CHAT_TOOLS) as stream:
            message = stream.get_final_completion().choices[0].message
        messages.append(message.to_dict())
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            called.append(call.function.name)
            result = FUNCTIONS[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})
    assert called == ORDER
    assert message.content.startswith("The tools say")


@each_target
def test_parallel_tool_calls_come_by_index(client, model):
    """Two calls in one answer, with their own ids, streamed."""
    with client.chat.completions.stream(
        model=model, messages=user("Call add and multiply on 2 and 3."), tools=CHAT_TOOLS
    ) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["add", "multiply"]
    assert len({call.id for call in calls}) == 2
    assert all(set(json.loads(call.function.arguments)) == {"a", "b"} for call in calls)


@each_target
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "subtract"}}])
def test_forced_tools(client, model, choice):
    """A tool that must be called is called."""
    answer = client.chat.completions.create(
        model=model, messages=user(HELLO), tools=CHAT_TOOLS, tool_choice=choice
    )
    names = [call.function.name for call in answer.choices[0].message.tool_calls]
    assert names == (["subtract"] if isinstance(choice, dict) else ["add"])


@each_target
def test_tools_that_may_not_be_called(client, model):
    """`tool_choice: none` answers in text."""
    answer = client.chat.completions.create(
        model=model, messages=user(STEPS), tools=CHAT_TOOLS, tool_choice="none"
    )
    assert answer.choices[0].message.content
    assert not answer.choices[0].message.tool_calls


@each_target
def test_multi_turn(client, upstream, model):
    """Earlier turns, system and developer messages reach upstream as they are."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "In English."}]
    for text in ("Hello", "And you?", "Goodbye"):
        messages += user(text)
        answer = client.chat.completions.create(model=model, messages=messages)
        messages.append({"role": "assistant", "content": answer.choices[0].message.content})
    body = upstream.calls()[-1]["body"]
    sent = body.get("messages") or body["input"]
    assert [message["content"] for message in sent] == [message["content"] for message in messages[:-1]]


@each_target
def test_images(client, upstream, model):
    """A picture and its detail reach upstream."""
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content
    body = upstream.calls()[-1]["body"]
    if "input" in body:
        parts = [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        ]
    assert (body.get("messages") or body["input"])[0]["content"] == parts


@pytest.mark.parametrize("size", [30_000, 100_000, 1_000_000])
def test_a_small_question_after_a_large_one(client, size):
    """The SDK keeps its connection: what was large on it does not hold up what comes next."""
    quick = client.with_options(timeout=10)
    for text in ("x" * size, HELLO, "x" * size, HELLO):
        assert quick.chat.completions.create(model=LIVING, messages=user(text)).choices


@each_target
@pytest.mark.parametrize("cap", ["max_tokens", "max_completion_tokens"])
def test_either_spelling_of_the_cap(client, model, cap):
    """Both spellings are good for every name, whoever serves it."""
    answer = client.chat.completions.create(model=model, messages=user(HELLO), **{cap: 3000})
    assert answer.choices[0].message.content


@each_target
def test_sampling_parameters_are_never_an_error(client, model):
    """What an app of the 4.1 days sends still gets an answer."""
    answer = client.chat.completions.create(
        model=model,
        messages=user(HELLO),
        temperature=0.2,
        top_p=0.9,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        seed=7,
        user="u1",
        logit_bias={"50256": -100},
    )
    assert answer.choices[0].message.content


@each_target
def test_stop_has_its_effect(client, model):
    """Text ends before the stop sequence for every name."""
    answer = client.chat.completions.create(
        model=model, messages=user("[[sandbox:say=one two STOP three]] hi"), stop=["STOP"]
    )
    assert answer.choices[0].message.content == "one two "
    assert answer.choices[0].finish_reason == "stop"


@each_target
def test_several_choices(client, model):
    """`n` choices come back, whole and streamed."""
    answer = client.chat.completions.create(model=model, messages=user(HELLO), n=3)
    chunks = client.chat.completions.create(model=model, messages=user(HELLO), n=3, stream=True)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1, 2}


@pytest.mark.parametrize("model", [pytest.param(LIVING, marks=pytest.mark.only_chat), ROUTED])
def test_logprobs(client, model):
    """Log probabilities are there for a model that has them."""
    answer = client.chat.completions.create(model=model, messages=user(HELLO), logprobs=True, top_logprobs=2)
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2


@pytest.mark.only_chat
@each_target
def test_unknown_fields_of_the_future_are_forwarded(client, upstream, model):
    """`extra_body` reaches upstream; upstream's verdict comes back."""
    with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: x_future"):
        client.chat.completions.create(model=model, messages=user(HELLO), extra_body={"x_future": {"a": 1}})
    assert upstream.calls()[-1]["body"]["x_future"] == {"a": 1}


# ---- errors --------------------------------------------------------------------------------------------------------


def test_unknown_model_is_not_found(client):
    """404 with OpenAI's class, code and words."""
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="no-such-model", messages=user(HELLO))
    assert refused.value.code == "model_not_found"
    assert refused.value.type == "invalid_request_error"
    assert "no-such-model" in refused.value.message
    assert refused.value.request_id


@each_target
def test_bad_requests(client, model):
    """What upstream refuses is a BadRequestError with its `param`."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=model, messages=[{"role": "wizard", "content": "hi"}])
    assert refused.value.param == "messages[0].role"


@each_target
def test_limited_shows_when_to_come_back(client, model):
    """429 keeps class, code and retry-after."""
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model=model, messages=user(LIMITED))
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["retry-after"] == "9"


def test_retries_are_the_sdks_to_make(door, upstream):
    """A limit that passes is not seen by an app that keeps the SDK's retries."""
    with openai.OpenAI(base_url=door.url, api_key="any") as client:
        assert client.chat.completions.create(model=LIVING, messages=user(ONCE_LIMITED)).choices
    assert [call["status"] for call in upstream.calls()] == [429, 429, 200]


def test_no_retry_when_the_money_is_gone(door, upstream):
    """`insufficient_quota` says x-should-retry: false, and the SDK obeys."""
    with (
        openai.OpenAI(base_url=door.url, api_key="any") as client,
        pytest.raises(openai.RateLimitError) as refused,
    ):
        client.chat.completions.create(model=LIVING, messages=user(BROKE))
    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert len(upstream.calls()) == 1


def test_server_errors(client):
    """A provider's 500 stays an InternalServerError."""
    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model=LIVING, messages=user("[[sandbox:500]] hi"))
    assert refused.value.status_code == 500


@each_target
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(client, model, how):
    """Half an answer is never taken for a whole one."""
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=model, messages=user(broken(how)), stream=True))


@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises_in_async(door, how):
    """The same for the asynchronous client."""

    async def work(client):
        stream = await client.chat.completions.create(model=LIVING, messages=user(broken(how)), stream=True)
        return [chunk async for chunk in stream]

    with pytest.raises(openai.APIError):
        with_async(door, work)


# ---- leaving early -------------------------------------------------------------------------------------------------


@each_target
def test_leaving_a_stream_closes_upstream(client, closed, model):
    """Closing the stream after the first words ends the provider's call."""
    stream = client.chat.completions.create(model=model, messages=user(ENDLESS), stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    assert closed()["stream"]


def test_cancelling_a_task_closes_upstream(door, upstream, closed):
    """A cancelled asynchronous call, still waiting for its whole answer, ends the provider's call."""

    async def work(client):
        task = asyncio.create_task(  # noqa: TID251 - the rule is the proxy's
            client.chat.completions.create(model=LIVING, messages=user("[[sandbox:hang]] hi"))
        )
        while not upstream.calls():
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with_async(door, work)
    assert not closed()["stream"]


def test_a_client_timeout_closes_upstream(client, closed):
    """An app that waits no longer than half a second leaves nothing running."""
    # The proxy is told of the app's patience and may be the first to lose it: then its 504 is what arrives.
    impatient = client.with_options(timeout=0.5)
    with pytest.raises((openai.APITimeoutError, openai.InternalServerError)):
        impatient.chat.completions.create(model=LIVING, messages=user("[[sandbox:hang]] hi"))
    closed()


# ---- beside chat ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, {"encoding_format": "float"}, {"dimensions": 256}])
def test_embeddings(client, extra):
    """Vectors in the SDK's own encoding and in plain numbers, of text and of token arrays."""
    for given in ("a", ["a", "b"], [[1, 2, 3], [4]]):
        answer = client.embeddings.create(model="text-embedding-3-small", input=given, **extra)
        assert {len(item.embedding) for item in answer.data} == {extra.get("dimensions", 1536)}
        assert answer.usage.prompt_tokens > 0


def test_models(client):
    """The list pages, an entry can be fetched, an unknown one is OpenAI's 404."""
    names = [model.id for model in client.models.list()]
    assert {ROUTED, LIVING, SUCCESSOR} <= set(names)
    assert client.models.retrieve(LIVING).id == LIVING
    assert client.models.retrieve(ROUTED).object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_moderations(client):
    """Moderation is passed through."""
    answer = client.moderations.create(model="omni-moderation-latest", input="I will kill you")
    assert answer.results[0].categories


def test_moderations_without_a_model(client):
    """The SDK sends none unless the app names one."""
    assert client.moderations.create(input="hello").results


def test_old_completions(client):
    """The older endpoint, whole and streamed."""
    ask = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "max_tokens": 20}
    whole = client.completions.create(**ask)
    streamed = "".join(chunk.choices[0].text for chunk in client.completions.create(**ask, stream=True))
    assert streamed == whole.choices[0].text


def test_an_unknown_url_is_openais_404(client):
    """What the proxy does not have is a NotFoundError too, not a page of HTML."""
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.post("/nothing", cast_to=object, body={})


def test_files(client):
    """Upload, fetch, list, delete."""
    made = client.files.create(file=("a.jsonl", b'{"a":1}\n'), purpose="batch")
    assert client.files.content(made.id).read() == b'{"a":1}\n'
    assert client.files.delete(made.id).deleted


def test_transcription(client):
    """A multipart upload."""
    assert client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF....WAVE")).text


def test_speech(client):
    """A binary answer."""
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="hi").read()


def test_images_are_made(client):
    """Image generation."""
    assert client.images.generate(model="gpt-image-1", prompt="a cat").data


def test_the_successor_is_named(client):
    """Who answered for a retired name is in the headers."""
    raw = client.chat.completions.with_raw_response.create(model=RETIRED, messages=user(HELLO))
    assert raw.headers["x-switchyard-model"] == SUCCESSOR
    assert raw.parse().model.startswith(SUCCESSOR)
