"""The least a Python proxy can do: parse HTTP on both sides with httptools, pass the body up and the bytes down.

    python -m tests.bench.relay PORT UPSTREAM_PORT [events]

No auth, no limits, no timeouts, no error handling: the floor that says what the work above it costs. With `events` every
event of a stream is read and written anew by pydantic, which is what most Python gateways do.
"""

import asyncio
import sys
from typing import Final, cast

import httptools
import uvloop
from pydantic import BaseModel, ConfigDict

_HEAD: Final = b"HTTP/1.1 %d OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"


class Event(BaseModel):
    """A stream event as a typed gateway sees it; what it does not know it keeps."""

    model_config = ConfigDict(extra="allow")

    id: str
    created: int
    model: str
    choices: list[dict[str, object]]


class Upper(asyncio.Protocol):
    """A connection to the upstream, kept for the next request."""

    def __init__(self) -> None:
        self.lower: Lower | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, lower: "Lower", request: bytes) -> None:
        self.lower, self.parser, self.type = lower, httptools.HttpResponseParser(self), b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.type = value

    def on_headers_complete(self) -> None:
        assert self.lower is not None
        self.lower.begin(self.parser.get_status_code(), self.type)

    def on_body(self, body: bytes) -> None:
        assert self.lower is not None
        self.lower.more(body)

    def on_message_complete(self) -> None:
        assert self.lower is not None
        lower, self.lower = self.lower, None
        lower.relay.idle.append(self)
        lower.end()


class Lower(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, relay: "Relay") -> None:
        self.relay = relay
        self.parser = httptools.HttpRequestParser(self)
        self.body: list[bytes] = []
        self.out: list[bytes] = []
        self.rest = b""
        self.reads = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        body, self.body = b"".join(self.body), []
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: upstream\r\ncontent-type: application/json\r\n"
        request = b"%bauthorization: Bearer sk-up\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        if self.relay.idle:
            self.relay.idle.pop().ask(self, request)
        else:
            self.relay.connect(self, request)

    def begin(self, status: int, content_type: bytes) -> None:
        self.reads = self.relay.reads_events and content_type.startswith(b"text/event-stream")
        self.out = [_HEAD % (status, content_type)]

    def more(self, body: bytes) -> None:
        if self.reads:
            self.rest += body
            *events, self.rest = self.rest.split(b"\n\n")
            for event in events:
                self.transport.write(b"".join(self.out) + _chunk(_read_anew(event)))
                self.out = []
            return
        self.out.append(_chunk(body))
        self.transport.write(b"".join(self.out))
        self.out = []

    def end(self) -> None:
        self.transport.write(b"0\r\n\r\n")


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _read_anew(event: bytes) -> bytes:
    data = event.removeprefix(b"data: ")
    if data == b"[DONE]":
        return b"data: [DONE]\n\n"
    return b"data: %b\n\n" % Event.model_validate_json(data).model_dump_json().encode()


class Relay:
    """The connections to the upstream that wait for work."""

    def __init__(self, upstream: int, *, reads_events: bool) -> None:
        self.upstream = upstream
        self.reads_events = reads_events
        self.idle: list[Upper] = []
        self.connecting: set[asyncio.Task[None]] = set()

    def connect(self, lower: Lower, request: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(lower, request))
        self.connecting.add(task)
        task.add_done_callback(self.connecting.discard)

    async def _connect(self, lower: Lower, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, upper = await loop.create_connection(Upper, "127.0.0.1", self.upstream)
        upper.ask(lower, request)


async def main(port: int, relay: Relay) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Lower(relay), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Relay(int(sys.argv[2]), reads_events="events" in sys.argv)))
