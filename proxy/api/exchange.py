"""One request and its answer on the wire: the ASGI `receive` and `send`, and the app's two hooks.

The app finds it as `scope["extensions"]["switchyard.exchange"]` and may register
    on_client_gone(callback)  called once, synchronously, when the client leaves before the answer is complete
    on_cut(callback)          called once when a drain has run out of patience; the app then ends its answer itself
which replaces a watcher task per request: an exchange nobody listens to costs nothing.

Rules of the answer (its bytes are made in `answer.py`): a head with a Content-Length waits for the first body bytes so
that both leave in one write; an answer that starts before the request was read to its end closes the connection, since
the rest of it can no longer be told from a next request.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from proxy.api.answer import (
    BODYLESS,
    CHUNKED,
    CHUNKED_LINE,
    LENGTH,
    UNSTARTED,
    UNTIL_CLOSE,
    answer_head,
    framing_of,
    own_head,
)
from proxy.api.door import Callback, Door
from proxy.api.heading import Heading
from proxy.api.signing import new_id, own_headers
from proxy.chunked import chunk
from proxy.errors import ServerError

EXTENSION: Final = "switchyard.exchange"
READ_AHEAD_BYTES: Final = 65_536
_UNLIMITED: Final = 1 << 62

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What an exchange needs of the connection that carries it."""

    transport: asyncio.Transport
    flow: FlowControl
    door: Door

    def exchange_done(self, exchange: "Exchange") -> None: ...


class Exchange:
    """`heading`: the request's head. `declared_bytes`: its Content-Length, or None for a chunked body. `body_limit_bytes`: set by
    who reads a whole body, so that no more than one piece beyond it is ever held."""

    __slots__ = (
        "_body",
        "_cut",
        "_door",
        "_framing",
        "_gone",
        "_head",
        "_head_only",
        "_remaining_bytes",
        "_waiter",
        "body_limit_bytes",
        "buffered_bytes",
        "client_gone",
        "complete",
        "connection",
        "declared_bytes",
        "expects_continue",
        "heading",
        "keep_alive",
        "received_bytes",
        "request_complete",
        "task",
    )

    def __init__(
        self,
        connection: Connection,
        heading: Heading,
        *,
        head_only: bool,
        keep_alive: bool,
        declared_bytes: int | None,
    ) -> None:
        self.connection = connection
        self.heading = heading
        self._door = connection.door
        self._head_only = head_only
        self.keep_alive = keep_alive
        self.declared_bytes = declared_bytes
        self.expects_continue = heading.expects_continue
        self.received_bytes = 0
        self.body_limit_bytes = _UNLIMITED
        self.buffered_bytes = 0
        self.request_complete = False
        self.client_gone = False
        self.complete = False
        self.task: asyncio.Task[None] | None = None
        self._body: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._framing = UNSTARTED
        self._head = b""
        self._remaining_bytes = 0
        self._gone: Callback | None = None
        self._cut: Callback | None = None

    # For the app

    def on_client_gone(self, callback: Callback | None) -> None:
        """Set (or with None: clear) what is called when the client leaves; at once if it already has."""
        self._gone = callback
        if self.client_gone and callback is not None:
            self._gone = None
            callback()

    def on_cut(self, callback: Callback | None) -> None:
        """Set (or clear) what is called when a drain wants this answer to end now."""
        self._cut = callback

    def take(self) -> bytes:
        """What has come of the body since the last time."""
        pieces, self._body = self._body, []
        # The connection may serve another request after this one, which must not find its reading paused.
        if self.connection.flow.read_paused:
            self.connection.flow.resume_reading()
        # Below zero: the end of the request has been handed over, what follows can only be a disconnect.
        self.buffered_bytes = -1 if self.request_complete else 0
        return b"".join(pieces)

    async def arrival(self) -> None:
        """Wait until more of the request comes, its end, or the end of this exchange."""
        if self.expects_continue:
            self.expects_continue = False
            if not self._framing and not self.client_gone:
                self.connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.request_complete:
            self.connection.flow.resume_reading()
        if self._waiter is None or self._waiter.done():
            self._waiter = self._door.loop.create_future()
        await self._waiter

    @property
    def started(self) -> bool:
        """Bytes of the answer have left."""
        return self._framing != UNSTARTED and not self._head

    # For the connection

    def feed(self, data: bytes) -> None:
        # Beyond the limit only the piece that crosses it is kept: enough for the reader to find out.
        if self.received_bytes > self.body_limit_bytes:
            return
        self.received_bytes += len(data)
        self._body.append(data)
        self.buffered_bytes += len(data)
        if self.buffered_bytes > READ_AHEAD_BYTES:
            self.connection.flow.pause_reading()
        if self._waiter is not None:
            self._wake()

    def feed_end(self) -> None:
        self.request_complete = True
        if self._waiter is not None:
            self._wake()

    def lost(self) -> None:
        """The client is gone, or what it sent cannot be understood: nothing more is read or written."""
        if self.complete or self.client_gone:
            return
        self.client_gone = True
        self._wake()
        callback, self._gone = self._gone, None
        if callback is not None:
            callback()

    def cut(self) -> None:
        callback, self._cut = self._cut, None
        if callback is not None:
            callback()

    def start(self, app: Any, scope: dict[str, Any]) -> None:
        # The set of live exchanges holds the task: the loop itself keeps only a weak reference to it.
        self._door.exchanges.add(self)
        self.task = self._door.loop.create_task(self._run(app, scope))

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # ASGI

    async def _run(self, app: Any, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self.receive, self.send)
            if not (self.complete or self.client_gone):
                await self._fail("The application ended without completing its answer.")
        except Exception as error:  # noqa: BLE001 - the border: whatever the app lets through ends here as a 500
            # Frames without values: the text of an exception may quote what the caller sent.
            frames = "".join(traceback.format_tb(error.__traceback__))
            await self._fail(f"{type(error).__name__} left the application.\n{frames}")
        finally:
            if not (self.complete or self.client_gone):
                self.connection.transport.abort()
            self._gone = self._cut = self.task = None
            self._door.exchanges.discard(self)
            if self._door.draining:
                self._door.left()

    async def _fail(self, reason: str) -> None:
        _log.error("%s", reason)
        if self.complete or self.client_gone or self.started:
            return
        self._framing, self._head, self.keep_alive = UNSTARTED, b"", False
        error = ServerError("The server had an error while processing your request.")
        body = error.body()
        length = (b"content-length", b"%d" % len(body))
        start = {
            "type": "http.response.start",
            "status": error.status,
            "headers": (*own_headers(error, new_id()), length),
        }
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})

    async def receive(self) -> dict[str, Any]:
        """ASGI: the next piece of the body, or `http.disconnect` once there is nothing left to say."""
        while not (self.client_gone or self.complete):
            if self._body or (self.request_complete and self.buffered_bytes >= 0):
                return {"type": "http.request", "body": self.take(), "more_body": not self.request_complete}
            await self.arrival()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """ASGI: waits while the client is behind, so that an answer is never buffered beyond one message."""
        connection = self.connection
        if connection.flow.write_paused and not self.client_gone:
            await connection.flow.drain()
        # A failed write closes the transport at once, but connection_lost comes a turn of the loop later.
        if self.client_gone or connection.transport.is_closing():
            return
        kind = message["type"]
        if kind == "http.response.body" and self._framing:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self._framing:
            self._send_start(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"ASGI message {kind!r} out of order")

    def push(self, block: bytes) -> bool:
        """More of a body that has begun. False, and nothing is sent, when the client has to be waited for."""
        connection = self.connection
        if connection.flow.write_paused:
            return False
        if not (self.client_gone or connection.transport.is_closing()):
            self._send_body(block, more=True)
        return True

    def chunk_writer(self) -> Callable[[bytes], object] | None:
        """Where a chunk of the body can be written at once, in its frame. None where the client has to be waited for, or is
        gone, or an answer has no frames."""
        connection = self.connection
        transport = connection.transport
        free = not (connection.flow.write_paused or self.client_gone or transport.is_closing())
        return transport.write if free and self._framing == CHUNKED and not self.complete else None

    async def begin(self, status: int, fields: Sequence[tuple[bytes, bytes]], first: bytes) -> None:
        """What `send` does for a start without a length and the `first` of its body, if any, in one write. The fields are our
        own (`own_head`)."""
        connection = self.connection
        if connection.flow.write_paused and not self.client_gone:
            await connection.flow.drain()
        if self.client_gone or connection.transport.is_closing():
            return
        framing = framing_of(-1, bodyless=self._head_only or status in BODYLESS, old=not self.heading.modern)
        begun = self._own_head(status, fields, framing, CHUNKED_LINE if framing == CHUNKED else b"")
        if framing == CHUNKED:
            begun += chunk(first, last=False)
        elif framing == UNTIL_CLOSE:
            begun += first
        connection.transport.write(begun)

    async def send_whole(self, status: int, fields: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """What `send` does for a start and a body with its length, in one step. The fields are our own (`own_head`)."""
        connection = self.connection
        if connection.flow.write_paused and not self.client_gone:
            await connection.flow.drain()
        if self.client_gone or connection.transport.is_closing():
            return
        head = self._own_head(status, fields, LENGTH, b"content-length: %d\r\n" % len(body))
        connection.transport.write(head if self._head_only else head + body)
        self._end()

    def _own_head(
        self, status: int, fields: Sequence[tuple[bytes, bytes]], framing: int, framing_line: bytes
    ) -> bytes:
        """The head with which an answer of ours begins now."""
        if self._framing:
            raise RuntimeError("an answer cannot begin twice")
        close = self._closes()
        head = own_head(status, fields, framing_line, self._door.date_line, close=close)
        self.keep_alive = not close
        self._framing = framing
        return head

    def _closes(self) -> bool:
        """Whether the connection ends with an answer that begins now."""
        return not self.keep_alive or self._door.draining or not self.request_complete

    def _send_start(self, status: int, fields: Any) -> None:
        head, self._framing, self._remaining_bytes, close = answer_head(
            status,
            fields,
            self._door.date_line,
            head_only=self._head_only,
            old=not self.heading.modern,
            close=self._closes(),
        )
        self.keep_alive = not close
        if self._remaining_bytes:
            self._head = head
        else:
            self.connection.transport.write(head)

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self.complete:
            raise RuntimeError("ASGI message after the end of the answer")
        write = self.connection.transport.write
        if self._framing == CHUNKED:
            write(chunk(body, last=not more))
        elif self._framing == LENGTH:
            self._remaining_bytes -= len(body)
            if self._remaining_bytes < 0 or (self._remaining_bytes and not more):
                raise RuntimeError("The answer's body does not match its Content-Length")
            if body:
                head, self._head = self._head, b""
                write(head + body)
        elif self._framing == UNTIL_CLOSE:
            write(body)
        if not more:
            self._end()

    def _end(self) -> None:
        self.complete = True
        self._gone = self._cut = None
        if self._waiter is not None:
            self._wake()
        self.connection.exchange_done(self)


def exchange_of(scope: dict[str, Any]) -> Exchange:
    """The exchange behind an ASGI scope of the data port."""
    exchange: Exchange = scope["extensions"][EXTENSION]
    return exchange
