"""openai-agents: its default on /v1/responses, and its chat model."""

import asyncio

import openai
import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    handoff,
    set_tracing_disabled,
)
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
    STEPS,
    TARGETS,
    broken,
)
from pydantic import BaseModel

CHAT, RESPONSES = OpenAIChatCompletionsModel, OpenAIResponsesModel
TOOLS = [function_tool(function) for function in FUNCTIONS.values()]

set_tracing_disabled(True)


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
        return Agent("Assistant", model=kind(model, openai_client=client), **wishes)

    return make


def run(agent, given, **wishes):
    return asyncio.run(Runner.run(agent, given, **wishes))


def run_streamed(agent, given):
    async def work():
        done = Runner.run_streamed(agent, given)
        kinds = [event.type async for event in done.stream_events()]
        return done, kinds

    return asyncio.run(work())


@each()
def test_whole(agent, kind, model):
    """Text and usage."""
    done = run(agent(kind, model, instructions="Be brief."), HELLO)
    assert done.final_output
    assert done.context_wrapper.usage.total_tokens > 0


@each()
def test_streamed(agent, kind, model):
    """Streamed text equals the whole one."""
    done, kinds = run_streamed(agent(kind, model), HELLO)
    assert "raw_response_event" in kinds
    assert done.final_output == run(agent(kind, model), HELLO).final_output


def test_streamed_usage_on_chat(agent):
    """The chat model asks for usage only of OpenAI's own host, unless told to."""
    made = agent(CHAT, LIVING, model_settings=ModelSettings(include_usage=True))
    assert run_streamed(made, HELLO)[0].context_wrapper.usage.total_tokens > 0
    assert run_streamed(agent(RESPONSES, LIVING), HELLO)[0].context_wrapper.usage.total_tokens > 0


@each()
@pytest.mark.parametrize(
    "runner", [run, lambda agent, given: run_streamed(agent, given)[0]], ids=["whole", "streamed"]
)
def test_tools_loop_in_three_steps(agent, kind, model, runner):
    """The agent's own loop: three tools, one after the other."""
    done = runner(agent(kind, model, tools=TOOLS), STEPS)
    called = [item.raw_item.name for item in done.new_items if item.type == "tool_call_item"]
    assert called == ORDER
    assert done.final_output.startswith("The tools say")


@each()
def test_handoff(agent, kind, model):
    """One agent hands over to another; the hand-over is a tool call."""
    other = agent(kind, model, instructions="You finish.")
    first = agent(kind, model, handoffs=[handoff(other, tool_name_override="finisher")])
    done = run(first, "Call finisher now.")
    assert done.last_agent is other
    assert done.final_output


@each()
def test_output_type(agent, kind, model):
    """A typed output is a strict JSON schema."""
    assert isinstance(run(agent(kind, model, output_type=Person), PERSON).final_output, Person)


@each()
def test_multi_turn_with_a_session(agent, kind, model):
    """A session replays the items of earlier runs, reasoning included."""
    session = SQLiteSession("talk")

    async def work():
        made = agent(kind, model)
        for text in ("Hello", "And you?", "Goodbye"):
            done = await Runner.run(made, text, session=session)
        return done

    assert asyncio.run(work()).final_output


@pytest.mark.parametrize("model", ["gpt-4.1-mini", "o4-mini", "auto"])
def test_multi_turn_by_id(agent, model):
    """`previous_response_id` instead of a replay."""

    async def work():
        made = agent(RESPONSES, model)
        first = await Runner.run(made, "Hello")
        return await Runner.run(made, "And you?", previous_response_id=first.last_response_id)

    assert asyncio.run(work()).final_output


@each()
def test_images(agent, kind, model):
    """A picture as an input item."""
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
    ]
    assert run(agent(kind, model), [{"role": "user", "content": parts}]).final_output


@pytest.mark.parametrize("kind", [CHAT, RESPONSES])
def test_unknown_model(agent, kind):
    """OpenAI's class and code."""
    with pytest.raises(openai.NotFoundError) as refused:
        run(agent(kind, "no-such-model"), HELLO)
    assert refused.value.code == "model_not_found"


@each()
def test_limited(agent, kind, model):
    """429 with retry-after."""
    with pytest.raises(openai.RateLimitError) as refused:
        run(agent(kind, model), LIMITED)
    assert refused.value.response.headers["retry-after"] == "9"


@pytest.mark.parametrize("kind", [CHAT, RESPONSES])
def test_its_retries_win(agent, kind):
    """The SDK's retries get over a short limit."""
    assert run(agent(kind, LIVING, max_retries=2), ONCE_LIMITED).final_output


@each()
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(agent, kind, model, how):
    """Half an answer is never taken for a whole one."""
    with pytest.raises(Exception) as broke:
        run_streamed(agent(kind, model), broken(how))
    assert not isinstance(broke.value, AssertionError)


@each()
def test_cancelling_a_run_closes_upstream(agent, closed, kind, model):
    """`cancel()` on a streamed run ends the provider's call."""

    async def work():
        done = Runner.run_streamed(agent(kind, model), ENDLESS)
        seen = 0
        async for _ in done.stream_events():
            seen += 1
            if seen == 5:
                done.cancel()

    asyncio.run(work())
    closed()
