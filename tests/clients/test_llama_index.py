"""llama-index-llms-openai: OpenAI over chat, OpenAIResponses over responses."""

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
    ORDER,
    PERSON,
    PIXEL,
    STEPS,
    broken,
    each_target,
)
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, LLMMetadata, MessageRole, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI, OpenAIResponses
from pydantic import BaseModel

TOOLS = [FunctionTool.from_defaults(function) for function in FUNCTIONS.values()]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


class Known(OpenAI):
    """llama-index keeps a table of names; a route is not in it, so its window is told."""

    @property
    def metadata(self):
        return LLMMetadata(
            context_window=200_000, is_chat_model=True, is_function_calling_model=True, model_name=self.model
        )


@pytest.fixture
def chat(door):
    """Makes llama-index's OpenAI for a name."""

    def make(model, kind=Known, **wishes):
        return kind(model=model, api_base=door.url, api_key="any", max_retries=0, **wishes)

    return make


def user(text):
    return [ChatMessage(role=MessageRole.USER, content=text)]


@each_target
def test_chat(chat, model):
    """Text; usage is on the raw answer."""
    answer = chat(model).chat([ChatMessage(role=MessageRole.SYSTEM, content="Be brief."), *user(HELLO)])
    assert answer.message.content
    assert answer.raw.usage.total_tokens > 0


@each_target
def test_stream(chat, model):
    """Streamed text equals the whole one."""
    parts = [part.delta for part in chat(model).stream_chat(user(HELLO))]
    assert "".join(part or "" for part in parts) == chat(model).chat(user(HELLO)).message.content


@each_target
def test_complete(chat, model):
    """`complete` is chat with one message."""
    assert chat(model, max_tokens=2000).complete(HELLO).text


@each_target
def test_async(chat, model):
    """Whole and streamed, asynchronously."""

    async def run():
        made = chat(model)
        stream = await made.astream_chat(user(HELLO))
        return (await made.achat(user(HELLO))).message.content, [part.delta async for part in stream]

    whole, parts = asyncio.run(run())
    assert "".join(part or "" for part in parts) == whole


@each_target
@pytest.mark.parametrize("streaming", [False, True])
def test_agent_loop_in_three_steps(chat, model, streaming):
    """FunctionAgent: three tools, one after the other."""

    async def run():
        agent = FunctionAgent(tools=TOOLS, llm=chat(model), streaming=streaming)
        handler = agent.run(STEPS)
        called = [
            event.tool_name async for event in handler.stream_events() if isinstance(event, ToolCallResult)
        ]
        return called, await handler

    called, answer = asyncio.run(run())
    assert called == ORDER
    assert str(answer).startswith("The tools say")


@each_target
def test_predict_and_call(chat, model):
    """One tool, chosen and called."""
    assert chat(model).predict_and_call(TOOLS, "Call add on 6 and 7 now").response == "13"


@each_target
def test_structured_output(chat, model):
    """A typed answer, through a JSON schema."""
    assert isinstance(chat(model).as_structured_llm(Person).complete(PERSON).raw, Person)


@each_target
def test_multi_turn(chat, model):
    """Earlier turns go along."""
    messages = []
    for text in ("Hello", "And you?", "Goodbye"):
        messages += user(text)
        messages.append(chat(model).chat(messages).message)
    assert messages[-1].content


@each_target
def test_images(chat, model):
    """A picture block."""
    blocks = [TextBlock(text="What is this?"), ImageBlock(url=PIXEL)]
    assert chat(model).chat([ChatMessage(role=MessageRole.USER, blocks=blocks)]).message.content


@each_target
def test_responses(chat, model):
    """OpenAIResponses: whole and streamed."""
    made = chat(model, OpenAIResponses, context_window=200_000)
    assert made.chat(user(HELLO)).message.content
    assert "".join(part.delta or "" for part in made.stream_chat(user(HELLO)))


def test_unknown_model(chat):
    """OpenAI's class comes out."""
    with pytest.raises(openai.NotFoundError):
        chat("no-such-model").chat(user(HELLO))


@each_target
def test_limited(chat, model):
    """429 with retry-after."""
    with pytest.raises(openai.RateLimitError) as refused:
        chat(model).chat(user(LIMITED))
    assert refused.value.response.headers["retry-after"] == "9"


@each_target
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(chat, model, how):
    """Half an answer is never taken for a whole one."""
    with pytest.raises(openai.APIError):
        list(chat(model).stream_chat(user(broken(how))))


def test_leaving_a_stream_closes_upstream(chat, closed):
    """Breaking out of the loop ends the provider's call."""
    made = chat(LIVING)
    stream = made.stream_chat(user(ENDLESS))
    next(stream)
    stream.close()
    del stream
    made._get_client().close()
    closed()
