"""A whole Responses answer as a chat completion, and the parts of that both ways of answering share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.models.bridge.memory import Sealed

_NEVER_S = 1 << 53
_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the chat request shapes its answer: `old` for `functions`, `forced` when a tool was named, whose calls
    end with `stop`."""

    old: bool = False
    forced: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Asked":
        choice = fields.get("tool_choice") if fields.get("tools") else fields.get("function_call")
        forced = isinstance(choice, Mapping) and choice.get("type") != "allowed_tools"
        return cls(old=not fields.get("tools") and bool(fields.get("functions")), forced=forced)


@dataclass(frozen=True, slots=True)
class Bridged:
    """A chat answer and its HTTP status. `sealed` is what to remember for the next step of a tool loop."""

    status: int
    body: bytes
    sealed: Sealed | None = None


def to_chat(body: bytes, asked: Asked) -> Bridged:
    """The chat completion of a response. Raises ValueError when `body` is not a response."""
    response = _response(body)
    if response.get("status") == "failed":
        return Bridged(500, msgspec.json.encode({"error": error_of(response)}))
    output = [item for item in response["output"] if isinstance(item, dict)]
    calls = [call_of(item) for item in output if item.get("type") in ("function_call", "custom_tool_call")]
    parts = [part for item in output if item.get("type") == "message" for part in parts_of(item)]
    text = "".join(str(part.get("text", "")) for part in parts if part.get("type") == "output_text")
    refusals = [str(part.get("refusal", "")) for part in parts if part.get("type") == "refusal"]
    spoken = any(part.get("type") == "output_text" for part in parts)
    silent = not calls and not refusals
    message: dict[str, Any] = {"role": "assistant", "content": text if spoken or silent else None}
    if calls:
        message |= {"function_call": calls[0]["function"]} if asked.old else {"tool_calls": calls}
    message["refusal"] = "".join(refusals) if refusals else None
    message["annotations"] = [shown for part in parts for shown in annotations_of(part)]
    finish = finish_of(response, asked, called=bool(calls))
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    answer = {**head_of(response, "chat.completion"), "choices": [choice]}
    if isinstance(response.get("usage"), dict):
        answer["usage"] = usage_of(response["usage"])
    return Bridged(200, msgspec.json.encode(answer), Sealed.of(output))


def parts_of(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The content parts of a message item."""
    content = item.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def head_of(response: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What a chat answer and each of its chunks begin with."""
    return {
        "id": "chatcmpl-" + str(response.get("id", "")).removeprefix("resp_"),
        "object": kind,
        "created": _second(response.get("created_at")),
        "model": response.get("model"),
        "service_tier": response.get("service_tier"),
        "system_fingerprint": None,
    }


def call_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """A call item as a chat tool call."""
    if item.get("type") == "custom_tool_call":
        inner = {"name": item.get("name"), "input": item.get("input", "")}
        return {"id": item.get("call_id"), "type": "custom", "custom": inner}
    inner = {"name": item.get("name"), "arguments": item.get("arguments", "")}
    return {"id": item.get("call_id"), "type": "function", "function": inner}


def finish_of(response: Mapping[str, Any], asked: Asked, *, called: bool) -> str:
    """Why it ended, in chat's words."""
    if response.get("status") == "incomplete":
        return _FINISH.get(str(_mapping(response.get("incomplete_details")).get("reason")), "length")
    if not called or asked.forced:
        return "stop"
    return "function_call" if asked.old else "tool_calls"


def usage_of(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Input and output tokens under their chat names; details we do not know keep their own."""
    given_in = _mapping(usage.get("input_tokens_details"))
    given_out = _mapping(usage.get("output_tokens_details"))
    return {
        "prompt_tokens": usage.get("input_tokens", 0),
        "completion_tokens": usage.get("output_tokens", 0),
        "total_tokens": usage.get("total_tokens", 0),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, **given_in},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
            **given_out,
        },
    }


def annotations_of(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Citations as chat nests them."""
    given = part.get("annotations")
    return [annotation_of(one) for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def annotation_of(annotation: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(annotation.get("type"))
    return {"type": kind, kind: {key: value for key, value in annotation.items() if key != "type"}}


def error_of(response: Mapping[str, Any]) -> dict[str, Any]:
    """The error of a failed response with all four keys."""
    given = response.get("error")
    error = given if isinstance(given, dict) else {}
    return {
        "message": error.get("message") or "The model failed to generate a response.",
        "type": "server_error" if error.get("type") in (None, "error") else error["type"],
        "param": error.get("param"),
        "code": error.get("code"),
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _second(value: Any) -> int:
    """A time in whole seconds; some servers give fractions."""
    return int(value) if isinstance(value, int | float) and 0 <= value < _NEVER_S else 0


def _response(body: bytes) -> dict[str, Any]:
    try:
        response = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        response = None
    if isinstance(response, dict) and isinstance(response.get("output"), list):
        return response
    raise ValueError("not a response")
