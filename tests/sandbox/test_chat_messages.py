"""Messages: what each role may carry, and tool calls that must meet their results."""

import pytest

from tests.sandbox.kit import Caller


@pytest.fixture(scope="module")
def api():
    return Caller()


CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
USER, RESULT = {"role": "user", "content": "hi"}, {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
UNANSWERED = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    "The following tool_call_ids did not have response messages: call_1"
)
STRAY = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."

REFUSED = [
    ([{"content": "x"}], "messages[0].role", "missing_required_parameter", ""),
    ([{"role": "robot", "content": "x"}], "messages[0].role", "invalid_value", "Invalid value: 'robot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."),
    ([{"role": "user"}], "messages.[0].content", None, "Invalid value for 'content': expected a string, got null."),
    ([{"role": "assistant", "content": None}], "messages.[0].content", None, ""),
    ([{"role": "user", "content": 5}], "messages[0].content", "invalid_type", "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got an integer instead."),
    ([{"role": "user", "content": []}], "messages[0].content", "empty_array", ""),
    ([{"role": "user", "content": [{"type": "smell"}]}], "messages[0].content[0].type", "invalid_value", ""),
    ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text", "missing_required_parameter", ""),
    ([{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]}], "messages[0].content[0].type", "invalid_value", ""),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": "https://x/y"}]}], "messages[0].content[0].image_url", "invalid_type", ""),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}], "messages[0].content[0].image_url.url", "invalid_image_url", ""),
    ([USER, {"role": "tool", "content": "x"}], "messages[1].tool_call_id", "missing_required_parameter", ""),
    ([USER, CALL], "messages.[2].role", None, UNANSWERED),
    ([USER, CALL, USER], "messages.[2].role", None, UNANSWERED),
    ([USER, RESULT], "messages.[1].role", None, STRAY),
    ([USER, CALL, RESULT, RESULT], "messages.[3].tool_call_id", None, ""),
    ([USER, {**CALL, "content": "x", "tool_calls": []}], "messages[1].tool_calls", "empty_array", ""),
    ([USER, {**CALL, "tool_calls": [{"type": "function"}]}], "messages[1].tool_calls[0].id", "missing_required_parameter", ""),
    ([{"role": "user", "content": [{"type": "text", "text": "x", "prompt_cache_breakpoint": {}}]}], "messages[0].content[0].prompt_cache_breakpoint", "unknown_parameter", ""),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "param", "code", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_wrong_message_is_refused_by_its_place(api, messages, param, code, message):
    """`param` points at the message, as clients print it."""
    answer = api.chat(messages=messages)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert answer.error["message"].startswith(message)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "developer", "content": "be brief"}, USER],
        [{"role": "system", "content": [{"type": "text", "text": "be brief"}]}, {**USER, "name": "ada"}],
        [USER, {"role": "assistant", "content": "yes", "annotations": [], "refusal": None}, USER],
        [USER, {"role": "assistant", "content": None, "refusal": "no"}, USER],
        [USER, CALL, RESULT],
        [USER, {**CALL, "content": "let me see"}, RESULT, {"role": "assistant", "content": "done"}, USER],
        [USER, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}, {"role": "function", "name": "f", "content": "x"}],
        [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:x"}}]}],
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_a_right_conversation_is_taken(api, messages):
    """Every role and part a real application sends."""
    assert api.chat(messages=messages).status == 200
