"""A guarded data port in this process, a recording app behind it, and raw sockets in front."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import uvloop

from proxy.api.door import Door, DoorLimits
from proxy.api.protocol import GuardedProtocol
from proxy.api.server import DataServer

QUICK = DoorLimits(
    idle_s=0.3, head_s=0.3, body_s=0.3, body_grace_s=0.6, body_min_rate_bytes=1000.0, keep_alive_s=0.4, linger_s=0.3,
    write_stall_s=0.4, sweep_s=0.05,
)  # fmt: skip
PATIENT = DoorLimits(sweep_s=0.05)


@dataclass
class Recorder:
    """Echoes the size of the body; `seen` lists (method, path, body) of every request that reached the app."""

    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    scopes: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.seen.append((scope["method"], scope["path"], body))
        await answer(send, b"%d" % len(body))


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Port:
    server: DataServer
    number: int

    async def connect(self, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.number, **kwargs)

    async def exchange(self, sent: bytes, *, piece: int = 0) -> bytes:
        """Everything the server answers to `sent` until it closes. `piece`: bytes per write, 0 for all at once."""
        reader, writer = await self.connect()
        return await talk(reader, writer, sent, piece)


async def talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes, piece: int = 0
) -> bytes:
    with contextlib.suppress(ConnectionError):
        for at in range(0, len(sent), piece or len(sent)):
            writer.write(sent[at : at + (piece or len(sent))])
            await asyncio.sleep(0)
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        return await read_all(reader, writer)
    return b""


async def read_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One answer delimited by its Content-Length."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
    first, *lines = head.split("\r\n")[:-2]
    fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    return int(first.split()[1]), fields, await reader.readexactly(int(fields.get("content-length", 0)))


class Sink(asyncio.Transport):
    """Keeps what is written; closing and half-closing are the same to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.writes.append(data)

    def write_eof(self) -> None:
        self.closed = True

    close = abort = write_eof

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def protocol_on(sink: Sink, door: Door, app: Any) -> GuardedProtocol:
    """A connection of `door` whose client reads what `sink` keeps; the test feeds it."""
    config = uvicorn.Config(app, http=GuardedProtocol, interface="asgi3", lifespan="off", log_config=None)
    config.load()
    protocol = GuardedProtocol(config, door, {}, door.loop)
    protocol.connection_made(sink)
    return protocol


@contextlib.asynccontextmanager
async def open_port(app: Any, limits: DoorLimits = PATIENT) -> AsyncIterator[Port]:
    sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
    server = DataServer(app, limits)
    await server.start(sock)
    try:
        yield Port(server, sock.getsockname()[1])
    finally:
        await server.drain(0)


def run(main: Any) -> Any:
    """Run a test's coroutine on the loop the data port runs on in service."""
    return uvloop.run(main)
