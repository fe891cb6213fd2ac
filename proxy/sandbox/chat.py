"""POST /v1/chat/completions: a judged request becomes one JSON body, or the stream of `chat_stream`."""

import base64
from typing import Any

from proxy.sandbox.answers import SSE, Answer, Quirks, json_answer
from proxy.sandbox.billing import Bill, chat_usage, tier_served
from proxy.sandbox.catalogue import served_name
from proxy.sandbox.chat_parts import Head, finish_reason, logprobs, tool_call
from proxy.sandbox.chat_rules import ChatAsk, read_chat
from proxy.sandbox.chat_stream import chat_frames
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import bad
from proxy.sandbox.speak import Limits, Spoken, speak
from proxy.sandbox.tokens import digest

EVENT_BYTES = 260
AUDIO_TOKENS_PER_PIECE = 4


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
        frames = chat_frames(head, ask, spoken, usage, request.quirks)
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
        broken=quirks.broken,
        wordy=quirks.wordy,
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
            "logprobs": logprobs(said, ask) if ask.body.get("logprobs") else None,
            "finish_reason": finish_reason(said, ask),
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
        message["tool_calls"] = [tool_call(call, "".join(args)) for call, args in said.calls]
    message["refusal"] = text if said.refusal else None
    message["annotations"] = []
    if quirks.extra:
        message["reasoning_content"] = "thinking …"
    return message
