"""Heads, tool calls and logprobs of chat answers."""

from proxy.sandbox.chat_parts import Head, token_logprob, tool_call
from proxy.sandbox.talk import ToolCall


def test_a_chunk_repeats_its_head():
    """In the order clients print it."""
    chunk = Head("chatcmpl-1", 5, "m", "default", "fp_1").chunk([])
    assert list(chunk) == [
        "id",
        "object",
        "created",
        "model",
        "service_tier",
        "system_fingerprint",
        "choices",
    ]


def test_calls_are_spelled_by_their_type():
    """Function and custom."""
    assert tool_call(ToolCall("c", "f", ""), "{}")["function"] == {"name": "f", "arguments": "{}"}
    assert tool_call(ToolCall("c", "f", "", custom=True), "x")["custom"] == {"name": "f", "input": "x"}


def test_a_token_is_its_own_first_alternative():
    """Bytes spell it, alternatives are less likely."""
    token = token_logprob(" é", 3)
    assert bytes(token["bytes"]).decode() == token["token"] == token["top_logprobs"][0]["token"] == " é"
    logprobs = [other["logprob"] for other in token["top_logprobs"]]
    assert len({other["token"] for other in token["top_logprobs"]}) == 3
    assert logprobs[0] > logprobs[1] > logprobs[2]
