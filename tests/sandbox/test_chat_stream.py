"""Streamed chat answers: the order of chunks, who gets usage, and that they add up to the whole answer."""

import pytest

from tests.sandbox.kit import Caller, tool


@pytest.fixture
def api():
    return Caller()


def chunks(answer):
    return [event for event in answer.events if event != "[DONE]"]


def test_a_stream_opens_with_the_role_and_ends_with_a_reason_and_done(api):
    """content is an empty string at first; finish_reason has a delta of its own."""
    answer = api.chat(stream=True)
    events = answer.events
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert events[-2]["choices"][0]["delta"] == {}
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1] == "[DONE]"
    assert all(event["choices"][0]["finish_reason"] is None for event in events[:-2])


def test_every_chunk_repeats_the_same_head(api):
    """id, created, model, tier and fingerprint."""
    heads = {
        (c["id"], c["created"], c["model"], c["service_tier"], c["system_fingerprint"])
        for c in chunks(api.chat(stream=True))
    }
    assert len(heads) == 1


def test_a_stream_says_what_the_whole_answer_says(api):
    """Same question, same text, same id."""
    whole = api.chat().json
    streamed = chunks(api.chat(stream=True))
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in streamed)
    assert text == whole["choices"][0]["message"]["content"]
    assert streamed[0]["id"] == whole["id"]


def test_without_asking_there_is_no_usage_key_at_all(api):
    """Not even null."""
    for options in (..., {"include_usage": False}, {}):
        fields = {} if options is ... else {"stream_options": options}
        assert not any("usage" in chunk for chunk in chunks(api.chat(stream=True, **fields)))


def test_asking_for_usage_puts_null_on_every_chunk_and_one_more_chunk_at_the_end(api):
    """`choices: []` and the same numbers as the whole answer."""
    *before, last = chunks(api.chat(stream=True, stream_options={"include_usage": True}))
    assert all(chunk["usage"] is None for chunk in before)
    assert last["choices"] == []
    assert last["usage"] == api.chat().json["usage"]


def test_padding_is_there_unless_switched_off(api):
    """`obfuscation` on every delta by default."""
    assert all("obfuscation" in chunk for chunk in chunks(api.chat(stream=True))[:-1])
    bare = api.chat(stream=True, stream_options={"include_obfuscation": False})
    assert not any("obfuscation" in chunk for chunk in chunks(bare))


def test_one_tool_call_travels_with_the_role_and_gives_its_id_once(api):
    """Arguments follow in pieces under the same index."""
    deltas = [
        c["choices"][0]["delta"]
        for c in chunks(api.chat(text="use get_weather", stream=True, tools=[tool()]))
    ]
    first = deltas[0]["tool_calls"][0]
    assert deltas[0]["content"] is None
    assert first["function"] == {"name": "get_weather", "arguments": ""}
    rest = [delta["tool_calls"][0] for delta in deltas[1:-1]]
    assert all(set(call) == {"index", "function"} and set(call["function"]) == {"arguments"} for call in rest)
    assert "".join(call["function"]["arguments"] for call in rest).startswith("{")


def test_parallel_calls_come_one_after_the_other_by_index(api):
    """Each with its id and name in its first delta only."""
    answer = api.chat(text="call alpha and beta", stream=True, tools=[tool("alpha"), tool("beta")])
    calls = [call for c in chunks(answer) for call in c["choices"][0]["delta"].get("tool_calls", [])]
    assert [call["function"]["name"] for call in calls if "id" in call] == ["alpha", "beta"]
    assert [call["index"] for call in calls] == sorted(call["index"] for call in calls)
    assert chunks(answer)[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_several_choices_interleave(api):
    """Not one after the other."""
    order = [chunk["choices"][0]["index"] for chunk in chunks(api.chat(stream=True, n=3))]
    assert order[:6] == [0, 1, 2, 0, 1, 2]


def test_logprobs_and_refusals_stream_in_their_own_fields(api):
    """logprobs per delta; a refusal never shows as content."""
    deltas = chunks(api.chat(stream=True, logprobs=True, top_logprobs=1))[1:-1]
    assert all(len(chunk["choices"][0]["logprobs"]["content"]) == 1 for chunk in deltas)
    refusal = chunks(api.chat(text="[[sandbox:refuse]]", stream=True))[1:-1]
    assert all(set(chunk["choices"][0]["delta"]) == {"refusal"} for chunk in refusal)


def test_the_older_functions_stream_as_function_call(api):
    """Name first, then arguments."""
    deltas = [
        c["choices"][0]["delta"]
        for c in chunks(api.chat(text="use get_weather", stream=True, functions=[tool()["function"]]))
    ]
    assert deltas[0]["function_call"] == {"name": "get_weather", "arguments": ""}
    assert all(set(delta["function_call"]) == {"arguments"} for delta in deltas[1:-1])


def test_custom_tools_stream_their_input():
    """In pieces under `custom`."""
    answer = Caller().chat(
        "gpt-5", "use shell", stream=True, tools=[{"type": "custom", "custom": {"name": "shell"}}]
    )
    calls = [call for c in chunks(answer) for call in c["choices"][0]["delta"].get("tool_calls", [])]
    assert "".join(call["custom"]["input"] for call in calls) == "input for shell"
