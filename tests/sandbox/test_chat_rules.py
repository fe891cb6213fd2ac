"""What chat/completions refuses from any model: unknown names, types, ranges and parameters that need each other."""

import pytest

from tests.sandbox.kit import Caller, chat_body, tool


@pytest.fixture(scope="module")
def api():
    return Caller()


MUST_BE_OBJECT = "In context=(), 'additionalProperties' is required to be supplied and to be false."


def schema(strict=True, **changes):
    inner = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
        **changes,
    }
    return {"type": "json_schema", "json_schema": {"name": "out", "strict": strict, "schema": inner}}


REFUSALS = [
    ({"foo": 1}, None, None, "Unrecognized request argument supplied: foo"),
    ({"foo": 1, "bar": 2}, None, None, "Unrecognized request arguments supplied: foo, bar"),
    ({"model": ...}, None, None, "you must provide a model parameter"),
    ({"messages": ...}, "missing_required_parameter", "messages", "Missing required parameter: 'messages'."),
    ({"messages": []}, "empty_array", "messages", "Invalid 'messages': empty array."),
    ({"messages": "hi"}, "invalid_type", "messages", "Invalid type for 'messages'"),
    ({"temperature": "hot"}, "invalid_type", "temperature", "Invalid type for 'temperature': expected a decimal, but got a string"),
    ({"temperature": 2.1}, "decimal_above_max_value", "temperature", "Invalid 'temperature': decimal above maximum value."),
    ({"temperature": -1}, "decimal_below_min_value", "temperature", "Invalid 'temperature': decimal below minimum value."),
    ({"top_p": 1.5}, "decimal_above_max_value", "top_p", ""),
    ({"max_tokens": 0}, "integer_below_min_value", "max_tokens", "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0"),
    ({"max_tokens": 1.5}, "invalid_type", "max_tokens", "Invalid type for 'max_tokens': expected an integer, but got a decimal"),
    ({"n": 129}, "integer_above_max_value", "n", "Invalid 'n': integer above maximum value. Expected a value <= 128"),
    ({"n": 0}, "integer_below_min_value", "n", ""),
    ({"stop": ["a", "b", "c", "d", "e"]}, "array_above_max_length", "stop", "Invalid 'stop': array too long."),
    ({"stop": 5}, "invalid_type", "stop", ""),
    ({"logprobs": True, "top_logprobs": 21}, "integer_above_max_value", "top_logprobs", ""),
    ({"top_logprobs": 2}, None, "top_logprobs", ""),
    ({"presence_penalty": 3}, "decimal_above_max_value", "presence_penalty", ""),
    ({"logit_bias": {"x": 1}}, None, "logit_bias", ""),
    ({"logit_bias": {"1": 101}}, "decimal_above_max_value", "logit_bias.1", ""),
    ({"metadata": {str(n): "x" for n in range(17)}}, "object_above_max_properties", "metadata", ""),
    ({"metadata": {"a": 1}}, "invalid_type", "metadata.a", ""),
    ({"metadata": {"a": "x" * 513}}, "string_above_max_length", "metadata.a", ""),
    ({"stream": "yes"}, "invalid_type", "stream", "Invalid type for 'stream': expected a boolean"),
    ({"stream_options": {"include_usage": True}}, None, "stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled."),
    ({"stream": True, "stream_options": {"what": 1}}, "unknown_parameter", "stream_options.what", ""),
    ({"service_tier": "gold"}, "invalid_value", "service_tier", "Invalid value: 'gold'. Supported values are: 'auto', "),
    ({"tool_choice": "auto"}, None, "tool_choice", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."),
    ({"parallel_tool_calls": True}, None, "parallel_tool_calls", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified."),
    ({"function_call": "auto"}, None, "function_call", ""),
    ({"tools": []}, "empty_array", "tools", "Invalid 'tools': empty array. Expected an array with minimum length 1"),
    ({"tools": [tool()] * 129}, "array_above_max_length", "tools", ""),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].function", ""),
    ({"tools": [{"type": "retrieval"}]}, "invalid_value", "tools[0].type", ""),
    ({"tools": [tool("bad name")]}, "invalid_value", "tools[0].function.name", ""),
    ({"tools": [tool()], "tool_choice": "any"}, "invalid_value", "tool_choice", ""),
    ({"tools": [tool()], "tool_choice": {"type": "function", "function": {"name": "other"}}}, None, "tool_choice", ""),
    ({"tools": [tool()], "tool_choice": {"type": "function", "name": "get_weather"}}, "missing_required_parameter", "tool_choice.function.name", ""),
    ({"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object", "properties": {"a": {}}}}}]}, "invalid_function_parameters", "tools[0].function.parameters", f"Invalid schema for function 'f': {MUST_BE_OBJECT}"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]}, "invalid_function_parameters", "tools[0].function.parameters", ""),
    ({"response_format": "json"}, "invalid_type", "response_format", ""),
    ({"response_format": {"type": "yaml"}}, "invalid_value", "response_format.type", ""),
    ({"response_format": {"type": "json_object"}}, None, "messages", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."),
    ({"response_format": {"type": "json_schema"}}, "missing_required_parameter", "response_format.json_schema", ""),
    ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "missing_required_parameter", "response_format.json_schema.name", ""),
    ({"response_format": schema(additionalProperties=True)}, None, "response_format", f"Invalid schema for response_format 'out': {MUST_BE_OBJECT}"),
    ({"response_format": schema(required=["a"])}, None, "response_format", "Invalid schema for response_format 'out': In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'b'."),
    ({"max_tokens": 5, "max_completion_tokens": 5}, "invalid_parameter_combination", "max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."),
    ({"modalities": ["smell"]}, "invalid_value", "modalities[0]", ""),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "code", "param", "message"), REFUSALS, ids=lambda value: str(value)[:40])
def test_a_wrong_request_is_refused_in_the_apis_own_words(api, fields, code, param, message):
    """Status 400, the right code and param, and the sentence client libraries know."""
    answer = api.post("/v1/chat/completions", chat_body(**{"model": "gpt-4.1-mini", **fields}))
    error = answer.error
    assert answer.status == 400
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert error["message"].startswith(message)
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": None, "stop": None, "n": None, "tools": None, "stream_options": None},
        {"response_format": {"type": "text"}},
        {"response_format": schema()},
        {"response_format": schema(strict=False, additionalProperties=True)},
        {"tools": [tool(strict=True)]},
        {"tools": [tool()], "tool_choice": "none"},
        {"tools": [tool()], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        {"functions": [tool()["function"]], "function_call": "auto"},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"store": True, "metadata": {"a": "b"}},
        {"metadata": {"a": "b"}},
        {"safety_identifier": "x", "prompt_cache_key": "k", "prompt_cache_retention": "24h", "user": "u"},
        {"prediction": {"type": "content", "content": "x"}},
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_right_request_is_not_refused(api, fields):
    """Strictness must not turn away what the real API takes; null is as good as absent."""
    assert api.chat(**fields).status == 200


def test_json_object_needs_only_the_word(api):
    """In any message, in any case."""
    answer = api.chat(text="Answer in JSON.", response_format={"type": "json_object"})
    assert answer.json["choices"][0]["message"]["content"].startswith("{")


@pytest.mark.parametrize(
    ("doubt", "fields"),
    [("metadata_needs_store", {"metadata": {"a": "b"}}), ("nested_unknown", {"messages": [{"role": "user", "content": "x", "mood": 1}]})],
)  # fmt: skip
def test_rules_without_a_transcript_are_off_until_switched_on(api, doubt, fields):
    """Lenient by default, strict on request."""
    assert api.chat(**fields).status == 200
    assert Caller(doubts=frozenset({doubt})).chat(**fields).status == 400


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"model": "gpt-4.1"} x'])
def test_a_body_that_is_no_json_object_is_one_400(api, raw):
    """The long sentence with the hint."""
    answer = api.send("POST", "/v1/chat/completions", raw)
    assert answer.status == 400
    assert answer.error["message"].startswith("We could not parse the JSON body of your request.")
