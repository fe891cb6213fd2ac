"""simonw's llm: its OpenAI models with another api_base."""

import llm
import openai
import pytest
from cases import (
    BREAKS,
    FUNCTIONS,
    HELLO,
    LIMITED,
    ORDER,
    PERSON,
    PIXEL,
    STEPS,
    broken,
    each_target,
)
from llm.default_plugins.openai_models import AsyncChat, Chat


@pytest.fixture
def chat(door, tmp_path, monkeypatch):
    """Makes llm's chat model for a name."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))

    def make(model, kind=Chat):
        made = kind(
            model, model_name=model, api_base=door.url, supports_tools=True, supports_schema=True, vision=True
        )
        made.key = "any"
        return made

    return make


@each_target
@pytest.mark.parametrize("stream", [False, True])
def test_prompt(chat, model, stream):
    """Text and usage, whole and streamed."""
    answer = chat(model).prompt(HELLO, stream=stream, system="Be brief.")
    assert answer.text()
    assert answer.usage().output > 0


@each_target
def test_streamed_equals_whole(chat, model):
    """The same words both ways."""
    assert chat(model).prompt(HELLO, stream=False).text() == "".join(chat(model).prompt(HELLO))


@each_target
def test_conversation(chat, model):
    """Earlier turns go along."""
    talk = chat(model).conversation()
    assert all(talk.prompt(text).text() for text in ("Hello", "And you?", "Goodbye"))


@each_target
def test_chain_of_tools(chat, model):
    """llm's own loop: three tools, one after the other."""
    called = []
    chain = chat(model).chain(
        STEPS, tools=list(FUNCTIONS.values()), before_call=lambda tool, _: called.append(tool.name)
    )
    assert chain.text().startswith("The tools say")
    assert called == ORDER


@each_target
def test_schema(chat, model):
    """A schema gives JSON."""
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    assert '"age"' in chat(model).prompt(PERSON, schema=schema).text()


@each_target
def test_images(chat, model):
    """An attachment."""
    import base64

    picture = llm.Attachment(type="image/png", content=base64.b64decode(PIXEL.partition(",")[2]))
    assert chat(model).prompt("What is this?", attachments=[picture]).text()


def test_unknown_model(chat):
    """OpenAI's class comes out of llm."""
    with pytest.raises(openai.NotFoundError):
        chat("no-such-model").prompt(HELLO).text()


@each_target
def test_limited(chat, model):
    """A quick limit is got over by the SDK's retries; a long one is told."""
    with pytest.raises(openai.RateLimitError):
        chat(model).prompt(LIMITED.replace("=9", "=999")).text()


@each_target
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(chat, model, how):
    """Half an answer is never taken for a whole one."""
    with pytest.raises(openai.APIError):
        chat(model).prompt(broken(how)).text()


@each_target
def test_async(chat, model):
    """The asynchronous model."""
    import asyncio

    async def run():
        return await chat(model, AsyncChat).prompt(HELLO).text()

    assert asyncio.run(run())
