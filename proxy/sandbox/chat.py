"""POST /v1/chat/completions: a judged request becomes one JSON body or a stream of chunks.

Streams follow the real order: a first delta with the role (content "" for text, null for tool calls), pieces, a delta
of its own with finish_reason, then, only if asked, one chunk with `choices: []` and the usage (every other chunk then
carries `"usage": null`), then [DONE]. Several choices interleave by index.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.sandbox.answers import SSE, Answer, Frame, Quirks, json_answer
from proxy.sandbox.billing import Bill, chat_usage, tier_served
from proxy.sandbox.catalogue import served_name
from proxy.sandbox.chat_rules import ChatAsk, read_chat
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import bad
from proxy.sandbox.speak import Limits, Spoken, speak
from proxy.sandbox.talk import ToolCall
from proxy.sandbox.tokens import digest

EVENT_BYTES = 260
AUDIO_TOKENS_PER_PIECE = 4


@dataclass(frozen=True, slots=True)
class Head:
    """What every chunk of one answer repeats."""

    id: str
    created: int
    model: str
    tier: str
    fingerprint: str

    def chunk(self, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "service_tier": self.tier,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }


def chat_completions(desk: Desk, request: Request) -> Answer:
    """Judge, speak, write. Raises `Refusal`."""
    body = request.json_object()
    model = desk.model(request, body.get("model"))
    ask = read_chat(body, model, desk.control.doubts)
    count = body.get("n") or 1
    limits = _limits(ask, model.max_output, request.quirks, stream=bool(body.get("stream")))
    spoken = [speak(ask.talk, limits, variant) for variant in range(count)]
    if "small_cap_is_400" in desk.control.doubts and spoken[0].finish == "length" and not spoken[0].text:
        raise bad(
            "Could not finish the message because max_tokens or model output limit was reached. "
            "Please try again with higher max_tokens."
        )
    audio_out = sum(len(s.text) * AUDIO_TOKENS_PER_PIECE for s in spoken) if _speaks(body) else 0
    cached, written = desk.cached(model, request, ask.talk.prompt(), ask.prompt_tokens)
    bill = Bill(
        prompt=ask.prompt_tokens,
        cached=cached,
        written=written,
        audio_in=ask.audio_tokens,
        output=sum(s.output for s in spoken) + audio_out,
        reasoning=sum(s.reasoning for s in spoken),
        audio_out=audio_out,
        accepted=sum(s.accepted for s in spoken),
        rejected=sum(s.rejected for s in spoken),
        tier=tier_served(body.get("service_tier")),
    )
    seed = ask.talk.digest()
    name = served_name(str(body["model"]), model)
    head = Head(
        id=f"chatcmpl-{seed:016x}{digest(name):013x}"[:38],
        created=int(desk.clock()),
        model=name,
        tier=bill.tier,
        fingerprint=f"fp_{digest(name) % 16**10:010x}",
    )
    usage = _quirky(chat_usage(bill, model), request.quirks)
    if body.get("stream"):
        frames = _frames(head, ask, spoken, usage, request.quirks)
        return Answer(frames=frames, content_type=SSE, model=model, bill=bill)
    whole = _whole(head, ask, spoken, usage, request.quirks)
    desk.keep_completion(request, whole)
    return json_answer(whole, model=model, bill=bill)


def _limits(ask: ChatAsk, max_output: int, quirks: Quirks, *, stream: bool) -> Limits:
    stop, prediction = ask.body.get("stop"), ask.body.get("prediction") or {}
    filler = quirks.filler_bytes // (EVENT_BYTES if stream else 6)
    return Limits(
        effort=ask.effort,
        room=ask.cap or max_output,
        stops=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        prediction=_flat(prediction.get("content")),
        filler=filler,
    )


def _flat(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _speaks(body: dict[str, Any]) -> bool:
    return "audio" in (body.get("modalities") or ())


def _quirky(usage: dict[str, Any], quirks: Quirks) -> dict[str, Any] | None:
    """The usage object as a fault wants it told; None when it is withheld."""
    match quirks.usage:
        case "missing":
            return None
        case "zero":
            return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        case "wrong_sum":
            return {**usage, "total_tokens": usage["total_tokens"] + 7}
    return usage


def _whole(
    head: Head, ask: ChatAsk, spoken: list[Spoken], usage: dict[str, Any] | None, quirks: Quirks
) -> dict[str, Any]:
    choices = [
        {
            "index": index,
            "message": _message(said, ask, quirks),
            "logprobs": _logprobs(said, ask) if ask.body.get("logprobs") else None,
            "finish_reason": _finish(said, ask),
        }
        for index, said in enumerate(spoken)
    ]
    out: dict[str, Any] = {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": choices,
    }
    if usage is not None:
        out["usage"] = usage
    out["service_tier"] = head.tier
    out["system_fingerprint"] = head.fingerprint
    if quirks.extra:
        out["x_future"] = {"numbers": [1.0, 1e5, None], "name": "später"}
    return out


def _message(said: Spoken, ask: ChatAsk, quirks: Quirks) -> dict[str, Any]:
    text = "".join(said.text)
    message: dict[str, Any] = {"role": "assistant", "content": None if said.calls or said.refusal else text}
    if _speaks(ask.body) and not said.calls:
        message["content"] = None
        message["audio"] = {
            "id": f"audio_{ask.talk.digest():016x}",
            "data": base64.b64encode(text.encode()).decode(),
            "expires_at": 4_102_444_800,
            "transcript": text,
        }
    if said.calls and "functions" in ask.body:
        call, args = said.calls[0]
        message["function_call"] = {"name": call.name, "arguments": "".join(args)}
    elif said.calls:
        message["tool_calls"] = [_tool_call(call, "".join(args)) for call, args in said.calls]
    message["refusal"] = text if said.refusal else None
    message["annotations"] = []
    if quirks.extra:
        message["reasoning_content"] = "thinking …"
    return message


def _tool_call(call: ToolCall, arguments: str) -> dict[str, Any]:
    if call.custom:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _finish(said: Spoken, ask: ChatAsk) -> str:
    if said.calls and "functions" in ask.body and said.finish == "tool_calls":
        return "function_call"
    return said.finish


def _logprobs(said: Spoken, ask: ChatAsk) -> dict[str, Any]:
    tokens = [token_logprob(piece, ask.body.get("top_logprobs") or 0) for piece in said.text]
    return {"content": None if said.refusal else tokens, "refusal": tokens if said.refusal else None}


def token_logprob(piece: str, top: int) -> dict[str, Any]:
    """One token with `top` alternatives, the most likely first."""

    def entry(token: str, rank: int) -> dict[str, Any]:
        logprob = -0.001 * (digest(token) % 400) - rank
        return {"token": token, "logprob": round(logprob, 6), "bytes": list(token.encode("utf-8", "replace"))}

    others = [entry(piece + "'" * rank, rank) for rank in range(top)]
    return {**entry(piece, 0), "top_logprobs": others}


def _frames(
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
                chunk["obfuscation"] = _padding(sent)
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


def _padding(ordinal: int) -> str:
    """Random-looking padding as the API adds it against traffic analysis."""
    seed = digest(str(ordinal))
    return f"{seed:x}{seed:x}"[: 1 + seed % 16]


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
    yield choice({}, _finish(said, ask)), 0


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
        opening = {"index": number, **_tool_call(call, "")}
        yield ({**role, "tool_calls": [opening], "refusal": None} if alone else {"tool_calls": [opening]}), 1
        body = "custom" if call.custom else "function"
        key = "input" if call.custom else "arguments"
        for piece in args:
            yield {"tool_calls": [{"index": number, body: {key: piece}}]}, 1
