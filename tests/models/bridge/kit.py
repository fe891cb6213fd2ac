"""The simulated API called in process, directly over chat and through the bridge."""

import json

from proxy.models.bridge.answer import Asked, to_chat
from proxy.models.bridge.request import to_responses
from proxy.models.bridge.stream import ChatStream
from proxy.sandbox.chat import chat_completions
from proxy.sandbox.config import SandboxConfig
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.responses import create_response

MODEL = "gpt-5.2"
"""Takes tools with an effort on both endpoints, so that the two can be compared."""


def desk():
    return Desk(SandboxConfig(cache=False), lambda: 1_790_000_000.0)


def request(path, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request("POST", path, "", {}, raw)


def directly(body, at=None):
    """The chat answer: parsed when whole, bytes when streamed."""
    answer = chat_completions(at or desk(), request("/v1/chat/completions", body))
    return b"".join(frame.data for frame in answer.frames) if answer.frames else json.loads(answer.body)


def responses_bytes(body, at=None, reasons=True, **options):
    """What /v1/responses says to the bridged request."""
    answer = create_response(
        at or desk(), request("/v1/responses", to_responses(body, reasons=reasons, **options))
    )
    return b"".join(frame.data for frame in answer.frames) if answer.frames else answer.body


def bridged(body, at=None, **options):
    """As `directly`, through the bridge."""
    answer = responses_bytes(body, at, **options)
    if body.get("stream"):
        return ChatStream(Asked.of(body)).feed(answer)
    return json.loads(to_chat(answer, Asked.of(body)).body)


def chunks(stream):
    """The JSON chunks of a chat stream and whether it ended with [DONE]."""
    events = [frame[6:] for frame in stream.decode().split("\n\n") if frame.startswith("data: ")]
    return [json.loads(event) for event in events if event != "[DONE]"], events[-1:] == ["[DONE]"]


def assembled(stream):
    """What a client puts together from a chat stream."""
    parsed, done = chunks(stream)
    out = {
        "content": "",
        "refusal": "",
        "calls": {},
        "old": None,
        "finish": [],
        "usage": None,
        "done": done,
        "roles": 0,
    }
    for chunk in parsed:
        out["usage"] = chunk.get("usage") or out["usage"]
        for choice in chunk["choices"]:
            delta = choice["delta"]
            out["roles"] += "role" in delta
            out["content"] += delta.get("content") or ""
            out["refusal"] += delta.get("refusal") or ""
            for call in delta.get("tool_calls") or ():
                kind = "custom" if "custom" in call else "function"
                argument = "input" if kind == "custom" else "arguments"
                at = out["calls"].setdefault(call["index"], {"id": "", "name": "", "text": ""})
                at["id"] += call.get("id") or ""
                at["name"] += call[kind].get("name") or ""
                at["text"] += call[kind].get(argument) or ""
            old = delta.get("function_call")
            if old:
                out["old"] = {
                    k: (out["old"] or {}).get(k, "") + old.get(k, "") for k in ("name", "arguments")
                }
            if choice["finish_reason"]:
                out["finish"].append(choice["finish_reason"])
    return out
