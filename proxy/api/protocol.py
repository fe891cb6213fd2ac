"""One client connection of the data port: answers in turn, clean refusals, deadlines without timers.

`reading.py` turns bytes into requests; here one of them is `running`, later ones wait in `waiting`.

* Deadlines: nothing is armed per request. `sweep` compares the age of the current state, on the door's coarse clock.
* A refusal belongs to the request it is about. Garbage *behind* a good request waits until that one has been answered;
  garbage *inside* a body ends that request.
* The last answer is followed by a lingering close: our side of the socket is shut and reading goes on for a moment,
  because a close with unread bytes makes the kernel send a reset, which destroys the answer before it is read.
* End of file from the client counts as gone. FIN looks the same for `close()` and for `shutdown(SHUT_WR)`, and a model
  call nobody waits for costs money; nginx, Go and Envoy decide the same way. So a client must not half-close.
"""

import asyncio
import fcntl
import sys
import termios
from collections import deque
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from proxy.api.answer import status_line
from proxy.api.exchange import Exchange
from proxy.api.reading import BETWEEN, BODY, DEAF, HEAD, ReadingProtocol
from proxy.api.signing import new_id, own_headers
from proxy.errors import ApiError, BadRequest, RequestTimeout

_NOTHING_YET: Final = (0, 0.0)


class GuardedProtocol(ReadingProtocol):
    """The answering half. The door sweeps it, and shuts it down when a drain begins."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.running: Exchange | None = None
        self.waiting: deque[tuple[Exchange, dict[str, Any]]] = deque()
        self._parting = b""
        self._resumed = 0
        # What the last sweep that saw progress measured, and when: of the body coming in, of the bytes going out.
        self._arrived = _NOTHING_YET
        self._unsent: tuple[tuple[int, int, int], float] | None = None

    # Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.door.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.connections.discard(self)
        self.door.open.discard(self)
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]  # as uvicorn does: it refers back to this object
        self._leave()

    def eof_received(self) -> None:
        # Not only in connection_lost: that comes after the write buffer is flushed, which a stopped reader prevents.
        self._leave()

    def _leave(self) -> None:
        self.stop_reading()
        self.waiting.clear()
        exchange, self.running, self.latest = self.running, None, None
        if exchange is not None:
            exchange.lost()

    def resume_writing(self) -> None:
        # Counted for the sweep: a buffer filled up again at once has the same size as one nobody reads.
        self._resumed += 1
        super().resume_writing()

    # Answers

    def take(self, exchange: Exchange, scope: dict[str, Any]) -> None:
        if self.running is None:
            self.running = exchange
            exchange.start(self.app, scope)
        elif len(self.waiting) < self.limits.pipelined:
            self.waiting.append((exchange, scope))
        else:
            raise BadRequest("Too many requests were sent ahead on one connection.")

    def exchange_done(self, exchange: Exchange) -> None:
        """The answer is complete: start the next one, say goodbye, or wait for another request."""
        self.running = None
        self.door.total_requests += 1
        if self.latest is exchange:
            self.latest = None
        if not exchange.keep_alive:
            self._linger()
        elif self.waiting:
            self.running, scope = self.waiting.popleft()
            self.running.start(self.app, scope)
        elif self._parting:
            self._part(self._parting)
        elif self.door.draining and self.reading == BETWEEN:
            self._linger()
        else:
            self.since = self.door.now

    def refuse(self, error: ApiError) -> None:
        """Answer `error` in its turn, then close. Every exchange whose request was read in full is served first."""
        if self.reading == DEAF or self.transport.is_closing():
            return
        spoiled, self.latest = self.latest if self.reading == BODY else None, None
        self.stop_reading()
        answer = _rendered(error, self.door.date_line)
        if spoiled is not None and spoiled is self.running:
            self.running = None
            spoiled.lost()
            if spoiled.started:
                self.transport.close()
                return
        elif spoiled is not None:
            self.waiting.pop()
        if self.running is None:
            self._part(answer)
        else:
            self._parting = answer

    def _part(self, answer: bytes) -> None:
        self.transport.write(answer)
        self._linger()

    def _linger(self) -> None:
        self.stop_reading()
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.transport.write_eof()

    # The door's side

    @property
    def may_ask(self) -> bool:
        """Another request could still come this way."""
        return self.reading != DEAF

    def shutdown(self) -> None:
        """A drain begins: a connection without a request under way is closed."""
        if self.reading == BETWEEN and self.running is None:
            self._linger()

    def sweep(self, now: float) -> None:
        """Judge the age of the current state. `now` is the loop's clock."""
        age_s = now - self.since - self.limits.sweep_s
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes:
            self._sweep_unsent(unsent_bytes, now)
            return
        self._unsent = None
        if self.transport.is_closing():
            return
        if self.reading == BODY:
            self._sweep_body(age_s, now)
        elif self.reading == HEAD:
            if age_s > self.limits.head_s:
                self.refuse(RequestTimeout("The request headers did not arrive in time."))
        elif self.running is None and age_s > self.door.patience_s[self.reading]:
            if self.reading == DEAF:
                self.transport.abort()
            else:
                self._linger()

    def _sweep_unsent(self, unsent_bytes: int, now: float) -> None:
        """The reader must take something now and then. While it is behind, it is not expected to send."""
        self.since = now
        mark = (unsent_bytes, self._resumed, _unacknowledged_bytes(self.transport))
        if self._unsent is None or self._unsent[0] != mark:
            self._unsent = (mark, now)
        elif now - self._unsent[1] > self.limits.write_stall_s:
            self.transport.abort()

    def _sweep_body(self, age_s: float, now: float) -> None:
        """A body must move, and in the long run at a modest rate. While the app is not reading it, time stands still."""
        exchange, limits = self.latest, self.limits
        if exchange is None:
            return
        if self.flow.read_paused:
            self.since += limits.sweep_s
            self._arrived = (exchange.received_bytes, now)
            return
        received_bytes, at = self._arrived
        if exchange.received_bytes != received_bytes:
            self._arrived = (exchange.received_bytes, now)
        elif min(age_s, now - at - limits.sweep_s) > limits.body_s:
            self.refuse(RequestTimeout("The request body stopped arriving."))
        if age_s > limits.body_grace_s + exchange.received_bytes / limits.body_min_rate_bytes:
            self.refuse(RequestTimeout("The request body arrived too slowly."))


def _unacknowledged_bytes(transport: asyncio.Transport) -> int:
    """What the kernel still holds for the peer. Its buffers take megabytes, and ours only sees whether they are full:
    a reader at a kilobyte per second would look dead for many minutes."""
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(answer, sys.byteorder)


def _rendered(error: ApiError, date_line: bytes) -> bytes:
    body = error.body()
    fields = b"".join(b"%b: %b\r\n" % field for field in own_headers(error, new_id()))
    end = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return b"".join((status_line(error.status), date_line, fields, end, body))
