"""The event stream of /v1/responses: names, numbers, order, and that the last event holds what was streamed."""

import pytest

from tests.sandbox.kit import Caller, flat_tool


@pytest.fixture
def api():
    return Caller()


def kinds(answer):
    return [event["type"].removeprefix("response.") for event in answer.events]


def test_a_text_stream_goes_through_every_stage_in_order(api):
    """created … completed, each event numbered, named in its event: line, and no [DONE]."""
    answer = api.responses("gpt-4.1", "[[sandbox:say=one two]]", stream=True)
    assert kinds(answer) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in answer.events] == list(range(10))
    names = [line[7:] for line in answer.body.decode().splitlines() if line.startswith("event: ")]
    assert names == [event["type"] for event in answer.events]
    assert b"[DONE]" not in answer.body


def test_what_was_streamed_is_what_the_last_event_holds(api):
    """Text, items and usage."""
    events = api.responses("gpt-5", stream=True, store=False).events
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    final = events[-1]["response"]
    assert final["output"][-1]["content"][0]["text"] == text
    assert final == api.responses("gpt-5", store=False).json
    assert events[0]["response"]["status"] == "in_progress"
    assert events[0]["response"]["usage"] is None


def test_function_calls_stream_their_arguments(api):
    """The item first, without arguments; at last with all of them."""
    answer = api.responses(input="use get_weather", stream=True, tools=[flat_tool()])
    added = [event["item"] for event in answer.events if event["type"] == "response.output_item.added"]
    done = next(event for event in answer.events if event["type"] == "response.function_call_arguments.done")
    deltas = [event["delta"] for event in answer.events if event["type"].endswith("arguments.delta")]
    assert [item["type"] for item in added] == ["reasoning", "function_call"]
    assert added[1]["arguments"] == ""
    assert "".join(deltas) == done["arguments"]
    assert done["name"] == "get_weather"


def test_parallel_calls_have_an_output_index_each(api):
    """After the reasoning item."""
    answer = api.responses(
        input="call alpha and beta", stream=True, tools=[flat_tool("alpha"), flat_tool("beta")]
    )
    done = [event for event in answer.events if event["type"] == "response.output_item.done"]
    assert [(event["output_index"], event["item"]["type"]) for event in done] == [
        (0, "reasoning"),
        (1, "function_call"),
        (2, "function_call"),
    ]


def test_summaries_refusals_and_custom_input_have_events_of_their_own(api):
    """Each with delta and done."""
    assert "reasoning_summary_text.delta" in kinds(api.responses(stream=True, reasoning={"summary": "auto"}))
    refusal = kinds(api.responses(input="[[sandbox:refuse]]", stream=True))
    assert "refusal.delta" in refusal
    assert "output_text.delta" not in refusal
    custom = api.responses(input="use shell", stream=True, tools=[{"type": "custom", "name": "shell"}])
    assert "custom_tool_call_input.done" in kinds(custom)


def test_an_incomplete_stream_says_so_in_its_last_event(api):
    """response.incomplete, not completed."""
    assert kinds(api.responses(stream=True, max_output_tokens=16))[-1] == "incomplete"


@pytest.mark.parametrize(("include", "seen"), [(None, True), (True, True), (False, False)])
def test_padding_is_on_deltas_unless_switched_off(api, include, seen):
    """include_obfuscation."""
    fields = {} if include is None else {"stream_options": {"include_obfuscation": include}}
    events = api.responses(stream=True, **fields).events
    deltas = [event for event in events if event["type"].endswith(".delta")]
    assert all(("obfuscation" in event) is seen for event in deltas)


def test_logprobs_stream_with_their_text(api):
    """One entry per delta when asked for."""
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    events = api.responses("gpt-4.1", stream=True, **asked).events
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert all(len(event["logprobs"]) == 1 for event in deltas)
