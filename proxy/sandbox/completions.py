"""POST /v1/completions, the endpoint before chat: instruct models only, whole and streamed."""

from collections.abc import Iterator
from typing import Any

import msgspec

from proxy.sandbox import fields as f
from proxy.sandbox.answers import SSE, Answer, Frame, json_answer
from proxy.sandbox.billing import Bill
from proxy.sandbox.catalogue import served_name
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import Refusal, bad, wrong_type
from proxy.sandbox.speak import Limits, Spoken, speak
from proxy.sandbox.talk import Conversation, Turn
from proxy.sandbox.tokens import count, number_list

FIELDS: dict[str, f.Check] = {
    "model": f.string,
    "prompt": f.anything,
    "best_of": f.integer(1, 20),
    "echo": f.boolean,
    "frequency_penalty": f.decimal(-2, 2),
    "logit_bias": f.logit_bias,
    "logprobs": f.integer(0, 5),
    "max_tokens": f.integer(0),
    "n": f.integer(1, 128),
    "presence_penalty": f.decimal(-2, 2),
    "seed": f.integer(),
    "stop": f.stop,
    "stream": f.boolean,
    "stream_options": f.an_object,
    "suffix": f.string,
    "temperature": f.decimal(0, 2),
    "top_p": f.decimal(0, 1),
    "user": f.string,
}
DEFAULT_CAP = 16


def create_completion(desk: Desk, request: Request) -> Answer:
    """Raises `Refusal`; chat models are turned away (404) as the real endpoint does."""
    body = request.json_object()
    f.check_arguments(body, FIELDS)
    model = desk.model(request, body.get("model"))
    if model.family.name not in ("instruct", "open"):
        message = (
            "This is a chat model and not supported in the v1/completions endpoint. "
            "Did you mean to use v1/chat/completions?"
        )
        raise Refusal(404, message, param="model")
    f.check_fields(body, FIELDS)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise bad(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
        )
    prompts = _prompts(body.get("prompt"))
    cap = body.get("max_tokens") or DEFAULT_CAP
    size = sum(count(prompt) for prompt in prompts)
    if size + cap > model.window:
        raise bad(
            f"This model's maximum context length is {model.window} tokens, however you requested {size + cap} tokens "
            f"({size} in your prompt; {cap} for the completion). Please reduce your prompt; or completion length.",
            code="context_length_exceeded",
        )
    stop = body.get("stop")
    limits = Limits("none", cap, (stop,) if isinstance(stop, str) else tuple(stop or ()))
    talks = [Conversation((Turn("user", prompt),)) for prompt in prompts]
    spoken = [speak(talk, limits, variant) for talk in talks for variant in range(body.get("n") or 1)]
    bill = Bill(prompt=size, output=sum(said.output for said in spoken))
    head = {
        "id": f"cmpl-{talks[0].digest():016x}",
        "object": "text_completion",
        "created": int(desk.clock()),
        "model": served_name(body["model"], model),
    }
    usage = {"prompt_tokens": size, "completion_tokens": bill.output, "total_tokens": size + bill.output}
    if body.get("stream"):
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        return Answer(
            frames=_frames(head, spoken, usage if asked else None), content_type=SSE, model=model, bill=bill
        )
    choices = [_choice(index, "".join(said.text), said.finish) for index, said in enumerate(spoken)]
    return json_answer({**head, "choices": choices, "usage": usage}, model=model, bill=bill)


def _prompts(given: Any) -> list[str]:
    """Texts; token ids stand for themselves."""
    if given is None:
        return ["<|endoftext|>"]
    if isinstance(given, str):
        return [given]
    if number_list(given):
        return [" ".join(map(str, given))]
    if not isinstance(given, list) or not given:
        raise wrong_type("prompt", "one of a string or array", given)
    if not all(isinstance(item, str) or number_list(item) for item in given):
        raise wrong_type("prompt", "one of a string or array", given)
    return [item if isinstance(item, str) else " ".join(map(str, item)) for item in given]


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _frames(head: dict[str, Any], spoken: list[Spoken], usage: dict[str, Any] | None) -> Iterator[Frame]:
    nothing = {"usage": None} if usage is not None else {}
    sent = 0
    for index, said in enumerate(spoken):
        for piece in said.text:
            sent += 1
            yield _event({**head, "choices": [_choice(index, piece, None)], **nothing}, sent)
        yield _event({**head, "choices": [_choice(index, "", said.finish)], **nothing}, sent)
    if usage is not None:
        yield _event({**head, "choices": [], "usage": usage}, sent)
    yield Frame(b"data: [DONE]\n\n", sent)


def _event(chunk: dict[str, Any], sent: int) -> Frame:
    return Frame(b"data: " + msgspec.json.encode(chunk) + b"\n\n", sent)
