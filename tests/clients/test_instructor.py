"""instructor: typed answers through tools, JSON schemas and JSON, whole and in part."""

import asyncio

import instructor
import openai
import pytest
from cases import BREAKS, LIMITED, LIVING, PERSON, PIXEL, TARGETS, broken
from instructor import Mode
from instructor.core import InstructorRetryException
from pydantic import BaseModel, field_validator

CHAT_MODES = (Mode.TOOLS, Mode.JSON_SCHEMA, Mode.JSON)


class Person(BaseModel):
    name: str
    age: int


class Group(BaseModel):
    people: list[Person]


def each(*modes):
    """Every name in every mode."""
    both = [pytest.param(mode, name, id=f"{mode.name}-{name}") for mode in modes for name in TARGETS]
    return pytest.mark.parametrize(("mode", "model"), both)


def user(text, mode=None):
    """JSON mode has the schema in the prompt only, so what comes back is ordered."""
    said = '[[sandbox:say={"name":"Ada Lovelace","age":36}]]' if mode is Mode.JSON else ""
    return [{"role": "user", "content": said + text}]


@pytest.fixture
def client(door):
    """Makes an instructor client in a mode."""

    def make(mode):
        return instructor.from_openai(
            openai.OpenAI(base_url=door.url, api_key="any", max_retries=0), mode=mode
        )

    return make


@each(*CHAT_MODES, Mode.RESPONSES_TOOLS)
def test_typed(client, mode, model):
    """An instance of the class, and usage on the completion behind it."""
    person, raw = client(mode).chat.completions.create_with_completion(
        model=model, messages=user(PERSON, mode), response_model=Person, max_retries=0
    )
    assert isinstance(person, Person)
    assert raw.usage.total_tokens > 0


@each(*CHAT_MODES)
def test_partial(client, mode, model):
    """The class as it grows."""
    parts = list(
        client(mode).chat.completions.create_partial(
            model=model, messages=user(PERSON, mode), response_model=Person
        )
    )
    assert len(parts) > 1
    assert parts[-1].name
    assert isinstance(parts[-1].age, int)


@each(Mode.TOOLS, Mode.JSON_SCHEMA)
def test_iterable(client, mode, model):
    """Several instances out of one stream."""
    people = list(
        client(mode).chat.completions.create_iterable(
            model=model, messages=user(PERSON), response_model=Person
        )
    )
    assert people
    assert all(isinstance(person, Person) for person in people)


@each(Mode.TOOLS, Mode.JSON_SCHEMA)
def test_nested(client, mode, model):
    """Lists of objects with $defs."""
    group = client(mode).chat.completions.create(
        model=model, messages=user(PERSON), response_model=Group, max_retries=0
    )
    assert isinstance(group, Group)


@each(Mode.TOOLS, Mode.JSON_SCHEMA)
def test_its_own_retries_are_multi_turn(client, upstream, mode, model):
    """A rejected answer is sent back with the reason: assistant turn, tool result, another try."""

    class Strict(Person):
        tries: int = 0

        @field_validator("name")
        @classmethod
        def refuse_once(cls, value):
            seen.append(value)
            if len(seen) == 1:
                raise ValueError("say it again")
            return value

    seen = []
    client(mode).chat.completions.create(
        model=model, messages=user(PERSON), response_model=Strict, max_retries=3
    )
    assert len(seen) == 2
    sent = upstream.calls()[-1]["body"]
    assert len(sent.get("messages") or sent["input"]) > 2


@each(Mode.TOOLS, Mode.JSON_SCHEMA)
def test_async(door, mode, model):
    """The asynchronous client."""

    async def run():
        async with openai.AsyncOpenAI(base_url=door.url, api_key="any", max_retries=0) as inner:
            made = instructor.from_openai(inner, mode=mode)
            return await made.chat.completions.create(
                model=model, messages=user(PERSON), response_model=Person
            )

    assert isinstance(asyncio.run(run()), Person)


@each(Mode.JSON_SCHEMA)
def test_images(client, mode, model):
    """A picture among the messages."""
    content = ["What is this?", instructor.Image.from_base64(PIXEL)]
    person = client(mode).chat.completions.create(
        model=model, messages=[{"role": "user", "content": content}], response_model=Person
    )
    assert isinstance(person, Person)


@pytest.mark.parametrize(
    ("model", "text", "kind"),
    [("no-such-model", PERSON, openai.NotFoundError), (LIVING, LIMITED, openai.RateLimitError)],
)
def test_errors_are_openais(client, model, text, kind):
    """Behind instructor's exception is OpenAI's."""
    with pytest.raises((InstructorRetryException, openai.APIError)) as refused:
        client(Mode.JSON_SCHEMA).chat.completions.create(
            model=model, messages=user(text), response_model=Person, max_retries=0
        )
    chain, seen = refused.value, []
    while chain is not None:
        seen.append(type(chain))
        chain = chain.__cause__ or chain.__context__
    assert any(issubclass(one, kind) for one in seen)


@each(Mode.JSON_SCHEMA)
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(client, mode, model, how):
    """A part is never taken for the whole."""
    with pytest.raises((openai.APIError, InstructorRetryException)):
        list(
            client(mode).chat.completions.create_partial(
                model=model, messages=user(broken(how)), response_model=Person
            )
        )
