"""The ASGI application: read, authenticate, meet faults, decide, deliver, record.

Provider paths live under `/v1` (and Azure's `/openai/deployments/{name}` form of them); `/sandbox/...` is the control
desk: GET/DELETE `calls`, GET `totals`, GET/POST/DELETE `faults`, GET/POST `control`.
"""

import time
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

from proxy.sandbox.answers import Answer, json_answer
from proxy.sandbox.calls import CallLog, CallRecord
from proxy.sandbox.catalogue import served_name
from proxy.sandbox.config import Clock, SandboxConfig
from proxy.sandbox.deliver import Delivery, Pace
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.doorway import json_of, lifespan, provider_headers, read_body, read_request, sight_of
from proxy.sandbox.faults import Fault, FaultBook, quirks
from proxy.sandbox.line import Line, Receive, Send
from proxy.sandbox.refusals import Refusal, invalid_url, no_key, wrong_key, wrong_method
from proxy.sandbox.routes import other_methods, route
from proxy.sandbox.tokens import digest

_HTML = b"<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class Sandbox:
    """The app. Tests in the same process read `log` and change `desk.control` and `faults` directly."""

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.desk = Desk(config, clock)
        self.log = CallLog(config.log_size)
        self.faults = FaultBook()
        self._lines: set[Line] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        raw = await read_body(receive)
        if raw is None:
            return
        request = read_request(scope, raw)
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
            faults = self.faults.meet(sight_of(request))
            answer = self._decide(request, faults)
        except Refusal as refusal:
            answer = _refused(refusal, record)
        record.asked, record.status, record.stream = request.asked, answer.status, answer.frames is not None
        record.faults = tuple(fault.action for fault in faults)
        if answer.model is not None:
            record.served = served_name(request.asked or answer.model.name, answer.model)
        pace = Pace.of(answer, faults, self.desk.control.time_scale, str(record.n))
        headers = provider_headers(answer, record.request_id, pace)
        self._lines.add(line)
        try:
            await Delivery(answer, headers, faults, pace, line, record, time.monotonic).run()
        finally:
            self._lines.discard(line)
            self.log.close(record)

    def hang_up(self) -> None:
        """Drop every open exchange: hanging ones would otherwise outlive a stop."""
        for line in tuple(self._lines):
            line.hang_up()

    def _decide(self, request: Request, faults: tuple[Fault, ...]) -> Answer:
        self._authenticate(request)
        struck = next((fault for fault in faults if fault.refusal() is not None), None)
        if struck is not None and not struck.billed:
            raise _struck(struck)
        found = route(request.method, request.path)
        if found is None:
            refuse = wrong_method if other_methods(request.path) else invalid_url
            raise refuse(request.method, request.path)
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
                since = request.number("since", 0)
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
                self.faults.replace(json_of(request))
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
