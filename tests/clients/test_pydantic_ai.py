"""pydantic-ai: agents over chat and over responses."""

import asyncio

import openai
import pytest
from cases import (
    BREAKS,
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
    STEPS,
    TARGETS,
    broken,
)
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

CHAT, RESPONSES = OpenAIChatModel, OpenAIResponsesModel


class Person(BaseModel):
    name: str
    age: int


def each():
    """Every name over both endpoints."""
    both = [
        pytest.param(kind, name, id=f"{kind.__name__}-{name}")
        for kind in (CHAT, RESPONSES)
        for name in TARGETS
    ]
    return pytest.mark.parametrize(("kind", "model"), both)


@pytest.fixture
def agent(door):
    """Makes an agent on a model of a kind."""

    def make(kind, model, max_retries=0, **wishes):
        client = openai.AsyncOpenAI(base_url=door.url, api_key="any", max_retries=max_retries)
        return Agent(kind(model, provider=OpenAIProvider(openai_client=client)), **wishes)

    return make


@each()
def test_whole(agent, kind, model):
    """Text and usage."""

    async def run():
        return await agent(kind, model, system_prompt="Be brief.").run(HELLO)

    done = asyncio.run(run())
    assert done.output
    assert done.usage.input_tokens > 0
    assert done.usage.output_tokens > 0


@each()
def test_streamed(agent, kind, model):
    """Streamed text equals the whole one; usage is asked for by itself."""

    async def run():
        whole = await agent(kind, model).run(HELLO)
        async with agent(kind, model).run_stream(HELLO) as stream:
            parts = [part async for part in stream.stream_text(delta=True, debounce_by=None)]
        return whole, parts, stream.usage

    whole, parts, usage = asyncio.run(run())
    assert "".join(parts) == whole.output
    assert usage.output_tokens > 0


@each()
@pytest.mark.parametrize("streamed", [False, True])
def test_tools_loop_in_three_steps(agent, kind, model, streamed):
    """The agent's own loop: three tools, one after the other."""

    async def run():
        made = agent(kind, model, tools=list(FUNCTIONS.values()))
        if not streamed:
            return await made.run(STEPS)
        async with made.run_stream(STEPS) as stream:
            await stream.get_output()
        return stream

    done = asyncio.run(run())
    parts = [part for message in done.all_messages() for part in message.parts]
    assert [part.tool_name for part in parts if isinstance(part, ToolCallPart)] == ORDER
    assert parts[-1].content.startswith("The tools say")


@each()
def test_output_type_by_tool(agent, kind, model):
    """The default way to a typed output: a tool that must be called."""

    async def run():
        return await agent(kind, model, output_type=ToolOutput(Person)).run(PERSON)

    assert isinstance(asyncio.run(run()).output, Person)


@each()
@pytest.mark.parametrize("wrap", [NativeOutput, PromptedOutput])
def test_output_type_by_schema(agent, kind, model, wrap):
    """A strict JSON schema, or JSON mode with the schema in the prompt."""

    async def run():
        said = (
            '[[sandbox:say={"name":"Ada Lovelace","age":36}]] ' + PERSON if wrap is PromptedOutput else PERSON
        )
        return await agent(kind, model, output_type=wrap(Person)).run(said)

    assert isinstance(asyncio.run(run()).output, Person)


@each()
def test_streamed_output_type(agent, kind, model):
    """A typed output as it grows."""

    async def run():
        async with agent(kind, model, output_type=NativeOutput(Person)).run_stream(PERSON) as stream:
            return [part async for part in stream.stream_output(debounce_by=None)]

    assert isinstance(asyncio.run(run())[-1], Person)


@each()
def test_multi_turn(agent, kind, model):
    """Message history of earlier runs, reasoning included."""

    async def run():
        made = agent(kind, model)
        first = await made.run("Hello")
        second = await made.run("And you?", message_history=first.all_messages())
        return await made.run("Goodbye", message_history=second.all_messages())

    assert asyncio.run(run()).output


@each()
def test_images(agent, kind, model):
    """A picture as bytes."""

    async def run():
        return await agent(kind, model).run(["What is this?", BinaryContent.from_data_uri(PIXEL)])

    assert asyncio.run(run()).output


@pytest.mark.parametrize("kind", [CHAT, RESPONSES])
def test_reasoning_effort(agent, upstream, kind):
    """Effort written for o4-mini is what its successor is asked for."""

    async def run():
        return await agent(kind, RETIRED, model_settings={"openai_reasoning_effort": "high"}).run(HELLO)

    assert asyncio.run(run()).usage.details["reasoning_tokens"] > 0
    body = upstream.calls()[-1]["body"]
    assert "high" in (body.get("reasoning_effort"), (body.get("reasoning") or {}).get("effort"))


@pytest.mark.parametrize("kind", [CHAT, RESPONSES])
def test_unknown_model(agent, kind):
    """pydantic-ai's error shows 404 and OpenAI's code."""

    async def run():
        await agent(kind, "no-such-model").run(HELLO)

    with pytest.raises(ModelHTTPError) as refused:
        asyncio.run(run())
    assert refused.value.status_code == 404
    assert refused.value.body["code"] == "model_not_found"


@each()
def test_limited(agent, kind, model):
    """429 keeps its status and code."""

    async def run():
        await agent(kind, model).run(LIMITED)

    with pytest.raises(ModelHTTPError) as refused:
        asyncio.run(run())
    assert refused.value.status_code == 429
    assert refused.value.body["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("kind", [CHAT, RESPONSES])
def test_its_retries_win(agent, kind):
    """The SDK's retries get over a short limit."""

    async def run():
        return await agent(kind, LIVING, max_retries=2).run(ONCE_LIMITED)

    assert asyncio.run(run()).output


@each()
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(agent, kind, model, how):
    """Half an answer is never taken for a whole one."""

    async def run():
        async with agent(kind, model).run_stream(broken(how)) as stream:
            return await stream.get_output()

    with pytest.raises(Exception) as broke:
        asyncio.run(run())
    assert not isinstance(broke.value, AssertionError)


@each()
def test_leaving_a_stream_closes_upstream(agent, closed, kind, model):
    """Leaving the context after the first words ends the provider's call."""

    async def run():
        async with agent(kind, model).run_stream(ENDLESS) as stream:
            async for _ in stream.stream_text(delta=True, debounce_by=None):
                break

    asyncio.run(run())
    closed()
