"""One exchange with one client, the only part that touches the socket.

A `Line` knows whether the client is gone (from the server's transport when there is one, else from `http.disconnect`),
can wait without missing that, and can reset the connection.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
TRANSPORT = "sandbox.transport"
"""Where the server puts its connection in the ASGI scope."""


class Transport(Protocol):
    """The part of `asyncio.Transport` this room uses."""

    def is_closing(self) -> bool: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def get_extra_info(self, name: str) -> Any: ...


class Line:
    """One exchange with one client."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self._transport: Transport | None = scope.get(TRANSPORT)
        self._receive = receive
        self._send = send
        self._watch: asyncio.Task[None] | None = None

    @property
    def gone(self) -> bool:
        if self._transport is not None and self._transport.is_closing():
            return True
        return self._watch is not None and self._watch.done()

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def wait(self, seconds: float | None) -> bool:
        """Sleep (None: for ever); True as soon as the client has left."""
        if seconds is not None and seconds <= 0:
            await asyncio.sleep(0)
            return self.gone
        await asyncio.wait([self._watched()], timeout=seconds)
        return self.gone

    def _watched(self) -> asyncio.Task[None]:
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._until_gone())
        return self._watch

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def end(self, *, reset: bool) -> None:
        """Drop the connection: with a TCP reset, or orderly but unfinished. Returns once it is down."""
        if self._transport is None:
            return
        if reset:
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                # Linger 0 turns the close into a reset, which a crashed provider also looks like.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()
        await asyncio.wait([self._watched()], timeout=1)

    def hang_up(self) -> None:
        """End the exchange because the sandbox itself is stopping."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
