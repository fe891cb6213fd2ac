"""Whole chat answers: tools, schemas, refusals, caps, stop, logprobs, choices, usage, storage."""

import json

import jsonschema
import pytest

from tests.sandbox.kit import Caller, everything, tool


@pytest.fixture
def api():
    return Caller()


def only(answer):
    return answer.json["choices"][0]


def test_an_answer_has_every_key_clients_read(api):
    """Also those that are null."""
    out = api.chat().json
    assert set(out) == {
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "service_tier",
        "system_fingerprint",
    }
    assert out["model"] == "gpt-4.1-mini-2025-04-14"
    assert out["object"] == "chat.completion"
    choice = out["choices"][0]
    assert choice["logprobs"] is None
    assert set(choice["message"]) == {"role", "content", "refusal", "annotations"}


def test_the_same_question_gets_the_same_answer_and_another_gets_another(api):
    """Byte for byte, and independent of user, tier or storage."""
    assert api.chat().body == api.chat().body
    assert only(api.chat())["message"] == only(api.chat(user="u", service_tier="auto"))["message"]
    assert only(api.chat())["message"] != only(api.chat(text="other"))["message"]


def test_a_named_tool_is_called_and_the_answer_ends_with_stop(api):
    """finish_reason is stop for a named choice and tool_calls otherwise, as instructor found out."""
    named = {"type": "function", "function": {"name": "get_weather"}}
    choice = only(api.chat(tools=[tool()], tool_choice=named))
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert only(api.chat(tools=[tool()], tool_choice="required"))["finish_reason"] == "tool_calls"


def test_arguments_follow_the_schema_and_take_words_and_numbers_from_the_prompt(api):
    """So that a test can tell that the prompt arrived."""
    choice = only(api.chat(text="call get_weather in Paris for 3 days", tools=[tool()]))
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {
        "city": "Paris",
        "days": 3,
    }


@pytest.mark.parametrize("text", ["What is the weather?", "use get_weather now"])
def test_a_tool_is_called_when_the_text_mentions_it(api, text):
    """By name or by the telling part of it."""
    assert only(api.chat(text=text, tools=[tool()]))["finish_reason"] == "tool_calls"
    assert only(api.chat(text="Tell me a joke", tools=[tool()]))["finish_reason"] == "stop"
    assert only(api.chat(text=text, tools=[tool()], tool_choice="none"))["finish_reason"] == "stop"


def test_two_tools_named_together_are_called_together_unless_that_is_switched_off(api):
    """Parallel calls have different ids; `parallel_tool_calls: false` makes them one."""
    tools = [tool("alpha"), tool("beta")]
    calls = only(api.chat(text="call alpha and beta", tools=tools))["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["alpha", "beta"]
    assert calls[0]["id"] != calls[1]["id"]
    one = only(api.chat(text="call alpha and beta", tools=tools, parallel_tool_calls=False))
    assert len(one["message"]["tool_calls"]) == 1


def test_a_three_step_tool_loop_ends_in_text(api):
    """call alpha then beta then gamma: one call per turn, then an answer that quotes the results."""
    tools = [tool(name) for name in ("alpha", "beta", "gamma")]
    messages = [{"role": "user", "content": "call alpha then beta then gamma"}]
    names = []
    for _ in range(3):
        message = only(api.chat(messages=messages, tools=tools))["message"]
        (call,) = message["tool_calls"]
        names.append(call["function"]["name"])
        messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": f"got {names[-1]}"}]
    last = only(api.chat(messages=messages, tools=tools))
    assert names == ["alpha", "beta", "gamma"]
    assert last["message"]["content"] == "The tools say: got alpha; got beta; got gamma."


def test_the_older_functions_answer_as_function_call(api):
    """finish_reason function_call and no tool_calls key."""
    choice = only(api.chat(text="use get_weather", functions=[tool()["function"]]))
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"]["name"] == "get_weather"


def test_custom_tools_take_free_text():
    """From gpt-5 on; older models refuse the type."""
    custom = [{"type": "custom", "custom": {"name": "shell"}}]
    call = only(Caller().chat("gpt-5", "use shell", tools=custom))["message"]["tool_calls"][0]
    assert (call["type"], call["custom"]["name"]) == ("custom", "shell")
    assert Caller().chat("gpt-4.1", tools=custom).status == 400


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "kind": {"enum": ["a", "b"]},
        "score": {"type": "number", "minimum": 5, "maximum": 6},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 3},
        "node": {"$ref": "#/$defs/node"},
        "maybe": {"type": ["string", "null"]},
    },
    "required": ["name", "kind", "score", "tags", "node", "maybe"],
    "additionalProperties": False,
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["next"],
            "additionalProperties": False,
        }
    },
}


@pytest.mark.parametrize("seed", range(20))
def test_a_schema_answer_is_valid_for_its_schema(api, seed):
    """Recursive, nullable and bounded parts included."""
    wanted = {"type": "json_schema", "json_schema": {"name": "out", "strict": True, "schema": SCHEMA}}
    content = only(api.chat(seed=seed, response_format=wanted))["message"]["content"]
    jsonschema.validate(json.loads(content), SCHEMA)


def test_a_refusal_has_its_own_field(api):
    """content is null."""
    message = only(api.chat(text="[[sandbox:refuse]]"))["message"]
    assert message["content"] is None
    assert "can't assist" in message["refusal"]


def test_a_filtered_answer_says_so(api):
    """finish_reason content_filter."""
    assert only(api.chat(text="[[sandbox:filter]]"))["finish_reason"] == "content_filter"


def test_stop_cuts_before_the_earliest_match(api):
    """The stop text itself is not part of the answer."""
    choice = only(api.chat(text="[[sandbox:say=one two three four]]", stop=["three", "two"]))
    assert choice["message"]["content"] == "one "
    assert choice["finish_reason"] == "stop"


def test_a_cap_ends_the_answer_with_length(api):
    """At exactly so many tokens."""
    out = api.chat(text="[[sandbox:words=50]]", max_tokens=7).json
    assert out["choices"][0]["finish_reason"] == "length"
    assert out["usage"]["completion_tokens"] == 7


def test_a_small_cap_on_a_reasoning_model_buys_only_thought():
    """Empty content, finish_reason length, every token billed as reasoning."""
    api = everything()
    out = api.chat("o4-mini", max_completion_tokens=50).json
    assert out["choices"][0]["message"]["content"] == ""
    assert out["choices"][0]["finish_reason"] == "length"
    assert (
        out["usage"]["completion_tokens_details"]["reasoning_tokens"]
        == out["usage"]["completion_tokens"]
        == 50
    )
    strict = everything(doubts=frozenset({"small_cap_is_400"})).chat("o4-mini", max_completion_tokens=50)
    assert strict.error["message"].startswith("Could not finish the message because max_tokens")


@pytest.mark.parametrize(("effort", "least"), [("minimal", 0), ("low", 64), ("medium", 192), ("high", 512)])
def test_effort_costs_hidden_tokens_inside_the_output(api, effort, least):
    """More effort, more reasoning tokens."""
    usage = api.chat("gpt-5", reasoning_effort=effort).json["usage"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert least <= reasoning < usage["completion_tokens"]


def test_choices_differ_and_their_tokens_add_up(api):
    """n answers, one bill."""
    out = api.chat(n=3).json
    texts = [choice["message"]["content"] for choice in out["choices"]]
    assert [choice["index"] for choice in out["choices"]] == [0, 1, 2]
    assert len(set(texts)) == 3
    assert out["usage"]["completion_tokens"] > api.chat(n=1).json["usage"]["completion_tokens"]


def test_logprobs_come_for_every_token_with_as_many_alternatives_as_asked(api):
    """And their tokens spell the answer."""
    choice = only(api.chat(logprobs=True, top_logprobs=3))
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert all(len(token["top_logprobs"]) == 3 and token["logprob"] <= 0 for token in tokens)


def test_a_prediction_is_billed_for_what_it_got_wrong(api):
    """Rejected tokens are inside the output."""
    usage = api.chat(
        text="[[sandbox:say=one two]]", prediction={"type": "content", "content": "one three four"}
    ).json
    details = usage["usage"]["completion_tokens_details"]
    assert details["accepted_prediction_tokens"] == 1
    assert details["rejected_prediction_tokens"] == 2
    assert usage["usage"]["completion_tokens"] == 4


def test_a_long_prompt_is_cached_the_second_time(api):
    """In steps of 128 from 1024 tokens on; gpt-5.6 also counts what it wrote."""
    long = "railway " * 1000
    details = [api.chat(text=long).json["usage"]["prompt_tokens_details"] for _ in range(2)]
    assert details[0]["cached_tokens"] == 0
    assert details[1]["cached_tokens"] >= 1024
    assert details[1]["cached_tokens"] % 128 == 0
    assert "cache_write_tokens" not in details[0]
    newer = [api.chat("gpt-5.6-luna", long).json["usage"]["prompt_tokens_details"] for _ in range(2)]
    assert newer[0]["cache_write_tokens"] >= 1024
    assert newer[1]["cache_write_tokens"] == 0
    assert Caller(cache=False).chat(text=long).json["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_images_count_by_size_and_detail(api):
    """Low detail is the base price, high detail counts tiles."""

    def size(detail):
        image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": detail}}
        return api.chat(messages=[{"role": "user", "content": [image]}]).json["usage"]["prompt_tokens"]

    assert size("high") - size("low") == 4 * 170


def test_a_fine_tune_answers_under_its_own_name(api):
    """With its base's rules and date."""
    name = "ft:gpt-4.1-mini:acme::abc123"
    assert api.chat(name).json["model"] == name
    assert api.chat("ft:gpt-9:acme::abc").status == 404
    assert (
        api.chat("ft:o4-mini:acme::abc")
        .error["message"]
        .startswith("The model `ft:o4-mini:acme::abc` has been")
    )
