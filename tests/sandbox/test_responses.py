"""Responses: the object, its items, chains of them, and the objects kept behind their ids."""

import pytest

from tests.sandbox.kit import Caller, flat_tool


@pytest.fixture
def api():
    return Caller()


def test_a_response_echoes_its_settings_and_reports_usage(api):
    """Defaults are filled in; functions are strict unless they say otherwise."""
    tools = [flat_tool(), flat_tool("loose") | {"strict": False}]
    out = api.responses(tools=tools, instructions="brief", metadata={"a": "b"}).json
    assert out["object"] == "response"
    assert out["status"] == "completed"
    assert out["reasoning"] == {"effort": "medium", "summary": None}
    assert [tool["strict"] for tool in out["tools"]] == [True, False]
    assert out["text"] == {"format": {"type": "text"}, "verbosity": "medium"}
    usage = out["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens_details"]["reasoning_tokens"] > 0


def test_the_same_conversation_gets_the_same_words_on_both_endpoints(api):
    """Text, tool calls and counts, so that a bridge between them can be checked."""
    chat = api.chat(
        "gpt-5", messages=[{"role": "system", "content": "s"}, {"role": "user", "content": "hello"}]
    ).json
    out = api.responses("gpt-5", instructions="s").json
    assert out["output"][-1]["content"][0]["text"] == chat["choices"][0]["message"]["content"]
    assert out["usage"]["output_tokens"] == chat["usage"]["completion_tokens"]
    assert out["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]


def test_a_three_step_tool_loop_without_storage_carries_its_sealed_reasoning(api):
    """Items go back as they came."""
    items = [{"role": "user", "content": "call alpha then beta then gamma"}]
    tools = [flat_tool(name) for name in ("alpha", "beta", "gamma")]
    asked = {"tools": tools, "store": False, "include": ["reasoning.encrypted_content"]}
    names = []
    for _ in range(3):
        output = api.responses("gpt-5.6-terra", items, **asked).json["output"]
        assert [item["type"] for item in output] == ["reasoning", "function_call"]
        names.append(output[1]["name"])
        items += [
            *output,
            {"type": "function_call_output", "call_id": output[1]["call_id"], "output": names[-1]},
        ]
    last = api.responses("gpt-5.6-terra", items, **asked).json["output"][-1]
    assert names == ["alpha", "beta", "gamma"]
    assert last["content"][0]["text"] == "The tools say: alpha; beta; gamma."


def test_a_previous_response_brings_its_conversation_but_not_its_instructions(api):
    """A tool loop by id needs to send the result only."""
    first = api.responses(input="use get_weather", tools=[flat_tool()], instructions="long " * 400).json
    call = first["output"][-1]
    result = [{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}]
    second = api.responses(input=result, previous_response_id=first["id"], tools=[flat_tool()]).json
    assert second["output"][-1]["content"][0]["text"] == "The tools say: sunny."
    assert second["usage"]["input_tokens"] < first["usage"]["input_tokens"]


def test_a_response_that_was_not_stored_cannot_be_continued_or_fetched(api):
    """store: false means gone."""
    gone = api.responses(store=False).json["id"]
    assert api.responses(previous_response_id=gone).error["code"] == "previous_response_not_found"
    assert (
        api.send("GET", f"/v1/responses/{gone}").error["message"] == f"Response with id '{gone}' not found."
    )


def test_stored_responses_can_be_fetched_listed_deleted(api):
    """Each has its own id, even for the same question."""
    first, second = api.responses().json, api.responses().json
    assert first["id"] != second["id"]
    assert api.send("GET", f"/v1/responses/{first['id']}").json == first
    items = api.send("GET", f"/v1/responses/{first['id']}/input_items").json
    assert items["data"][0]["content"] == [{"type": "input_text", "text": "hello"}]
    assert items["first_id"] == items["last_id"] == items["data"][0]["id"]
    assert api.send("DELETE", f"/v1/responses/{first['id']}").json["deleted"] is True
    assert api.send("GET", f"/v1/responses/{first['id']}").status == 404
    assert api.send("GET", f"/v1/responses/{second['id']}").status == 200


def test_items_can_be_named_instead_of_sent(api):
    """item_reference finds what was stored."""
    said = api.responses().json["output"][-1]
    user = {"role": "user", "content": "hello"}
    assert api.responses(input=[user, {"type": "item_reference", "id": said["id"]}, user]).status == 200
    assert api.responses(input=[{"type": "item_reference", "id": "msg_none"}]).status == 404


def test_a_background_response_is_queued_and_can_be_fetched_and_cancelled(api):
    """Synchronous ones cannot be cancelled."""
    waiting = api.responses(background=True).json
    assert waiting["status"] == "queued"
    assert api.send("GET", f"/v1/responses/{waiting['id']}").json["status"] == "completed"
    assert api.send("POST", f"/v1/responses/{waiting['id']}/cancel").status == 200
    plain = api.responses().json["id"]
    error = api.send("POST", f"/v1/responses/{plain}/cancel").error
    assert error["message"] == "Cannot cancel a synchronous response."


def test_a_small_cap_leaves_an_incomplete_response_with_nothing_but_thought(api):
    """status incomplete, reason max_output_tokens."""
    out = api.responses(max_output_tokens=16).json
    assert out["status"] == "incomplete"
    assert out["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["type"] for item in out["output"]] == ["reasoning"]
    assert out["usage"]["output_tokens"] == 16
    assert api.responses(previous_response_id=out["id"]).status == 200


def test_a_filtered_response_is_incomplete_too(api):
    """With the other reason."""
    out = api.responses(input="[[sandbox:filter]]").json
    assert out["incomplete_details"] == {"reason": "content_filter"}


def test_refusals_logprobs_and_summaries_have_their_places(api):
    """A refusal part, token logprobs, summary text."""
    assert api.responses(input="[[sandbox:refuse]]").json["output"][-1]["content"][0]["type"] == "refusal"
    logged = api.responses("gpt-4.1", top_logprobs=2, include=["message.output_text.logprobs"]).json
    assert len(logged["output"][0]["content"][0]["logprobs"][0]["top_logprobs"]) == 2
    thought = api.responses(reasoning={"summary": "auto"}).json["output"][0]
    assert thought["summary"][0]["type"] == "summary_text"


def test_input_tokens_are_counted_without_answering(api):
    """The same number the bill would show."""
    counted = api.post("/v1/responses/input_tokens", {"model": "gpt-5", "input": "hello"}).json
    assert counted == {
        "object": "response.input_tokens",
        "input_tokens": api.responses().json["usage"]["input_tokens"],
    }


def test_a_text_format_is_obeyed(api):
    """JSON that names every key."""
    schema = {
        "type": "object",
        "properties": {"x": {"type": "integer"}},
        "required": ["x"],
        "additionalProperties": False,
    }
    text = {"format": {"type": "json_schema", "name": "n", "strict": True, "schema": schema}}
    out = api.responses(text=text).json
    assert out["output"][-1]["content"][0]["text"].startswith('{"x":')
