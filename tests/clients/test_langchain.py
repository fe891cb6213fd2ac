"""langchain-openai: ChatOpenAI over chat and over responses, and OpenAIEmbeddings."""

import asyncio

import openai
import pytest
from cases import (
    BREAKS,
    ENDLESS,
    HELLO,
    LIMITED,
    LIVING,
    ONCE_LIMITED,
    ORDER,
    PERSON,
    PIXEL,
    RETIRED,
    STEPS,
    add,
    broken,
    each_target,
    multiply,
    subtract,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

TOOLS = [tool(function) for function in (add, multiply, subtract)]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@pytest.fixture
def chat(door):
    """Makes a ChatOpenAI for a model name."""

    def make(model, **wishes):
        return ChatOpenAI(
            **{"model": model, "base_url": door.url, "api_key": "any", "max_retries": 0, **wishes}
        )

    return make


@each_target
def test_invoke(chat, model):
    """Text, usage and the name of the model that served."""
    answer = chat(model, temperature=0.1).invoke(HELLO)
    assert answer.content
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


@each_target
@pytest.mark.parametrize("stream_usage", [True, False])
def test_stream(chat, model, stream_usage):
    """Chunks add up to the whole answer; usage is there when asked for and not otherwise."""
    whole = chat(model).invoke(HELLO)
    total = None
    for chunk in chat(model, stream_usage=stream_usage).stream(HELLO):
        total = chunk if total is None else total + chunk
    assert total.content == whole.content
    assert (total.usage_metadata is not None) == stream_usage


@pytest.fixture(scope="module")
def run():
    """Runs coroutines on one event loop: ChatOpenAI keeps its asynchronous connections between instances."""
    with asyncio.Runner() as runner:
        yield runner.run


@each_target
def test_astream(chat, run, model):
    """The same, asynchronously."""

    async def work():
        return [chunk async for chunk in chat(model).astream(HELLO)]

    assert "".join(chunk.content for chunk in run(work()))


@each_target
def test_batch(chat, model):
    """Several at once."""
    assert len({answer.id for answer in chat(model).batch([f"{HELLO} {n}" for n in range(4)])}) == 4


def loop(model):
    messages, called = [HumanMessage(STEPS)], []
    for _ in range(6):
        answer = model.invoke(messages)
        messages.append(answer)
        if not answer.tool_calls:
            return called, answer
        for call in answer.tool_calls:
            called.append(call["name"])
            result = next(one for one in TOOLS if one.name == call["name"]).invoke(call["args"])
            messages.append(ToolMessage(str(result), tool_call_id=call["id"]))
    raise AssertionError("the loop does not end")


@each_target
@pytest.mark.parametrize("streaming", [False, True])
def test_tools_loop_in_three_steps(chat, model, streaming):
    """`bind_tools` and ToolMessages, three rounds."""
    called, answer = loop(chat(model, streaming=streaming).bind_tools(TOOLS))
    assert called == ORDER
    assert answer.text.startswith("The tools say")


@each_target
@pytest.mark.parametrize("streaming", [False, True])
def test_tools_loop_over_responses(chat, model, streaming):
    """The same over /v1/responses."""
    called, answer = loop(chat(model, use_responses_api=True, streaming=streaming).bind_tools(TOOLS))
    assert called == ORDER
    assert answer.text.startswith("The tools say")


@each_target
@pytest.mark.parametrize("responses", [False, True])
def test_structured_output_by_schema(chat, model, responses):
    """`json_schema` gives the class."""
    asked = chat(model, use_responses_api=responses).with_structured_output(Person, method="json_schema")
    assert isinstance(asked.invoke(PERSON), Person)


@each_target
def test_structured_output_by_function(chat, model):
    """`function_calling` forces a named tool."""
    asked = (
        chat(model).with_structured_output(Person, method="function_calling", include_raw=True).invoke(PERSON)
    )
    assert isinstance(asked["parsed"], Person)
    assert asked["raw"].usage_metadata["input_tokens"] > 0


@each_target
def test_structured_output_by_json_mode(chat, model):
    """`json_mode` gives JSON."""
    asked = chat(model).with_structured_output(method="json_mode")
    assert isinstance(asked.invoke("Answer as JSON: hi"), dict)


@each_target
def test_responses_whole_and_streamed(chat, model):
    """`use_responses_api`: text and usage both ways."""
    whole = chat(model, use_responses_api=True).invoke(HELLO)
    total = None
    for chunk in chat(model, use_responses_api=True).stream(HELLO):
        total = chunk if total is None else total + chunk
    assert whole.text == total.text
    assert total.usage_metadata["output_tokens"] > 0


@each_target
def test_multi_turn(chat, model):
    """A system message and earlier turns."""
    answer = chat(model).invoke(
        [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello."), HumanMessage("Bye")]
    )
    assert answer.content


@each_target
def test_images(chat, model):
    """A picture beside text."""
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    assert chat(model).invoke([HumanMessage(parts)]).content


@pytest.mark.parametrize("effort", ["low", "high"])
def test_reasoning_effort(chat, upstream, effort):
    """Effort of a retired reasoning model reaches its successor; hidden tokens are told."""
    answer = chat(RETIRED, reasoning_effort=effort).invoke(HELLO)
    assert upstream.calls()[-1]["body"]["reasoning_effort"] == effort
    assert answer.usage_metadata["output_token_details"]["reasoning"] > 0


@pytest.mark.parametrize("method", ["invoke", "stream"])
def test_unknown_model_is_not_found(chat, method):
    """OpenAI's class comes out of LangChain."""
    with pytest.raises(openai.NotFoundError) as refused:
        list(getattr(chat("no-such-model"), method)(HELLO))
    assert refused.value.code == "model_not_found"


@each_target
def test_limited(chat, model):
    """429 is RateLimitError with retry-after."""
    with pytest.raises(openai.RateLimitError) as refused:
        chat(model).invoke(LIMITED)
    assert refused.value.response.headers["retry-after"] == "9"


def test_its_retries_win(chat):
    """LangChain's two retries get over a short limit."""
    assert chat(LIVING, max_retries=2).invoke(ONCE_LIMITED).content


def test_too_long_is_told_as_such(chat):
    """The code apps branch on."""
    with pytest.raises(openai.BadRequestError) as refused:
        chat(LIVING).invoke("word " * 1_100_000)
    assert refused.value.code == "context_length_exceeded"


@each_target
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(chat, model, how):
    """Half an answer is never taken for a whole one."""
    with pytest.raises(openai.APIError):
        list(chat(model).stream(broken(how)))


@each_target
def test_leaving_a_stream_closes_upstream(chat, closed, model):
    """Breaking out of the loop ends the provider's call."""
    stream = chat(model).stream(ENDLESS)
    for chunk in stream:
        if chunk.content:
            break
    stream.close()
    closed()


def test_embeddings(door):
    """Documents and a query; `check_embedding_ctx_length` off, since its tokenizer is fetched from the network."""
    made = OpenAIEmbeddings(
        model="text-embedding-3-small", base_url=door.url, api_key="any", check_embedding_ctx_length=False
    )
    assert [len(one) for one in made.embed_documents(["a", "b"])] == [1536, 1536]
    assert len(made.embed_query("a")) == 1536
