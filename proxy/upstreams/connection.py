"""One HTTP/1.1 connection: the parser's callbacks on one side, one response at a time on the other.

Rules
* A connection is idle (`exchange is None`), busy, or dead. Anything that arrives while idle kills it.
* It is kept for the next call only when the response was complete, nothing followed it, the request was out and both
  sides want it. In every other case the socket is aborted, never closed politely: a polite close waits for buffers.
* One timer a connection, armed lazily: setting a deadline is two assignments unless it is earlier than the armed timer,
  so a busy connection touches the event loop's timers once per timeout, not once per read.
* Faults found inside parser callbacks are recorded, never raised through C.
* Reading stops above `HIGH_BYTES` of unread body and resumes when the reader takes it.
"""

import asyncio
import re
import socket
import time
from typing import Final, Protocol, cast

import httptools

from proxy.upstreams.decoding import Decoder
from proxy.upstreams.http_errors import (
    BadResponse,
    ConnectionCut,
    HeadTimeout,
    IdleTimeout,
    UpstreamError,
    UpstreamProtocolError,
    WriteFailed,
)
from proxy.upstreams.response import Phase, Response
from proxy.upstreams.stale import IDEMPOTENT, never_received

HIGH_BYTES: Final = 256 * 1024
MAX_HEAD_BYTES: Final = 64 * 1024
_JOIN_BYTES: Final = 64 * 1024
_WIDE: Final = frozenset({b"content-encoding", b"content-length", b"keep-alive", b"transfer-encoding"})
_HINT: Final = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*(\d{1,6})", re.IGNORECASE).search
_HINT_SHARE: Final = 0.8  # of the server's announced idle time: its clock started earlier than ours
_EXPIRED: Final[dict[Phase, tuple[type[UpstreamError], str]]] = {
    Phase.SENDING: (WriteFailed, "the upstream stopped taking the request"),
    Phase.HEAD: (HeadTimeout, "the upstream sent no response head in time"),
    Phase.BODY: (IdleTimeout, "the upstream's response fell silent"),
}


class Owner(Protocol):
    """The pool, as a connection sees it."""

    def keep(self, connection: "Connection") -> None: ...
    def drop(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """See the module's rules. `idle_limit_s` is how long it may lie idle; `idle_since_s` when it last became so."""

    __slots__ = (
        "_armed_for_s",
        "_deadline_s",
        "_first_byte_s",
        "_framed",
        "_fruitless_bytes",
        "_headers",
        "_interim",
        "_keep_alive",
        "_method",
        "_owner",
        "_parser",
        "_patience_s",
        "_poisoned",
        "_reading_paused",
        "_served",
        "_timer",
        "_transport",
        "_unsent_bytes",
        "_whole",
        "dead",
        "exchange",
        "idle_limit_s",
        "idle_since_s",
        "writing_paused",
    )

    def __init__(self, owner: Owner, idle_limit_s: float) -> None:
        self._owner = owner
        self._parser: httptools.HttpResponseParser | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for_s = 0.0
        self._deadline_s = 0.0  # 0: none
        self._patience_s = 0.0
        self._first_byte_s = 0.0
        self._unsent_bytes = 0
        self._fruitless_bytes = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._method = b""
        self._served = 0
        self._interim = False
        self._poisoned = False
        self._framed = False
        self._keep_alive = False
        self._reading_paused = False
        self._whole = False
        self.writing_paused = False
        self.exchange: Response | None = None
        self.idle_limit_s = idle_limit_s
        self.idle_since_s = 0.0
        self.dead = False

    # What the pool does with it

    def begin(self, exchange: Response, method: bytes, first_byte_s: float) -> None:
        """Take up a new call; nothing is written yet."""
        self.exchange = exchange
        exchange.connection = self
        exchange.reused = self._served > 0
        self._served += 1
        self._method = method
        self._first_byte_s = first_byte_s
        self._fruitless_bytes = 0
        self._keep_alive = self._framed = self._whole = False

    def send_whole(self, head: bytes, body: bytes, write_s: float) -> None:
        """Head and body in one write; large bodies are not copied for it."""
        self._whole = True
        if len(body) <= _JOIN_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        if self.writing_paused:
            self.expect(write_s)
        else:
            self.request_out()

    def request_out(self) -> None:
        """All of the request is written: from now on the upstream has `first_byte_s`."""
        exchange = self.exchange
        if exchange is not None:
            exchange.sent_s = time.monotonic()
            if exchange.phase is Phase.SENDING:
                exchange.phase = Phase.HEAD
                self.expect(self._first_byte_s)

    def usable(self, now_s: float) -> bool:
        """May an idle connection be used once more."""
        return not self.dead and now_s - self.idle_since_s < self.idle_limit_s

    @property
    def transport(self) -> asyncio.Transport:
        """The transport; there is one from `connection_made` on."""
        assert self._transport is not None
        return self._transport

    # Deadlines and back-pressure

    def expect(self, within_s: float) -> None:
        """Set the deadline of the current phase."""
        self._patience_s = within_s
        self._deadline_s = deadline_s = time.monotonic() + within_s
        if self._timer is not None:
            if self._armed_for_s <= deadline_s:
                return
            self._timer.cancel()
        self._arm(deadline_s, within_s)

    def rest(self) -> None:
        """No deadline: it is not the upstream we wait for."""
        self._deadline_s = 0.0

    def resume(self) -> None:
        """The reader took what was buffered."""
        if self._reading_paused:
            self._reading_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def _arm(self, deadline_s: float, within_s: float) -> None:
        self._armed_for_s = deadline_s
        self._timer = asyncio.get_running_loop().call_later(within_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if not self._deadline_s or self.exchange is None:
            return
        left_s = self._deadline_s - time.monotonic()
        if left_s > 0:
            self._arm(self._deadline_s, max(left_s, 0.001))
            return
        phase = self.exchange.phase
        unsent_bytes = self.transport.get_write_buffer_size()
        if phase is Phase.SENDING and unsent_bytes < self._unsent_bytes:
            self._unsent_bytes = unsent_bytes
            self.expect(self._patience_s)
            return
        self.fail(*_EXPIRED[phase])

    # The end of a call

    def fail(self, kind: type[UpstreamError], message: str, *, sent: bool | None = None) -> None:
        """The current call fails, and the connection with it."""
        exchange = self._let_go()
        if exchange is not None:
            exchange.fault = (kind, message, sent)
            exchange.wake()
        self.abort()

    def abort(self) -> None:
        """Close the socket now. Its slot is free at once."""
        if self.dead:
            return
        self.dead = True
        self._let_go()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self._owner.drop(self)

    def _let_go(self) -> Response | None:
        """Part with the call: neither side refers to the other any more."""
        exchange = self.exchange
        self.exchange = None
        self._deadline_s = 0.0
        if exchange is not None:
            exchange.connection = None
        return exchange

    def _complete(self, exchange: Response) -> None:
        keep = self._keep_alive and not self._poisoned and exchange.sent_s > 0
        self._let_go()
        exchange.complete = True
        if keep:
            self.resume()
            self.idle_since_s = time.monotonic()
            self._owner.keep(self)
        else:
            self.abort()
        exchange.wake()

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A model may think for minutes: probes keep NAT tables from forgetting the silent connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        exchange, parser = self.exchange, self._parser
        if exchange is None or parser is None:
            self.abort()
            return
        self._fruitless_bytes += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._poisoned_after(exchange):
                self.fail(BadResponse, "the upstream's response is not HTTP/1.1")
                return
        if self.exchange is None:  # failed inside a callback
            return
        if exchange.complete:
            self._complete(exchange)
            return
        if self._fruitless_bytes > MAX_HEAD_BYTES:
            self.fail(BadResponse, "the upstream sends headers without end")
            return
        exchange.buffered_bytes += len(data)
        if exchange.buffered_bytes > HIGH_BYTES and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()
        if exchange.status:
            exchange.wake()

    def _poisoned_after(self, exchange: Response) -> bool:
        """Garbage behind a complete response spoils the connection, not the response."""
        self._poisoned = exchange.complete
        return self._poisoned

    def eof_received(self) -> None:
        self._ended(None, clean=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Without an `eof_received` before it this is a reset, or TLS cut off without its farewell: never a clean end.

        (uvloop tells the two ends of TLS apart; asyncio's own TLS calls `eof_received` for both.)
        """
        self._ended(exc, clean=False)
        self._parser = None  # it refers back to us
        self._transport = None

    def _ended(self, error: Exception | None, *, clean: bool) -> None:
        exchange = self.exchange
        if exchange is None:
            self.abort()
        elif exchange.status and not self._framed and clean:
            exchange.complete = True
            self._complete(exchange)
        elif exchange.status:
            self.fail(ConnectionCut, "the upstream closed the connection inside the response")
        else:
            untouched = self._fruitless_bytes == 0
            unreceived = untouched and self._never_received(error)
            exchange.stale = exchange.reused and untouched and (unreceived or self._method in IDEMPOTENT)
            self.fail(
                ConnectionCut, "the upstream closed the connection without a response", sent=not unreceived
            )

    def _never_received(self, error: Exception | None) -> bool:
        """A plain write that failed left part of the request unsent; else the kernel has to prove it."""
        if self._transport is None:
            return False
        plain = self._transport.get_extra_info("ssl_object") is None
        return (plain and isinstance(error, BrokenPipeError)) or never_received(self._transport)

    def pause_writing(self) -> None:
        self.writing_paused = True
        self._unsent_bytes = self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self.writing_paused = False
        exchange = self.exchange
        if exchange is None:
            return
        if self._whole:
            self.request_out()
        else:
            exchange.wake()

    # What the parser tells

    def on_message_begin(self) -> None:
        if self.exchange is not None and self.exchange.complete:
            self._poisoned = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        exchange, parser, headers = self.exchange, self._parser, self._headers
        self._headers = []
        if exchange is None or exchange.complete or parser is None:
            return
        status = parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._interim = True
            return
        if not 200 <= status <= 599:
            self.fail(BadResponse, f"the upstream answered with status {status}")
            return
        if self._fruitless_bytes > MAX_HEAD_BYTES and _size(headers) > MAX_HEAD_BYTES:
            self.fail(BadResponse, "the upstream sends headers without end")
            return
        self._keep_alive = self._framed = parser.should_keep_alive()
        if self._read_framing(exchange, headers, bodyless=status in (204, 304) or self._method == b"HEAD"):
            exchange.phase = Phase.BODY
            exchange.first_byte_s = time.monotonic()
            exchange.status = status

    def on_body(self, data: bytes) -> None:
        exchange = self.exchange
        self._fruitless_bytes = 0
        if exchange is not None and not exchange.complete:
            exchange.parts.append(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif self.exchange is not None:
            self.exchange.complete = True

    def _read_framing(
        self, exchange: Response, headers: list[tuple[bytes, bytes]], *, bodyless: bool
    ) -> bool:
        """Learn how the body ends and how it is packed. False when the call has failed over it."""
        encoding = b""
        for name, value in headers:
            if name not in _WIDE:
                continue
            if name == b"content-encoding":
                encoding = encoding + b"," + value.lower() if encoding else value.strip().lower()
            elif name == b"keep-alive":
                self._take_hint(value)
            elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                self.fail(BadResponse, "the upstream used a transfer encoding other than chunked")
                return False
            else:
                self._framed = True
        if self._method == b"HEAD":
            # The parser cannot be told that no body follows, so its state is worth nothing afterwards.
            exchange.complete, self._keep_alive = True, False
        if encoding not in (b"", b"identity") and not bodyless:
            try:
                exchange.decoder = Decoder(encoding)
            except UpstreamProtocolError as error:
                self.fail(UpstreamProtocolError, str(error))
                return False
            headers = [h for h in headers if h[0] not in (b"content-encoding", b"content-length")]
        exchange.headers = headers
        return True

    def _take_hint(self, value: bytes) -> None:
        hint = _HINT(value)
        if hint is not None:
            self.idle_limit_s = min(self.idle_limit_s, int(hint[1]) * _HINT_SHARE)


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)
