"""One HTTP/1.1 connection: the transport on one side, one response at a time on the other (`framing` parses).

Rules
* A connection is idle (`exchange is None`), busy, or dead. Anything that arrives while idle kills it.
* It is kept for the next call only when the response was complete, nothing followed it, the request was out and both
  sides want it. In every other case the socket is aborted, never closed politely: a polite close waits for buffers.
* One timer a connection, armed lazily: setting a deadline is two assignments unless it is earlier than the armed timer,
  so a busy connection touches the event loop's timers once per timeout, not once per read.
* Reading stops above `HIGH_BYTES` of unread body and resumes when the reader has taken it all.
"""

import asyncio
import socket
import time
from typing import Final, Protocol, cast

from proxy.upstreams.framing import Framing
from proxy.upstreams.http_errors import (
    ConnectionCut,
    HeadTimeout,
    IdleTimeout,
    UpstreamError,
    WriteFailed,
)
from proxy.upstreams.response import HEAD, SENDING, Phase, Response
from proxy.upstreams.stale import IDEMPOTENT, never_received

HIGH_BYTES: Final = 64 * 1024
_JOIN_BYTES: Final = 64 * 1024
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
        "_framing",
        "_owner",
        "_patience_s",
        "_timer",
        "_transport",
        "_unsent_bytes",
        "_used",
        "_whole",
        "dead",
        "exchange",
        "idle_limit_s",
        "idle_since_s",
        "loop",
        "reading_paused",
        "writing_paused",
    )

    def __init__(self, owner: Owner, idle_limit_s: float) -> None:
        self._owner = owner
        self._framing = Framing()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for_s = 0.0
        self._deadline_s = 0.0  # 0: none
        self._patience_s = 0.0
        self._first_byte_s = 0.0
        self._unsent_bytes = 0
        self._used = False
        self.reading_paused = False
        self._whole = False
        self.writing_paused = False
        self.exchange: Response | None = None
        self.idle_limit_s = idle_limit_s
        self.idle_since_s = 0.0
        # Asked for once, not for every wait: asyncio makes a system call of the question.
        self.loop = asyncio.get_running_loop()
        self.dead = False

    # What the pool does with it

    def begin(self, exchange: Response, method: bytes, first_byte_s: float) -> None:
        """Take up a new call; nothing is written yet."""
        self.exchange = exchange
        exchange.connection = self
        exchange.reused = self._used
        self._used = True
        self._first_byte_s = first_byte_s
        self._whole = False
        self._framing.begin(exchange, method)

    def send_whole(self, head: bytes, body: bytes, write_s: float) -> None:
        """Head and body in one write; large bodies are not copied for it."""
        self._whole, transport = True, self._transport
        assert transport is not None
        if len(body) <= _JOIN_BYTES:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        if self.writing_paused:
            self.expect(write_s)
        else:
            self.request_out()

    def request_out(self) -> None:
        """All of the request is written: from now on the upstream has `first_byte_s`."""
        exchange = self.exchange
        if exchange is not None:
            exchange.sent_s = time.monotonic()
            if exchange.phase is SENDING:
                exchange.phase = HEAD
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
        if self.reading_paused:
            self.reading_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def _arm(self, deadline_s: float, within_s: float) -> None:
        self._armed_for_s = deadline_s
        self._timer = self.loop.call_later(within_s, self._tick)

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
        if phase is SENDING and unsent_bytes < self._unsent_bytes:
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
        self._framing.exchange = None
        if exchange is not None:
            exchange.connection = None
        return exchange

    def _complete(self, exchange: Response) -> None:
        framing = self._framing
        self._let_go()
        exchange.complete = True
        if framing.keep_alive and exchange.sent_s > 0:
            if framing.idle_hint_s is not None:
                self.idle_limit_s = min(self.idle_limit_s, framing.idle_hint_s)
            if self.reading_paused:  # TLS can deliver the end from its own buffer after that
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
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.abort()
            return
        framing = self._framing
        if framing.between_chunks and exchange.take_frame(data):
            self.expect(self._patience_s)
            return
        fault = framing.feed(data)
        if exchange.complete:
            self._complete(exchange)
            return
        if fault is not None:
            self.fail(*fault)
            return
        exchange.buffered_bytes = buffered = exchange.buffered_bytes + len(data)
        if buffered > HIGH_BYTES and not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()
        if exchange.status:
            exchange.wake()

    def eof_received(self) -> None:
        self._ended(None, clean=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Without an `eof_received` before it this is a reset, or TLS cut off without its farewell: never a clean end.

        (uvloop tells the two ends of TLS apart; asyncio's own TLS calls `eof_received` for both.)
        """
        self._ended(exc, clean=False)
        self._framing.release()
        self._transport = None

    def _ended(self, error: Exception | None, *, clean: bool) -> None:
        exchange = self.exchange
        if exchange is None:
            self.abort()
        elif exchange.status and self._framing.ends_with_close and clean:
            exchange.complete = True
            self._complete(exchange)
        elif exchange.status:
            self.fail(ConnectionCut, "the upstream closed the connection inside the response")
        else:
            untouched = self._framing.untouched
            unreceived = untouched and self._never_received(error)
            exchange.stale = (
                exchange.reused and untouched and (unreceived or self._framing.method in IDEMPOTENT)
            )
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
