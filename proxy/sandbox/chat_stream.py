"""Chat completions as a stream of chunks, in the real order.

A first delta with the role (content "" for text, null for tool calls), pieces, a delta of its own with finish_reason,
then, only if asked, one chunk with `choices: []` and the usage (every other chunk then carries `"usage": null`), then
[DONE]. Several choices interleave by index.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from proxy.sandbox.answers import Frame, Quirks
from proxy.sandbox.chat_parts import Head, finish_reason, token_logprob, tool_call
from proxy.sandbox.chat_rules import ChatAsk
from proxy.sandbox.speak import Spoken
from proxy.sandbox.tokens import digest


def _padding(ordinal: int) -> str:
    seed = digest(str(ordinal))
    return f"{seed:016x}{seed:016x}"[: 1 + seed % 16]


_PADDING = tuple(_padding(ordinal) for ordinal in range(256))
"""Random-looking padding as the API adds it against traffic analysis."""


def chat_frames(
    head: Head, ask: ChatAsk, spoken: list[Spoken], usage: dict[str, Any] | None, quirks: Quirks
) -> Iterator[Frame]:
    options = ask.body.get("stream_options") or {}
    asked, padded = bool(options.get("include_usage")), options.get("include_obfuscation") is not False
    lanes = [_deltas(said, ask, index) for index, said in enumerate(spoken)]
    sent = 0
    while lanes:
        for lane in list(lanes):
            step = next(lane, None)
            if step is None:
                lanes.remove(lane)
                continue
            choice, tokens = step
            sent += tokens
            if quirks.extra:
                choice["delta"]["reasoning_content"] = "…"
            chunk = head.chunk([choice])
            if asked:
                chunk["usage"] = None
            if padded and choice["delta"]:
                chunk["obfuscation"] = _PADDING[sent % len(_PADDING)]
            if quirks.extra:
                chunk["x_future"] = {"seen": sent}
            yield Frame(_event(chunk), sent)
    if asked and usage is not None:
        if quirks.usage == "twice":
            half = {**usage, "completion_tokens": 1, "total_tokens": usage["prompt_tokens"] + 1}
            yield Frame(_event({**head.chunk([]), "usage": half}), sent)
        yield Frame(_event({**head.chunk([]), "usage": usage}), sent)
    if quirks.done:
        yield Frame(b"data: [DONE]\n\n", sent)


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _deltas(said: Spoken, ask: ChatAsk, index: int) -> Iterator[tuple[dict[str, Any], int]]:
    """(choice, visible tokens in it) for one index."""

    def choice(delta: dict[str, Any], finish: str | None = None, logprobs: Any = None) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    if said.calls:
        yield from ((choice(delta), tokens) for delta, tokens in _call_deltas(said, ask))
    else:
        field = "refusal" if said.refusal else "content"
        yield choice({"role": "assistant", "content": "", "refusal": None}), 0
        top = ask.body.get("top_logprobs") or 0
        for piece in said.text:
            logprobs = None
            if ask.body.get("logprobs"):
                token = [token_logprob(piece, top)]
                logprobs = (
                    {"content": None, "refusal": token}
                    if said.refusal
                    else {"content": token, "refusal": None}
                )
            yield choice({field: piece}, None, logprobs), 1
    yield choice({}, finish_reason(said, ask)), 0


def _call_deltas(said: Spoken, ask: ChatAsk) -> Iterator[tuple[dict[str, Any], int]]:
    role: dict[str, Any] = {"role": "assistant", "content": None}
    if "functions" in ask.body:
        call, args = said.calls[0]
        yield {**role, "function_call": {"name": call.name, "arguments": ""}, "refusal": None}, 1
        yield from (({"function_call": {"arguments": piece}}, 1) for piece in args)
        return
    # A single call travels with the role; parallel calls come after a role delta of their own, as in the real API.
    alone = len(said.calls) == 1
    if not alone:
        yield role, 0
    for number, (call, args) in enumerate(said.calls):
        opening = {"index": number, **tool_call(call, "")}
        yield ({**role, "tool_calls": [opening], "refusal": None} if alone else {"tool_calls": [opening]}), 1
        body = "custom" if call.custom else "function"
        key = "input" if call.custom else "arguments"
        for piece in args:
            yield {"tool_calls": [{"index": number, body: {key: piece}}]}, 1
