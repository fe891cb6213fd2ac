"""POST /v1/responses and the stored responses behind it: whole, streamed, chained, in the background."""

from typing import Any

from proxy.sandbox.answers import SSE, Answer, Quirks, json_answer
from proxy.sandbox.billing import Bill, responses_usage, tier_served
from proxy.sandbox.catalogue import served_name
from proxy.sandbox.chat import EVENT_BYTES
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import Refusal, bad, missing
from proxy.sandbox.responses_items import Item, check_reasoning, read_input
from proxy.sandbox.responses_rules import ResponsesAsk, check_shape, read_responses
from proxy.sandbox.responses_stream import output_items, response_frames
from proxy.sandbox.speak import Limits, speak
from proxy.sandbox.vault import StoredResponse


def create_response(desk: Desk, request: Request) -> Answer:
    """Judge, speak, store unless told not to, write. Raises `Refusal`."""
    body = request.json_object()
    check_shape(body)
    model = desk.model(request, body.get("model"))
    sent, earlier = read_input(body.get("input")), _earlier(desk, body)
    check_reasoning(sent, desk.vault.items.get)
    ask = read_responses(body, _resolved(desk, (*earlier, *sent)), model)
    limits = Limits(
        effort=ask.effort,
        room=body.get("max_output_tokens") or model.max_output,
        broken=request.quirks.broken,
        wordy=request.quirks.wordy,
        filler=request.quirks.filler_bytes // (EVENT_BYTES if body.get("stream") else 6),
    )
    said = speak(ask.talk, limits)
    cached, written = desk.cached(model, request, ask.talk.prompt(), ask.prompt_tokens)
    bill = Bill(
        prompt=ask.prompt_tokens,
        cached=cached,
        written=written,
        output=said.output,
        reasoning=said.reasoning,
        tier=tier_served(body.get("service_tier")),
    )
    stored = body.get("store") is not False
    ordinal = desk.vault.ordinal() if stored else 0
    about = _about(ask, served_name(body["model"], model), bill, int(desk.clock()), ordinal)
    output = output_items(ask, said, ordinal)
    done = _finished(about, output, said.finish, responses_usage(bill), request.quirks)
    if stored:
        # Thoughts that led to nothing are not carried on: reasoning must be followed by what it led to.
        said_aloud = output if output and output[-1]["type"] != "reasoning" else []
        context = (*ask.items, *said_aloud)
        desk.vault.keep_response(StoredResponse(done, _numbered(sent, done["id"]), context))
    if body.get("stream"):
        frames = response_frames(about, done, ask, said, request.quirks)
        return Answer(frames=frames, content_type=SSE, model=model, bill=bill)
    if body.get("background"):
        if not stored:
            raise bad("Background mode requires 'store' to be true.", "background")
        waiting = {**about, "status": "queued"}
        return json_answer(waiting, model=model, bill=bill)
    return json_answer(done, model=model, bill=bill)


def _earlier(desk: Desk, body: dict[str, Any]) -> tuple[Item, ...]:
    """The items a previous response brings along (its instructions stay behind)."""
    name = body.get("previous_response_id")
    if body.get("conversation") is not None:
        raise Refusal(404, f"Conversation with id '{body['conversation']}' not found.", param="conversation")
    if name is None:
        return ()
    held = desk.vault.responses.get(name)
    if held is None:
        raise bad(
            f"Previous response with id '{name}' not found.",
            "previous_response_id",
            "previous_response_not_found",
        )
    return held.context


def _resolved(desk: Desk, items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Item references replaced by the items they name."""
    out = []
    for item in items:
        found: Item | None = item
        if item["type"] == "item_reference":
            found = desk.vault.items.get(str(item.get("id")))
        if found is None:
            raise Refusal(404, f"Item with id '{item.get('id')}' not found.", param="input")
        out.append(found)
    return tuple(out)


def _about(ask: ResponsesAsk, model: str, bill: Bill, now: int, ordinal: int) -> dict[str, Any]:
    """The response object as it begins; settings are echoed with their defaults filled in."""
    body = ask.body
    text, reasoning = body.get("text") or {}, body.get("reasoning") or {}
    return {
        "id": f"resp_{ask.talk.digest():016x}{ordinal:032x}",
        "object": "response",
        "created_at": now,
        "status": "in_progress",
        "background": bool(body.get("background")),
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "model": model,
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": ask.effort, "summary": reasoning.get("summary")},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": bill.tier,
        "store": body.get("store") is not False,
        "temperature": body.get("temperature", 1.0),
        "text": {
            "format": text.get("format") or {"type": "text"},
            "verbosity": text.get("verbosity") or "medium",
        },
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [_echoed(tool) for tool in body.get("tools") or ()],
        "top_logprobs": body.get("top_logprobs") or 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation") or "disabled",
        "usage": None,
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _echoed(tool: dict[str, Any]) -> dict[str, Any]:
    """Functions are strict here unless they say otherwise; the echo shows it."""
    if tool.get("type") != "function":
        return tool
    strict = tool.get("strict")
    return {"description": None, **tool, "strict": True if strict is None else strict}


def _finished(
    about: dict[str, Any], output: list[Item], finish: str, usage: dict[str, Any], quirks: Quirks
) -> dict[str, Any]:
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    match quirks.usage:
        case "zero":
            usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        case "wrong_sum":
            usage = {**usage, "total_tokens": usage["total_tokens"] + 7}
    done = {
        **about,
        "status": "incomplete" if reason else "completed",
        "completed_at": None if reason else about["created_at"],
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": None if quirks.usage == "missing" else usage,
    }
    return {**done, "x_future": {"numbers": [1.0, None]}} if quirks.extra else done


def _numbered(sent: tuple[Item, ...], response_id: str) -> tuple[Item, ...]:
    """Input items as the API lists them: each with an id, text spelled as parts."""
    out = []
    for index, item in enumerate(sent):
        shown = {"id": f"msg_{response_id[-8:]}{index:08x}", **item}
        if isinstance(shown.get("content"), str):
            kind = "output_text" if shown.get("role") == "assistant" else "input_text"
            shown["content"] = [{"type": kind, "text": shown["content"]}]
        out.append(shown)
    return tuple(out)


def _held(desk: Desk, request: Request) -> StoredResponse:
    name = request.params["response"]
    held = desk.vault.responses.get(name)
    if held is None:
        raise Refusal(404, f"Response with id '{name}' not found.")
    return held


def get_response(desk: Desk, request: Request) -> Answer:
    return json_answer(_held(desk, request).about)


def delete_response(desk: Desk, request: Request) -> Answer:
    held = _held(desk, request)
    desk.vault.responses.pop(held.about["id"])
    return json_answer({"id": held.about["id"], "object": "response", "deleted": True})


def cancel_response(desk: Desk, request: Request) -> Answer:
    """Only background responses can be cancelled; a finished one stays what it is."""
    held = _held(desk, request)
    if not held.about["background"]:
        raise bad("Cannot cancel a synchronous response.")
    return json_answer(held.about)


def list_input_items(desk: Desk, request: Request) -> Answer:
    """Newest first unless `order=asc`, as the API lists them."""
    held = _held(desk, request)
    data = list(held.sent) if request.argument("order") == "asc" else list(reversed(held.sent))
    data = data[: request.number("limit", 20)]
    return json_answer(
        {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": len(held.sent) > len(data),
        }
    )


def count_input_tokens(desk: Desk, request: Request) -> Answer:
    body = request.json_object()
    check_shape(body)
    model = desk.model(request, body.get("model"))
    if body.get("input") is None and body.get("previous_response_id") is None:
        raise missing("input")
    ask = read_responses(body, (*_earlier(desk, body), *read_input(body.get("input"))), model)
    return json_answer({"object": "response.input_tokens", "input_tokens": ask.prompt_tokens})
