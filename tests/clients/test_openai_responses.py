"""The OpenAI SDK on /v1/responses: whole, streamed, with tools, continued, fetched and deleted."""

import json

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
    RESPONSES_TOOLS,
    RETIRED,
    STEPS,
    broken,
    each_target,
)
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(door):
    with openai.OpenAI(base_url=door.url, api_key="any", max_retries=0) as made:
        yield made


@each_target
def test_whole(client, model):
    """Text and usage come back."""
    answer = client.responses.create(model=model, input=HELLO, instructions="Be brief.")
    assert answer.status == "completed"
    assert answer.output_text
    assert answer.usage.total_tokens > 0


@each_target
def test_streamed_equals_whole(client, model):
    """Events count up, end with response.completed, and say what the whole answer says."""
    whole = client.responses.create(model=model, input=HELLO)
    events = list(client.responses.create(model=model, input=HELLO, stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    assert text == events[-1].response.output_text == whole.output_text


@each_target
def test_the_stream_helper(client, model):
    """`responses.stream` puts the response together."""
    with client.responses.stream(model=model, input=HELLO) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text


@each_target
def test_parse(client, model):
    """`responses.parse` reads a strict schema into the class, whole and streamed."""
    whole = client.responses.parse(model=model, input=PERSON, text_format=Person)
    with client.responses.stream(model=model, input=PERSON, text_format=Person) as stream:
        final = stream.get_final_response()
    assert isinstance(whole.output_parsed, Person)
    assert final.output_parsed == whole.output_parsed


def run_tools(client, model, ask):
    """The loop an app writes: `ask(client, **body)` gives one response."""
    items, called = [{"role": "user", "content": STEPS}], []
    for _ in range(6):
        answer = ask(client, model=model, input=items, tools=RESPONSES_TOOLS)
        items += answer.output
        calls = [item for item in answer.output if item.type == "function_call"]
        if not calls:
            return called, answer
        for call in calls:
            called.append(call.name)
            result = FUNCTIONS[call.name](**json.loads(call.arguments))
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": str(result)})
    raise AssertionError("the loop does not end")


def streamed(client, **body):
    with client.responses.stream(**body) as stream:
        return stream.get_final_response()


@each_target
@pytest.mark.parametrize(
    "ask", [lambda client, **body: client.responses.create(**body), streamed], ids=["whole", "streamed"]
)
def test_tools_loop_in_three_steps(client, model, ask):
    """Calls and their outputs are items; reasoning items travel along."""
    called, answer = run_tools(client, model, ask)
    assert called == ORDER
    assert answer.output_text.startswith("The tools say")


@each_target
def test_continued_by_id(client, model):
    """`previous_response_id` carries the conversation, tool outputs too."""
    first = client.responses.create(model=model, input=STEPS, tools=RESPONSES_TOOLS)
    call = next(item for item in first.output if item.type == "function_call")
    second = client.responses.create(
        model=model,
        previous_response_id=first.id,
        tools=RESPONSES_TOOLS,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "13"}],
    )
    assert [item.name for item in second.output if item.type == "function_call"] == ["multiply"]
    assert second.previous_response_id == first.id


@each_target
@pytest.mark.parametrize("sealed", [False, True])
def test_multi_turn_without_storing(client, model, sealed):
    """An app that keeps its own history and stores nothing; a reasoning model's thoughts travel sealed."""
    if sealed and model == LIVING:
        pytest.skip("OpenAI refuses sealed reasoning for a model that does not reason")
    items, include = [], ["reasoning.encrypted_content"] if sealed else []
    for text in ("Hello", "And you?", "Goodbye"):
        items.append({"role": "user", "content": text})
        answer = client.responses.create(model=model, input=items, store=False, include=include)
        items += [item for item in answer.output if sealed or item.type == "message"]
    assert answer.output_text
    sealing = [item.encrypted_content for item in answer.output if item.type == "reasoning"]
    assert not sealed or (all(sealing) and (sealing or model != RETIRED))


def test_stored_responses_are_fetched_and_deleted(client):
    """GET, its input items, DELETE, and then 404."""
    made = client.responses.create(model=LIVING, input=HELLO)
    assert client.responses.retrieve(made.id).output_text == made.output_text
    assert client.responses.input_items.list(made.id).data[0].content[0].text == HELLO
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


@each_target
def test_images(client, model):
    """A picture as an input item."""
    parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": PIXEL}]
    assert client.responses.create(model=model, input=[{"role": "user", "content": parts}]).output_text


@pytest.mark.parametrize("model", [RETIRED])
def test_reasoning_effort_is_kept(client, upstream, model):
    """A reasoning request stays one, with the effort the app asked for."""
    answer = client.responses.create(model=model, input=HELLO, reasoning={"effort": "high"})
    assert upstream.calls()[-1]["body"]["reasoning"]["effort"] == "high"
    assert answer.usage.output_tokens_details.reasoning_tokens > 0


@each_target
def test_caps_and_sampling_of_older_apps(client, model):
    """`temperature` and a cap are good for every name."""
    answer = client.responses.create(
        model=model, input=HELLO, temperature=0.2, top_p=0.9, max_output_tokens=3000
    )
    assert answer.status == "completed"


def test_unknown_model_is_not_found(client):
    """OpenAI's class and code."""
    with pytest.raises(openai.NotFoundError) as refused:
        client.responses.create(model="no-such-model", input=HELLO)
    assert refused.value.code == "model_not_found"


@each_target
def test_limited_shows_when_to_come_back(client, model):
    """429 keeps code and retry-after."""
    with pytest.raises(openai.RateLimitError) as refused:
        client.responses.create(model=model, input=LIMITED)
    assert refused.value.response.headers["retry-after"] == "9"


@each_target
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_raises(client, model, how):
    """No broken stream ends as if it were complete: the SDK raises, or hands out OpenAI's error event as the last."""
    events = []
    try:
        stream = client.responses.create(model=model, input=broken(how), stream=True)
        events.extend(event.type for event in stream)
    except openai.APIError:
        events.append("error")
    assert events[-1] == "error"
    assert "response.completed" not in events


@each_target
def test_leaving_a_stream_closes_upstream(client, closed, model):
    """Closing the stream after the first words ends the provider's call."""
    stream = client.responses.create(model=model, input=ENDLESS, stream=True)
    for event in stream:
        if event.type == "response.output_text.delta":
            break
    stream.close()
    assert closed()["path"] == "/v1/responses"
