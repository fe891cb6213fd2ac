"""uvicorn's httptools connection with what an exposed port needs: deadlines, caps, one reading of a request, clean refusals.

Reading is a small state machine; the answer runs beside it (`running`), later requests wait in `pipeline`.

    FRESH ──first byte──► HEAD ──headers──► BODY ──end──► BETWEEN ──next request──► HEAD
    any   ──refused, or the last request of the connection was read──► DEAF (what comes is thrown away)

* Deadlines: nothing is armed per request. `sweep` compares the age of the current state, on the door's coarse clock.
* Caps: bytes are counted as they are fed, in pieces of 64 KiB, so a head is never held beyond limit + 64 KiB.
* A refusal belongs to the request it is about. Garbage *behind* a good request waits until that one has been answered;
  garbage *inside* a body ends that request. Then our side of the socket is shut, and reading goes on for a moment: a
  close with unread bytes makes the kernel send a reset, which destroys the refusal before the client has read it.
* End of file from the client counts as gone. FIN looks the same for `close()` and for `shutdown(SHUT_WR)`, and a model
  call nobody waits for costs money; nginx, Go and Envoy decide the same way. So a client must not half-close.
* Upgrade wishes (h2c from Java's client, websocket) are ignored, as HTTP allows: the request is served as HTTP/1.1.
  The parser cannot ignore them, so the head is fed again without the wish.
"""

import asyncio
import urllib.parse
from collections import deque
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from proxy.api import framing
from proxy.api.door import Door
from proxy.api.exchange import EXTENSION, Exchange
from proxy.errors import ApiError, BadRequest, HeadersTooLarge, RequestTimeout

# Indexes of Door.patience_s.
FRESH, BETWEEN, HEAD, BODY, DEAF = range(5)

PIECE_BYTES: Final = 65_536
_MALFORMED: Final = "The request could not be understood as HTTP/1.1."


class GuardedProtocol(HttpToolsProtocol):
    """One client connection. `server_state` must be a `Door`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # uvicorn lets bytes behind `connection: close` pass in silence; here they end reading like any other garbage.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=False)
        self.door = cast("Door", server_state)
        self.limits = self.door.limits
        self.reading = FRESH
        self.since = self.door.now
        self.running: Exchange | None = None
        self.latest: Exchange | None = None
        self.waiting: deque[tuple[Exchange, dict[str, Any]]] = deque()
        self.refusal: ApiError | None = None
        self.parting = b""
        self.seen = 0
        self.declared_bytes = 0
        self.expects_continue = False
        self.upgrading = False
        self.head_fed_bytes = 0
        self.framing_fed_bytes = 0
        self.progress = (0, self.since)
        self.unsent = (0, self.since)

    # Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.door.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.connections.discard(self)
        self.door.open.discard(self)
        self.reading = DEAF
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]  # as uvicorn does: it refers back to this object
        self._lose_exchanges()
        if self.door.draining:
            self.door.left()

    def eof_received(self) -> None:
        # Not only in connection_lost: that comes after the write buffer is flushed, which a stopped reader prevents.
        self.stop_reading()
        self._lose_exchanges()

    def _lose_exchanges(self) -> None:
        self.waiting.clear()
        exchange, self.running, self.latest = self.running, None, None
        if exchange is not None:
            exchange.lost()

    def stop_reading(self) -> None:
        self.reading = DEAF
        self.since = self.door.now
        if self.door.draining:
            self.door.left()

    @property
    def may_ask(self) -> bool:
        """Another request could still come this way."""
        return self.reading != DEAF

    # Bytes in

    def data_received(self, data: bytes) -> None:
        if len(data) <= PIECE_BYTES:
            self._feed(data)
            return
        view = memoryview(data)
        for at in range(0, len(data), PIECE_BYTES):
            self._feed(view[at : at + PIECE_BYTES])

    def _feed(self, data: bytes | memoryview) -> None:
        if self.reading == DEAF:
            return
        self.framing_fed_bytes += len(data)
        self.head_fed_bytes = len(data) + (self.head_fed_bytes if self.reading == HEAD else 0)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed_without_upgrade(data, upgrade.args[0])
        except httptools.HttpParserError:
            self.refuse(self.refusal or BadRequest(_MALFORMED))
        else:
            if self.reading == HEAD and self.head_fed_bytes > self.limits.head_bytes + PIECE_BYTES:
                self.refuse(self._too_large())
            elif self.reading == BODY and self.framing_fed_bytes > self.limits.framing_bytes + PIECE_BYTES:
                self.refuse(BadRequest("Too many bytes between the chunks of the body."))

    def _feed_without_upgrade(self, data: bytes | memoryview, at: int) -> None:
        self.upgrading = False
        version = self.parser.get_http_version().encode()
        head = framing.without_upgrade(self.method, self.url, version, self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.reading = BETWEEN
        self._feed(head)
        if at < len(data):
            self._feed(data[at:])

    def _too_large(self) -> ApiError:
        limits = self.limits
        return HeadersTooLarge(
            f"Request headers are limited to {limits.head_bytes} bytes in {limits.head_fields} fields, "
            f"the request line to {limits.target_bytes} bytes."
        )

    def _stop(self, error: ApiError) -> ApiError:
        """Raised inside a parser callback; the parser swallows it, so it is kept for `_feed`."""
        self.refusal = error
        return error

    # Parser callbacks

    def on_message_begin(self) -> None:
        if self.reading == DEAF:
            raise self._stop(BadRequest(_MALFORMED))
        if self.reading != FRESH:
            self.since = self.door.now
        self.reading = HEAD
        self.url = b""
        self.headers = []
        self.seen = self.declared_bytes = 0
        self.expects_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.reading != HEAD:
            return  # a trailer: by then the app has its headers, and nothing may be added to them
        name = name.lower()
        value = value.rstrip()
        headers = self.headers
        headers.append((name, value))
        if len(headers) > self.limits.head_fields:
            raise self._stop(self._too_large())
        if name in _WATCHED:
            self._watch(name, value)

    def _watch(self, name: bytes, value: bytes) -> None:
        try:
            if name == b"host":
                self.seen = framing.seen_host(self.seen, value)
            elif name == b"content-length":
                self.seen = framing.seen_length(self.seen, value)
                self.declared_bytes = int(value)
            elif name == b"transfer-encoding":
                self.seen = framing.seen_coding(self.seen, value)
            elif value.lower() == b"100-continue":
                self.expects_continue = True
            else:
                raise BadRequest("The only expectation met here is '100-continue'.")
        except ApiError as error:
            self.refusal = error
            raise

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        self.method = method = parser.get_method()
        self._check_head(version, method)
        if parser.should_upgrade():
            self.upgrading = True
            return
        self.reading = BODY
        self.framing_fed_bytes = 0
        self.progress = (0, self.door.now)
        exchange = Exchange(
            self,
            head_only=method == b"HEAD",
            old=version == "1.0",
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            declared_bytes=None if self.seen & framing.CHUNKED else self.declared_bytes,
        )
        exchange.expects_continue = self.expects_continue and version == "1.1"
        self.latest = exchange
        scope = self._scope_of(version, method, exchange)
        if self.running is None:
            self.running = exchange
            exchange.start(self.app, scope)
        else:
            self.waiting.append((exchange, scope))

    def _check_head(self, version: str, method: bytes) -> None:
        limits = self.limits
        try:
            framing.check_request_line(version, method, self.url, self.seen)
        except BadRequest as error:
            raise self._stop(error) from None
        if len(self.url) > limits.target_bytes:
            raise self._stop(self._too_large())
        # The bytes fed are an upper bound; only a head that might be too large is added up.
        if self.head_fed_bytes > limits.head_bytes:
            head_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if head_bytes > limits.head_bytes:
                raise self._stop(self._too_large())
        if len(self.waiting) >= limits.pipelined:
            raise self._stop(BadRequest("Too many requests were sent ahead on one connection."))

    def _scope_of(self, version: str, method: bytes, exchange: Exchange) -> dict[str, Any]:
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": method.decode("ascii"),
            "root_path": "",
            "path": urllib.parse.unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": {},
            "extensions": {EXTENSION: exchange},
        }

    def on_body(self, body: bytes) -> None:
        self.framing_fed_bytes = 0
        if self.latest is not None and not self.upgrading:
            self.latest.feed(body)

    def on_message_complete(self) -> None:
        if self.upgrading:
            return
        self.reading = BETWEEN
        self.since = self.door.now
        exchange = self.latest
        if exchange is not None:
            exchange.feed_end()
            if not exchange.keep_alive:
                self.stop_reading()

    # Answers

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
        elif self.parting:
            self._part(self.parting)
        else:
            self.since = self.door.now

    def refuse(self, error: ApiError) -> None:
        """Answer `error` in its turn, then close. Every exchange whose request was read in full is served first."""
        if self.reading == DEAF:
            return
        spoiled = self.latest if self.reading == BODY else None
        self.stop_reading()
        answer = _rendered(error, self.door.date_line)
        if spoiled is not None and spoiled is self.running:
            self.running = self.latest = None
            spoiled.lost()
            if spoiled.started:
                self.transport.close()
            else:
                self._part(answer)
            return
        if spoiled is not None:
            self.waiting.pop()
            self.latest = None
        if self.running is not None:
            self.parting = answer
        else:
            self._part(answer)

    def _part(self, answer: bytes) -> None:
        self.transport.write(answer)
        self._linger()

    def _linger(self) -> None:
        self.stop_reading()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # The door's side

    def sweep(self, now: float) -> None:
        """Judge the age of the current state. `now` is the loop's clock."""
        slack = self.limits.sweep_s
        if self.transport.get_write_buffer_size():
            self._sweep_unsent(now)
        elif self.reading == BODY:
            self._sweep_body(now, slack)
        elif self.reading == HEAD:
            if now - self.since > self.limits.head_s + slack:
                self.refuse(RequestTimeout("The request headers did not arrive in time."))
        elif self.running is None and now - self.since > self.door.patience_s[self.reading] + slack:
            self._close_or_abort()

    def _close_or_abort(self) -> None:
        if self.reading == DEAF:
            self.transport.abort()
        else:
            self.stop_reading()
            self.transport.close()

    def _sweep_unsent(self, now: float) -> None:
        self.since = now
        size, at = self.unsent
        left = self.transport.get_write_buffer_size()
        if left != size:
            self.unsent = (left, now)
        elif now - at > self.limits.write_stall_s:
            self.transport.abort()

    def _sweep_body(self, now: float, slack: float) -> None:
        """A body must move, and in the long run at a modest rate. While the app is not reading it, time stands still."""
        exchange, limits = self.latest, self.limits
        if exchange is None or self.flow.read_paused:
            self.since, self.progress = self.since + slack, (self.progress[0], now)
            return
        received, at = self.progress
        if exchange.received_bytes != received:
            self.progress = (exchange.received_bytes, now)
        elif now - at > limits.body_s + slack:
            self.refuse(RequestTimeout("The request body stopped arriving."))
            return
        if (
            now - self.since
            > limits.body_grace_s + slack + exchange.received_bytes / limits.body_min_rate_bytes
        ):
            self.refuse(RequestTimeout("The request body arrived too slowly."))

    def shutdown(self) -> None:
        """A drain begins: a connection without a request under way is closed."""
        if self.reading == BETWEEN and self.running is None:
            self.stop_reading()
            self.transport.close()


_WATCHED: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})


def _rendered(error: ApiError, date_line: bytes) -> bytes:
    body = error.body()
    fields = b"".join(b"%b: %b\r\n" % field for field in error.headers())
    return b"HTTP/1.1 %d Refused\r\n%b%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        error.status,
        date_line,
        fields,
        len(body),
        body,
    )
