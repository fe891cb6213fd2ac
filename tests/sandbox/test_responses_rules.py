"""What /v1/responses refuses: unknown parameters by name, items by their place, families in this endpoint's words."""

import pytest

from tests.sandbox.kit import everything, flat_tool


@pytest.fixture(scope="module")
def api():
    return everything()


USER = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
SEALED = {**THOUGHT, "encrypted_content": "gAAAA-sandbox-1"}
ANSWER = {"role": "assistant", "content": [{"type": "output_text", "text": "yes"}]}

REFUSED = [
    ({"foo": 1}, "foo", "unknown_parameter", "Unknown parameter: 'foo'."),
    ({"messages": []}, "messages", "unknown_parameter", "Unknown parameter: 'messages'."),
    ({"max_tokens": 50}, "max_tokens", "unknown_parameter", ""),
    ({"reasoning_effort": "low"}, "reasoning_effort", "unknown_parameter", ""),
    ({"response_format": {}}, "response_format", "unknown_parameter", ""),
    ({"n": 1}, "n", "unknown_parameter", ""),
    ({"stop": "x"}, "stop", "unknown_parameter", ""),
    ({"seed": 1}, "seed", "unknown_parameter", ""),
    ({"reasoning": {"depth": 1}}, "reasoning.depth", "unknown_parameter", ""),
    ({"stream": True, "stream_options": {"include_usage": True}}, "stream_options.include_usage", "unknown_parameter", ""),
    ({"stream_options": {}}, "stream_options", None, ""),
    ({"input": None}, "input", "missing_required_parameter", "Missing required parameter: 'input'."),
    ({"input": 5}, "input", "invalid_type", ""),
    ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 15 instead."),
    ({"max_output_tokens": 200_000}, "max_output_tokens", "integer_above_max_value", ""),
    ({"include": ["everything"]}, "include[0]", "invalid_value", ""),
    ({"truncation": "some"}, "truncation", "invalid_value", ""),
    ({"previous_response_id": "resp_none"}, "previous_response_id", "previous_response_not_found", "Previous response with id 'resp_none' not found."),
    ({"input": [{"content": "x"}]}, "input[0].type", "missing_required_parameter", ""),
    ({"input": [{"type": "thought"}]}, "input[0].type", "invalid_value", ""),
    ({"input": [{**USER, "tool_calls": []}]}, "input[0].tool_calls", "unknown_parameter", "Unknown parameter: 'input[0].tool_calls'."),
    ({"input": [{**USER, "name": "ada"}]}, "input[0].name", "unknown_parameter", ""),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "invalid_value", "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'."),
    ({"input": [{**USER, "content": [{"type": "text", "text": "x"}]}]}, "input[0].content[0]", "invalid_value", "Invalid value: 'text'. Supported values are: 'input_text', "),
    ({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}, "input[0].content[0]", "invalid_value", ""),
    ({"input": [{**USER, "content": [{"type": "input_image", "image_url": {"url": "https://x"}}]}]}, "input[0].content[0].image_url", "invalid_type", ""),
    ({"input": [USER, {**ANSWER, "id": "abc"}]}, "input[1].id", "invalid_value", "Invalid 'input[1].id': 'abc'. Expected an ID that begins with 'msg'."),
    ({"input": [USER, CALL]}, "input", None, "No tool output found for function call call_1."),
    ({"input": [USER, RESULT]}, "input", None, "No tool call found for function call output with call_id call_1."),
    ({"input": [USER, {**CALL, "arguments": {}}, RESULT]}, "input[1].arguments", "invalid_type", ""),
    ({"input": [USER, SEALED]}, "input", None, "Item 'rs_1' of type 'reasoning' was provided without its required following item."),
    ({"input": [USER, {**THOUGHT, "encrypted_content": "other"}, ANSWER]}, "input", "invalid_encrypted_content", ""),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name", "missing_required_parameter", ""),
    ({"tools": [{"type": "gadget"}]}, "tools[0].type", "invalid_value", ""),
    ({"tools": [flat_tool(strict=True) | {"parameters": {"type": "object", "properties": {}}}]}, "tools[0].parameters", "invalid_function_parameters", ""),
    ({"tool_choice": "required"}, "tool_choice", None, "Tool choice 'required' must be specified with 'tools' parameter."),
    ({"tools": [flat_tool()], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, "tool_choice.name", "missing_required_parameter", ""),
    ({"tools": [flat_tool()], "tool_choice": {"type": "function", "name": "nope"}}, "tool_choice", None, ""),
    ({"text": {"format": {"type": "json_schema", "json_schema": {}}}}, "text.format.json_schema", "unknown_parameter", ""),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name", "missing_required_parameter", ""),
    ({"text": {"format": {"type": "json_object"}}}, "input", None, "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'."),
    ({"text": {"verbosity": "loud"}}, "text.verbosity", "invalid_value", ""),
    ({"store": False, "background": True}, "background", None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param", "code", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_wrong_request_is_refused_in_this_endpoints_words(api, fields, param, code, message):
    """Chat's names are unknown here; items are refused by their place."""
    answer = api.responses(**fields)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert answer.error["message"].startswith(message)


def test_reasoning_without_seal_is_only_known_if_it_was_stored(api):
    """A 404 with the sentence about `store`."""
    answer = api.responses(input=[USER, THOUGHT, ANSWER])
    assert answer.status == 404
    assert "Items are not persisted when `store` is set to false." in answer.error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"input": [USER]},
        {"input": [{"role": "developer", "content": "brief"}, {"type": "message", **USER}]},
        {"input": [USER, ANSWER, USER], "instructions": "be brief"},
        {"input": [USER, SEALED, CALL, RESULT]},
        {"input": [USER, CALL, {**RESULT, "output": [{"type": "input_text", "text": "x"}]}]},
        {"input": [{**USER, "content": [{"type": "input_image", "image_url": "https://x/y.png", "detail": "low"}, {"type": "input_file", "file_id": "file-1"}]}]},
        {"tools": [flat_tool(), {"type": "web_search"}, {"type": "custom", "name": "shell"}], "tool_choice": "auto"},
        {"tools": [flat_tool()], "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_weather"}]}},
        {"tools": [flat_tool()], "parallel_tool_calls": False, "max_tool_calls": 3},
        {"text": {"format": {"type": "json_schema", "name": "n", "strict": True, "schema": {"type": "object", "properties": {}, "additionalProperties": False}}}},
        {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"], "store": False},
        {"metadata": {"a": "b"}, "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "truncation": "auto"},
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_a_right_request_is_not_refused(api, fields):
    """What real clients send."""
    answer = api.responses(**fields)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("model", "taken", "refused"),
    [
        ("gpt-4.1", (), ("none", "low", "high")),
        ("o4-mini", ("low", "medium", "high"), ("none", "minimal", "xhigh")),
        ("gpt-5-mini", ("minimal", "low"), ("none", "xhigh")),
        ("gpt-5.4-mini", ("none", "xhigh"), ("minimal", "max")),
        ("gpt-5.6-luna", ("none", "xhigh", "max"), ("minimal",)),
        ("gpt-6-astra", ("low", "xhigh", "max"), ("none", "minimal")),
    ],
)
def test_efforts_by_family(api, model, taken, refused):
    """`max` exists on this endpoint only; a model that does not reason refuses the parameter."""
    for effort in taken:
        assert api.responses(model, reasoning={"effort": effort}).status == 200
    for effort in refused:
        error = api.responses(model, reasoning={"effort": effort}).error
        code = "unsupported_parameter" if model == "gpt-4.1" else "unsupported_value"
        assert (error["param"], error["code"]) == ("reasoning.effort", code)


@pytest.mark.parametrize(
    ("model", "effort", "taken"),
    [
        ("gpt-4.1", None, True),
        ("o3", None, False),
        ("gpt-5", None, False),
        ("gpt-5.4", None, True),
        ("gpt-5.4", "low", False),
        ("gpt-6-luna", None, False),
        ("gpt-6-luna", "none", True),
        ("gpt-6-astra", None, False),
    ],
)
def test_sampling_and_logprobs_follow_the_effective_effort(api, model, effort, taken):
    """The same rule as on chat, under this endpoint's code."""
    reasoning = {"reasoning": {"effort": effort}} if effort else {}
    sampled = api.responses(model, temperature=0.2, **reasoning)
    logged = api.responses(model, top_logprobs=2, include=["message.output_text.logprobs"], **reasoning)
    assert (sampled.status, logged.status) == ((200, 200) if taken else (400, 400))
    if not taken:
        assert sampled.error["code"] == "unsupported_parameter"


@pytest.mark.parametrize(
    "model", ["gpt-5.4", "gpt-5.6-terra", "gpt-6-astra", "gpt-6.1-sol", "o4-mini", "gpt-4.1"]
)
def test_tools_and_reasoning_go_together_here(api, model):
    """What chat refuses to newer models, this endpoint takes."""
    reasoning = {} if model == "gpt-4.1" else {"reasoning": {"effort": "high"}}
    answer = api.responses(model, "use get_weather", tools=[flat_tool()], **reasoning)
    assert answer.json["output"][-1]["type"] == "function_call"


def test_encrypted_reasoning_needs_a_model_that_reasons(api):
    """And images one that sees."""
    assert api.responses("gpt-4.1", include=["reasoning.encrypted_content"]).error["param"] == "include"
    image = [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/y.png"}]}]
    assert api.responses("o3-mini", image).status == 400


def test_a_prompt_beyond_the_window_is_refused_or_truncated_as_asked(api):
    """`truncation: auto` bills one window."""
    error = api.responses("o4-mini", "x" * 900_000).error
    assert error["code"] == "context_length_exceeded"
    assert api.responses("o4-mini", "x" * 900_000, truncation="auto").json["usage"]["input_tokens"] == 200_000
