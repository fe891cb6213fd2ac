"""One call's answer while it arrives: what the reader sees, and the half the connection fills.

The connection appends body bytes to `parts` and calls `wake`; the reader takes everything that came since its last look
in one piece, so one upstream read becomes one write to the client (a large one becomes several). A chunk that came alone
may pass it by (`take_frame`). Once the message is complete the connection is gone (`connection is None`) and the reader
lives off `parts` alone: a slow client keeps no upstream connection busy.

    SENDING -> HEAD -> BODY        `status` is 0 until BODY; `fault` can come in any phase, `complete` only in BODY

A fault is kept as (class, message, sent) and raised afresh each time: a stored exception would hold its frames alive.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from proxy.upstreams.decoding import Decoder
from proxy.upstreams.http_errors import BodyTooLarge, ConnectionCut, UpstreamError, UpstreamProtocolError

PIECE_BYTES: Final = 32 * 1024
Fault = tuple[type[UpstreamError], str, bool | None]
Tap = Callable[[bytes], bool]
"""Takes a piece of a body; whether it takes the next one, too."""
FrameTap = Callable[[bytes], bool]
"""Takes all that came, where a frame (`chunked`) may begin, if that is one frame and nothing else; False where it is the other
tap that has to have it."""


class Phase(Enum):
    """What a call is waiting for; decides which timeout has passed."""

    SENDING = "sending"
    HEAD = "head"
    BODY = "body"


# Looking a member up in its class takes as long as a small function: done once for the places every call passes.
SENDING: Final = Phase.SENDING
HEAD: Final = Phase.HEAD
BODY: Final = Phase.BODY


class Line(Protocol):
    """What a response needs of its connection."""

    loop: asyncio.AbstractEventLoop
    reading_paused: bool

    def expect(self, within_s: float) -> None: ...
    def rest(self) -> None: ...
    def resume(self) -> None: ...
    def abort(self) -> None: ...


class Response:
    """`status`, `headers` (names in lower case), `reused`, and times of one monotonic clock in seconds:
    `connect_started_s`, `connect_done_s` (a connection in hand), `sent_s` (all written), `first_byte_s` (head complete).

    Read by one task at a time. Always `close()` it; reading to the end and closing keeps the connection for the next call.
    """

    __slots__ = (
        "buffered_bytes",
        "complete",
        "connect_done_s",
        "connect_started_s",
        "connection",
        "decoder",
        "fault",
        "first_byte_s",
        "frame_tap",
        "headers",
        "idle_s",
        "interrupt",
        "parts",
        "phase",
        "reused",
        "sent_s",
        "stale",
        "status",
        "tap",
        "waiter",
    )

    def __init__(self, idle_s: float, started_s: float) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.reused = False
        self.connect_started_s = started_s
        self.connect_done_s = started_s
        self.sent_s = 0.0
        self.first_byte_s = 0.0
        self.phase: Phase = SENDING
        self.complete = False
        self.fault: Fault | None = None
        self.stale = False
        self.parts: list[bytes] = []
        self.buffered_bytes = 0
        self.decoder: Decoder | None = None
        self.connection: Line | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.interrupt: asyncio.Timeout | None = None
        self.idle_s = idle_s
        self.tap: Tap | None = None
        self.frame_tap: FrameTap | None = None

    async def read_chunk(self) -> bytes:
        """What arrived since the last call, up to `PIECE_BYTES`, b"" at the end. Waits at most `idle_s` for the first byte of it.

        Raises IdleTimeout, ConnectionCut, BadResponse; what came before the fault is delivered first.
        """
        if self.decoder is not None:
            return await self._read_decoded(self.decoder)
        while not self.parts:
            if self.complete:
                return b""
            await self.wait(self.idle_s)
        return self._take()

    async def pour(self, tap: Tap, frame_tap: FrameTap | None = None) -> bool:
        """Hand every piece to `tap` as `read_chunk` would return it, but from where it arrives: nobody is woken for it. Until
        the tap is shut (True) or the body has ended (False). A chunk that came alone behind another one that did may be
        shown to `frame_tap` first. Raises what `read_chunk` raises, and what the taps raise."""
        if self.decoder is not None:
            while block := await self._read_decoded(self.decoder):
                if not tap(block):
                    return True
            return False
        while True:
            while self.parts:
                if not tap(self._take()):
                    return True
            if self.complete:
                return False
            self.tap, self.frame_tap = tap, frame_tap
            try:
                await self.wait(self.idle_s)
                if self.tap is None:
                    return True
            finally:
                self.tap = self.frame_tap = None

    async def read_all(self, limit_bytes: int) -> bytes:
        """The whole (decoded) body. Raises BodyTooLarge past `limit_bytes`, and what `read_chunk` raises."""
        if self.complete and self.decoder is None:  # it came with its head, as most do
            body = b"".join(self.parts)
            if len(body) <= limit_bytes:
                self.parts, self.buffered_bytes = [], 0
                return body
        pieces: list[bytes] = []
        total = 0
        while piece := await self.read_chunk():
            total += len(piece)
            if total > limit_bytes:
                self.close()
                raise BodyTooLarge(f"the upstream's answer is over {limit_bytes} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Done with it. An unfinished response aborts its socket at once. May be called again, never waits."""
        connection = self.connection
        if connection is not None:
            self.connection = None
            self.fault = (ConnectionCut, "the response was closed before its end", None)
            connection.abort()
        self.parts = []
        self.decoder = None

    async def wait(self, within_s: float | None = None) -> None:
        """Until the connection has news. `within_s` sets a deadline; without it the one already set stays.

        Raises the fault instead of waiting for nothing. A cancelled wait closes the response.
        """
        connection = self.connection
        if connection is None:
            raise self.failure()
        if within_s is not None:
            connection.expect(within_s)
        self.waiter = waiter = connection.loop.create_future()
        try:
            await waiter
        except BaseException:
            self.close()
            raise
        finally:
            self.waiter = None
        if self.connection is not None:
            connection.rest()

    def wake(self) -> None:
        """News for the reader; a sender that is held up by its own body source is called away from it."""
        waiter, interrupt = self.waiter, self.interrupt
        if waiter is not None:
            tap = self.tap
            if not (waiter.done() or (tap is not None and self._poured(tap, waiter))):
                waiter.set_result(None)
        elif interrupt is not None and self.early:
            self.interrupt = None
            interrupt.reschedule(0.0)

    def _poured(self, tap: Tap, waiter: asyncio.Future[None]) -> bool:
        """Hand over what arrived; whether its reader may sleep on."""
        connection = self.connection
        if self.complete or not self.parts or connection is None:
            return False
        try:
            is_open = tap(self._take())
            while is_open and self.parts:  # a large read is several pieces
                is_open = tap(self._take())
        except Exception as error:  # noqa: BLE001 - it belongs to the reader, not to the connection that called us
            waiter.set_exception(error)
            return True
        if not is_open:
            self.tap = self.frame_tap = None
        elif self.connection is connection:
            connection.expect(self.idle_s)
            return True
        return False

    def take_frame(self, wire: bytes) -> bool:
        """All that arrived, where a frame may begin. Whether that is done with: passed on, or its reader has to hear of it."""
        frame_tap, waiter = self.frame_tap, self.waiter
        if frame_tap is None or waiter is None or waiter.done():
            return False
        try:
            return frame_tap(wire)
        except Exception as error:  # noqa: BLE001 - as above
            waiter.set_exception(error)
            return True

    @property
    def early(self) -> bool:
        """A head or a fault is here already: no use in sending more."""
        return self.status != 0 or self.fault is not None

    def failure(self) -> UpstreamError:
        """The fault as a fresh exception."""
        kind, message, sent = self.fault or (ConnectionCut, "the response was closed", None)
        return kind(message, sent=sent)

    def _take(self) -> bytes:
        """What is buffered, at most `PIECE_BYTES`: every stage between here and a slow client holds a piece or two."""
        taken = b"".join(self.parts)
        self.parts = []
        self.buffered_bytes = 0
        if len(taken) > PIECE_BYTES:
            self.parts.append(taken[PIECE_BYTES:])
            self.buffered_bytes = len(taken) - PIECE_BYTES
            return taken[:PIECE_BYTES]
        connection = self.connection
        if connection is not None and connection.reading_paused:
            connection.resume()
        return taken

    async def _read_decoded(self, decoder: Decoder) -> bytes:
        try:
            while True:
                if decoder.more:
                    piece = decoder.decode(b"")
                elif self.parts:
                    piece = decoder.decode(self._take())
                elif self.complete:
                    decoder.finish()
                    return b""
                else:
                    await self.wait(self.idle_s)
                    continue
                if piece:
                    return piece
        except UpstreamProtocolError:
            self.close()
            raise
