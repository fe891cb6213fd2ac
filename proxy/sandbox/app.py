"""The ASGI application: read, authenticate, meet faults, decide, deliver, record.

Provider paths live under `/v1` (and Azure's `/openai/deployments/{name}` form of them); `/sandbox/...` is the control
desk: GET/DELETE `calls`, GET `totals`, GET/POST/DELETE `faults`, GET/POST `control`.
"""

import re
import time
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import msgspec

from proxy.sandbox.answers import Answer, json_answer
from proxy.sandbox.calls import CallLog, CallRecord
from proxy.sandbox.catalogue import MODELS, served_name
from proxy.sandbox.config import Clock, SandboxConfig
from proxy.sandbox.deliver import Delivery, Line, Pace, Receive, Send
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.faults import Fault, FaultBook, Sight, quirks
from proxy.sandbox.refusals import Refusal, bad, invalid_url, no_key, wrong_key
from proxy.sandbox.routes import route
from proxy.sandbox.tokens import digest

_AZURE = re.compile(r"/openai/deployments/([^/]+)(/.+)")
_HTML = b"<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class Sandbox:
    """The app. Tests in the same process read `log` and change `desk.control` and `faults` directly."""

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.desk = Desk(config, clock)
        self.log = CallLog(config.log_size)
        self.faults = FaultBook()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        raw = await _read(receive)
        if raw is None:
            return
        request = _request(scope, raw)
        line = Line(scope, receive, send)
        if request.path.startswith("/sandbox/"):
            await self._control(request, line)
            return
        await self._provide(request, line)

    async def _provide(self, request: Request, line: Line) -> None:
        record = CallRecord(
            n=self.log.next_number(),
            request_id="req_" + f"{digest(request.raw, str(self.log.made)):016x}" * 2,
            at=self.desk.clock(),
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            raw=request.raw,
            key=request.key,
        )
        self.log.open(record)
        faults: tuple[Fault, ...] = ()
        try:
            faults = self.faults.meet(_sight(request))
            answer = self._decide(request, faults)
        except Refusal as refusal:
            answer = _refused(refusal, record)
        record.asked, record.status, record.stream = request.asked, answer.status, answer.frames is not None
        record.faults = tuple(fault.action for fault in faults)
        if answer.model is not None:
            record.served = served_name(request.asked or answer.model.name, answer.model)
        pace = Pace.of(answer, faults, self.desk.control.time_scale)
        headers = _headers(answer, record.request_id, pace)
        try:
            await Delivery(answer, headers, faults, pace, line, record, time.monotonic).run()
        finally:
            self.log.close(record)

    def _decide(self, request: Request, faults: tuple[Fault, ...]) -> Answer:
        self._authenticate(request)
        struck = next((fault for fault in faults if fault.refusal() is not None), None)
        if struck is not None and not struck.billed:
            raise _struck(struck)
        found = route(request.method, request.path)
        if found is None:
            raise invalid_url(request.method, request.path)
        handler, request.params = found
        request.quirks = quirks(faults)
        answer = handler(self.desk, request)
        if struck is not None:
            refusal = _struck(struck)
            return replace(
                answer,
                status=refusal.status,
                body=refusal.body(),
                frames=None,
                content_type="application/json",
            )
        return answer

    def _authenticate(self, request: Request) -> None:
        control = self.desk.control
        if not request.key:
            raise no_key()
        if request.key in control.reject or (
            control.accept is not None and request.key not in control.accept
        ):
            raise wrong_key(request.key)

    async def _control(self, request: Request, line: Line) -> None:
        try:
            answer = self._controlled(request)
        except Refusal as refusal:
            answer = Answer(status=refusal.status, body=refusal.body())
        length = (b"content-length", str(len(answer.body)).encode())
        await line.start(answer.status, [(b"content-type", b"application/json"), length])
        await line.write(answer.body, more=False)

    def _controlled(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/sandbox/calls":
                since = int(request.argument("since", "0"))
                records = self.log.records(path=request.argument("path") or None)
                return json_answer([record.told() for record in records if record.n > since])
            case "DELETE", "/sandbox/calls":
                self.log.clear()
            case "GET", "/sandbox/totals":
                return json_answer(self.log.told_totals())
            case "GET", "/sandbox/faults":
                return json_answer(
                    [
                        {"fault": rule.fault, "match": rule.match, "seen": rule.seen}
                        for rule in self.faults.rules
                    ]
                )
            case "POST", "/sandbox/faults":
                self.faults.replace(_json(request))
            case "DELETE", "/sandbox/faults":
                self.faults.replace([])
            case "POST", "/sandbox/control":
                self.desk.control.change(request.json_object())
                return json_answer(self.desk.control.told())
            case "GET", "/sandbox/control":
                return json_answer(self.desk.control.told())
            case _:
                raise invalid_url(request.method, request.path)
        return json_answer({"ok": True})


def create_app(config: SandboxConfig, clock: Clock) -> Sandbox:
    return Sandbox(config, clock)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read(receive: Receive) -> bytes | None:
    """The whole request body, or None when the client left before sending it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _request(scope: MutableMapping[str, Any], raw: bytes) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = headers.get("api-key", "")
    query = scope.get("query_string", b"").decode("latin-1")
    request = Request(scope["method"], scope["path"], query, headers, raw, key.strip())
    if match := _AZURE.fullmatch(request.path):
        _from_azure(request, *match.groups())
    return request


def _from_azure(request: Request, deployment: str, rest: str) -> None:
    """Azure names the model in the path: a deployment is called after its model here, `my-` and the like stripped."""
    request.path = "/v1" + rest
    try:
        body = msgspec.json.decode(request.raw)
    except msgspec.DecodeError:
        return
    if isinstance(body, dict):
        named = (name for name in sorted(MODELS, key=len, reverse=True) if name in deployment)
        request.parsed = {**body, "model": next(named, deployment)}


def _json(request: Request) -> Any:
    try:
        return msgspec.json.decode(request.raw)
    except msgspec.DecodeError as fault:
        raise bad(str(fault)) from None


def _sight(request: Request) -> Sight:
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


class _Struck(Refusal):
    """A refusal a fault asked for; `html` swaps the body for a gateway's page."""

    html = False


def _struck(fault: Fault) -> _Struck:
    found = fault.refusal()
    assert found is not None
    out = _Struck(
        found.status,
        found.message,
        kind=found.kind,
        param=found.param,
        code=found.code,
        headers=found.headers,
    )
    out.html = fault.html
    return out


def _refused(refusal: Refusal, record: CallRecord) -> Answer:
    record.error_code, record.error_message = refusal.code, refusal.message
    if isinstance(refusal, _Struck) and refusal.html:
        return Answer(status=refusal.status, body=_HTML, content_type="text/html", headers=refusal.headers)
    return Answer(status=refusal.status, body=refusal.body(), headers=refusal.headers)


def _headers(answer: Answer, request_id: str, pace: Pace) -> list[tuple[bytes, bytes]]:
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
