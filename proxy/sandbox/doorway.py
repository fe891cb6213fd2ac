"""The door of the sandbox: from ASGI messages to a `Request`, what fault rules see of it, and the headers that go back."""

import re
from collections.abc import MutableMapping
from typing import Any

import msgspec

from proxy.sandbox.answers import Answer
from proxy.sandbox.catalogue import MODELS
from proxy.sandbox.deliver import Pace
from proxy.sandbox.desk import Request
from proxy.sandbox.faults import Sight
from proxy.sandbox.line import Receive, Send
from proxy.sandbox.refusals import Refusal, bad

_AZURE = re.compile(r"/openai/(?:deployments/([^/]+)|v1)(/.+)")


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def read_body(receive: Receive) -> bytes | None:
    """The whole request body, or None when the client left before sending it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def read_request(scope: MutableMapping[str, Any], raw: bytes) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = headers.get("api-key", "")
    query = scope.get("query_string", b"").decode("latin-1")
    request = Request(scope["method"], scope["path"], query, headers, raw, key.strip())
    if match := _AZURE.fullmatch(request.path):
        _from_azure(request, *match.groups())
    return request


def _from_azure(request: Request, deployment: str | None, rest: str) -> None:
    """Azure names the model in the path: a deployment is called after its model here, `my-` and the like stripped. Under
    its /openai/v1 bodies name it as ever."""
    request.path = "/v1" + rest
    if deployment is None:
        return
    try:
        body = msgspec.json.decode(request.raw)
    except msgspec.DecodeError:
        return
    if isinstance(body, dict):
        named = (name for name in sorted(MODELS, key=len, reverse=True) if name in deployment)
        request.parsed = {**body, "model": next(named, deployment)}


def json_of(request: Request) -> Any:
    try:
        return msgspec.json.decode(request.raw)
    except msgspec.DecodeError as fault:
        raise bad(str(fault)) from None


def sight_of(request: Request) -> Sight:
    """What fault rules may look at; bodies that are not JSON show no model and no text."""
    model, stream, said = None, False, ""
    try:
        body = request.json_object()
    except Refusal:
        body = {}
    if isinstance(body.get("model"), str):
        model = body["model"]
    stream = body.get("stream") is True
    if b"[[sandbox:" in request.raw:
        said = _last_user_text(body.get("messages") or body.get("input") or body.get("prompt"))
    return Sight(model, request.path, stream, request.raw, request.headers, request.key, said)


def _last_user_text(turns: Any) -> str:
    if isinstance(turns, str):
        return turns
    for turn in reversed(turns if isinstance(turns, list) else []):
        if isinstance(turn, dict) and turn.get("role") == "user":
            content = turn.get("content")
            if isinstance(content, str):
                return content
            parts = content if isinstance(content, list) else []
            return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
    return ""


def provider_headers(answer: Answer, request_id: str, pace: Pace) -> list[tuple[bytes, bytes]]:
    """What every answer of the API carries, including what a proxy must not pass on."""
    out = {
        "content-type": answer.content_type,
        "x-request-id": request_id,
        "openai-processing-ms": str(12 + round(pace.ttft_s * 1000)),
        "openai-version": "2020-10-01",
        "openai-organization": "sandbox-org",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-limit-tokens": "10000000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-remaining-tokens": "9999000",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-reset-tokens": "0s",
        "set-cookie": "__cf_bm=sandbox-cookie-never-relay; path=/; HttpOnly; Secure; SameSite=None",
        "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
        "x-content-type-options": "nosniff",
        "cf-cache-status": "DYNAMIC",
        "server": "cloudflare",
        **answer.headers,
    }
    return [(name.encode(), value.encode()) for name, value in out.items()]
