"""A scriptable upstream on a real socket: each connection runs a coroutine that says exactly what goes over the wire.

`run` executes a test on both event loops and fails it for sockets left open, for errors that reached only the loop's
exception handler, and for scripts that failed.
"""

import asyncio
import gc
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from proxy.upstreams.http import HttpPool, Origin, Response, Timeouts

QUICK = Timeouts(connect_s=5, write_s=5, first_byte_s=5, idle_s=5)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Request:
    """What the upstream read: the head's lines and the body, chunks undone."""

    line: bytes
    headers: dict[bytes, bytes]
    body: bytes
    raw: bytes


class Peer:
    """One accepted connection."""

    def __init__(
        self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server, self.reader, self.writer = server, reader, writer

    async def head(self) -> Request:
        """Read one request head and nothing behind it."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = raw[:-4].split(b"\r\n")
        headers = dict(f.split(b": ", 1) for f in fields)
        request = Request(line, headers, b"", raw)
        self.server.requests.append(request)
        return request

    async def request(self) -> Request:
        """Read one whole request."""
        request = await self.head()
        if b"content-length" in request.headers:
            request.body = await self.reader.readexactly(int(request.headers[b"content-length"]))
        elif b"transfer-encoding" in request.headers:
            request.body = await self._chunks()
        return request

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            piece = await self.reader.readexactly(size + 2)
            if not size:
                return body
            body += piece[:-2]

    def send(self, data: bytes) -> None:
        if self.writer.is_closing():  # uvloop refuses to write to a closed transport
            raise ConnectionResetError
        self.writer.write(data)

    async def trickle(self, data: bytes, size: int = 1) -> None:
        """Send `size` bytes a turn of the loop."""
        for at in range(0, len(data), size):
            self.send(data[at : at + size])
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Return once the other side has closed."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class RawServer:
    """`accepted` counts connections, `open` those alive; `requests` holds every head read."""

    script: Script
    port: int = 0
    accepted: int = 0
    open: int = 0
    requests: list[Request] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open += 1
        peer = Peer(self, reader, writer)
        self.peers.append(peer)
        try:
            await self.script(peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            self.open -= 1
            self.peers.remove(peer)
            writer.close()

    def url(self, path: str = "", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}{path}"

    def pool(self, path: str = "", **options: object) -> HttpPool:
        return HttpPool(Origin.from_url(self.url(path), **options))


@asynccontextmanager
async def serving(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", limit: int = 2**16
) -> AsyncIterator[RawServer]:
    """A server running `script` on every connection; leaves nothing behind."""
    raw = RawServer(script)
    server = await asyncio.start_server(raw._serve, host, 0, ssl=tls, limit=limit)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for peer in tuple(raw.peers):
            peer.writer.transport.abort()
        await until(lambda: raw.open == 0)
        if raw.failures:
            raise raw.failures[0]


def answers(*wire: bytes) -> Script:
    """A script that answers the n-th request of each connection with the n-th bytes, then waits for the client to go."""

    async def script(peer: Peer) -> None:
        for data in wire:
            await peer.request()
            peer.send(data)
        await peer.gone()

    return script


async def tunnel(peer: Peer) -> None:
    """A CONNECT proxy: one tunnel, both ways, until either side ends."""
    request = await peer.head()
    host, _, port = request.line.split()[1].rpartition(b":")
    reader, writer = await asyncio.open_connection(host.decode(), int(port))
    peer.send(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while (data := await source.read(65536)) and not sink.is_closing():
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.transport.abort()

    await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))


async def until(true: Callable[[], bool]) -> None:
    """Turn the loop until `true()`; the test's own time limit is the bound."""
    async with asyncio.timeout(8):
        while not true():
            await asyncio.sleep(0.001)


async def get(pool: HttpPool, target: bytes = b"/", timeouts: Timeouts = QUICK) -> Response:
    return await pool.send(b"GET", target, [], b"", timeouts)


async def post(pool: HttpPool, body: object = b"{}", timeouts: Timeouts = QUICK) -> Response:
    return await pool.send(
        b"POST", b"/chat/completions", [(b"content-type", b"application/json")], body, timeouts
    )


async def text(response: Response, limit_bytes: int = 10_000_000) -> bytes:
    """The whole body; the response is closed."""
    try:
        return await response.read_all(limit_bytes)
    finally:
        response.close()


def start(call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """`call` as a task the test holds on to."""
    return asyncio.get_running_loop().create_task(call)


def open_sockets() -> int:
    """Sockets of this process, where the system tells."""
    fds = Path("/proc/self/fd")
    return sum(_is_socket(fd) for fd in fds.iterdir()) if fds.exists() else 0


def _is_socket(fd: Path) -> bool:
    try:
        return os.readlink(fd).startswith("socket:")
    except OSError:
        return False


LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)


def run(test: Callable[[], Awaitable[None]], limit_s: float = 12, loops: tuple = LOOPS) -> None:
    """Run `test` on asyncio's loop and on uvloop, each from a clean start to a clean end."""
    for factory in loops:
        with asyncio.Runner(loop_factory=factory) as runner:
            faults = runner.run(_clean(test, limit_s))
        assert not faults, faults


async def _clean(test: Callable[[], Awaitable[None]], limit_s: float) -> list[dict[str, object]]:
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    before = open_sockets()
    async with asyncio.timeout(limit_s):
        await test()
        await until(lambda: open_sockets() <= before)
    gc.collect()
    await asyncio.sleep(0)
    return faults
