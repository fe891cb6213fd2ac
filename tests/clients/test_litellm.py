"""The litellm SDK as a client: `openai/NAME` with api_base."""

import asyncio
import json

import litellm
import pytest
from cases import (
    BREAKS,
    CHAT_TOOLS,
    ENDLESS,
    FUNCTIONS,
    HELLO,
    LIMITED,
    LIVING,
    ORDER,
    PERSON,
    PIXEL,
    STEPS,
    broken,
    each_target,
)
from pydantic import BaseModel

litellm.suppress_debug_info = True


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def ask(door):
    """`litellm.completion` for a name."""

    def make(model, messages, **wishes):
        given = user(messages) if isinstance(messages, str) else messages
        known = {"api_base": door.url, "api_key": "any", "max_retries": 0, "num_retries": 0}
        return litellm.completion(model=f"openai/{model}", messages=given, **known, **wishes)

    return make


def user(text):
    return [{"role": "user", "content": text}]


@each_target
def test_whole(ask, model):
    """Text and usage."""
    answer = ask(model, HELLO, max_tokens=2000, drop_params=True, temperature=1)
    assert answer.choices[0].message.content
    assert answer.usage.total_tokens > 0


@each_target
def test_streamed(ask, model):
    """Streamed text equals the whole one; usage when asked for."""
    chunks = list(ask(model, HELLO, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ask(model, HELLO).choices[0].message.content
    assert chunks[-1].usage.total_tokens > 0


@each_target
def test_async(door, model):
    """Whole and streamed, asynchronously."""

    async def run():
        known = {"model": f"openai/{model}", "messages": user(HELLO), "api_base": door.url, "api_key": "any"}
        stream = await litellm.acompletion(**known, stream=True)
        return await litellm.acompletion(**known), [chunk async for chunk in stream]

    whole, chunks = asyncio.run(run())
    assert whole.choices[0].message.content
    assert chunks


@each_target
@pytest.mark.parametrize("stream", [False, True])
def test_tools_loop_in_three_steps(ask, model, stream):
    """Three rounds, streamed ones put together by litellm."""
    messages, called = user(STEPS), []
    for _ in range(6):
        answer = ask(model, messages, tools=CHAT_TOOLS, stream=stream)
        if stream:
            answer = litellm.stream_chunk_builder(list(answer), messages=messages)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            called.append(call.function.name)
            result = FUNCTIONS[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})
    assert called == ORDER
    assert message.content.startswith("The tools say")


@each_target
def test_response_format(ask, model):
    """A class becomes a strict schema."""
    answer = ask(model, PERSON, response_format=Person)
    assert Person.model_validate_json(answer.choices[0].message.content)


@each_target
def test_images(ask, model):
    """A picture beside text."""
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    assert ask(model, user(parts)).choices[0].message.content


@each_target
def test_responses(door, model):
    """`litellm.responses`, whole and streamed."""
    known = {"model": f"openai/{model}", "input": HELLO, "api_base": door.url, "api_key": "any"}
    kinds = [
        str(event.type.value if hasattr(event.type, "value") else event.type)
        for event in litellm.responses(**known, stream=True)
    ]
    assert litellm.responses(**known).output[-1].content[0].text
    assert kinds[-1] == "response.completed"


def test_embeddings(door):
    """`litellm.embedding`."""
    answer = litellm.embedding(
        model="openai/text-embedding-3-small", input=["a", "b"], api_base=door.url, api_key="any"
    )
    assert [len(one["embedding"]) for one in answer.data] == [1536, 1536]


def test_unknown_model(ask):
    """litellm tells its classes apart by status and text."""
    with pytest.raises(litellm.NotFoundError):
        ask("no-such-model", HELLO)


def test_too_long(ask):
    """... and the context error by its words."""
    with pytest.raises(litellm.ContextWindowExceededError):
        ask(LIVING, "word " * 1_100_000)


@each_target
def test_limited(ask, model):
    """429 with retry-after."""
    with pytest.raises(litellm.RateLimitError) as refused:
        ask(model, LIMITED)
    assert refused.value.litellm_response_headers["retry-after"] == "9"


@each_target
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(ask, model, how):
    """Half an answer is never taken for a whole one."""
    with pytest.raises(litellm.exceptions.openai.APIError):
        list(ask(model, broken(how), stream=True))


@each_target
def test_leaving_a_stream_closes_upstream(door, closed, model):
    """Breaking out of an asynchronous stream and closing it ends the provider's call."""

    async def run():
        stream = await litellm.acompletion(
            model=f"openai/{model}", messages=user(ENDLESS), api_base=door.url, api_key="any", stream=True
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.completion_stream.close()

    asyncio.run(run())
    closed()
