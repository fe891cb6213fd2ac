"""Bytes in, requests out: uvicorn's httptools connection with caps, and one reading only of what a client sent.

    FRESH ──first byte──► HEAD ──headers──► BODY ──end──► BETWEEN ──next request──► HEAD
    any   ──refused, gone, or the last request of the connection was read──► DEAF (what comes is thrown away)

* Bytes are counted as they are fed, in pieces of 32 KiB, so a head is never held beyond the limit + 64 KiB.
* Upgrade wishes (h2c from Java's client, websocket) are ignored, as HTTP allows: the request is served as HTTP/1.1.
  The parser cannot ignore them, so the head is fed again without the wish.
* Trailers are dropped: by then the app has its headers, and nothing may be added to them.
"""

import asyncio
import urllib.parse
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from proxy.api import framing
from proxy.api.door import Door
from proxy.api.exchange import EXTENSION, Exchange
from proxy.api.heading import Heading
from proxy.errors import ApiError, BadRequest, HeadersTooLarge
from proxy.headers import Header

# Indexes of Door.patience_s.
FRESH, BETWEEN, HEAD, BODY, DEAF = range(5)

PIECE_BYTES: Final = 32_768
_MALFORMED: Final = "The request could not be understood as HTTP/1.1."
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


class ReadingProtocol(HttpToolsProtocol):
    """The reading half of one client connection. `server_state` must be a `Door`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # uvicorn lets bytes behind `connection: close` pass in silence; here nothing is fed once that was read.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=False)
        self.door = cast("Door", server_state)
        self.limits = self.door.limits
        self.reading = FRESH
        self.since = self.door.now
        self.latest: Exchange | None = None
        self._method = b""
        self._upgrading = False
        self._refusal: ApiError | None = None
        self._head_fed_bytes = 0
        self._framing_fed_bytes = 0
        self._heading: Heading | None = None  # of the last request, and the scope of all that repeat it
        self._template: dict[str, Any] = {}

    # For the answering half

    def take(self, exchange: Exchange, scope: dict[str, Any]) -> None:
        """A request's head was read. Raises BadRequest when too many are waiting already."""
        raise NotImplementedError

    def refuse(self, error: ApiError) -> None:
        """What was read last cannot be served."""
        raise NotImplementedError

    def stop_reading(self) -> None:
        self.reading = DEAF
        self.since = self.door.now
        if self.door.draining:
            self.door.left()

    # Bytes

    def data_received(self, data: bytes) -> None:
        if len(data) <= PIECE_BYTES or self._is_all_body(len(data)):
            self._feed(data)
            return
        view = memoryview(data)
        for at in range(0, len(data), PIECE_BYTES):
            self._feed(view[at : at + PIECE_BYTES])

    def _is_all_body(self, size_bytes: int) -> bool:
        """The next bytes cannot hold the head of another request."""
        exchange = self.latest
        return (
            self.reading == BODY
            and exchange is not None
            and exchange.declared_bytes is not None
            and exchange.declared_bytes - exchange.received_bytes >= size_bytes
        )

    def _feed(self, data: bytes | memoryview) -> None:
        if self.reading == DEAF:
            return
        self._framing_fed_bytes += len(data)
        self._head_fed_bytes = len(data) + (self._head_fed_bytes if self.reading == HEAD else 0)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed_without_upgrade(data, upgrade.args[0])
        except httptools.HttpParserError:
            self.refuse(self._refusal or BadRequest(_MALFORMED))
        else:
            # The first piece may have begun with the end of another request: it counts for nothing until a second.
            if self.reading == HEAD and self._swells():
                self.refuse(self._too_large())
            elif self.reading == BODY and self._framing_fed_bytes > self.limits.framing_bytes + PIECE_BYTES:
                self.refuse(BadRequest("Too many bytes between the chunks of the body."))

    def _swells(self) -> bool:
        """An unfinished head is longer than any may be, or has more fields."""
        limits = self.limits
        return (
            self._head_fed_bytes > limits.head_bytes + PIECE_BYTES or len(self.headers) > limits.head_fields
        )

    def _feed_without_upgrade(self, data: bytes | memoryview, at: int) -> None:
        self._upgrading = False
        version = self.parser.get_http_version().encode()
        fields = [(name.lower(), value) for name, value in self.headers]
        head = framing.without_upgrade(self._method, self.url, version, fields)
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

    # Parser callbacks. The parser swallows what they raise, so `_feed` finds it in `_refusal`.

    def on_message_begin(self) -> None:
        if self.reading == DEAF:
            raise BadRequest(_MALFORMED)
        if self.reading != FRESH:
            self.since = self.door.now
        self.reading = HEAD
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.reading == HEAD:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        self._method = self.parser.get_method()
        try:
            heading, fields = self._heading_of(version)
            exchange = self._exchange(heading, fields)
            if self.parser.should_upgrade():
                self._upgrading = True
                return
            scope = self._template.copy()
            scope["headers"], scope["extensions"] = fields, {EXTENSION: exchange}
            self.take(exchange, scope)
        except ApiError as error:
            self._refusal = error
            raise
        self.latest = exchange
        self.reading = BODY
        self.since = self.door.now
        self._framing_fed_bytes = 0

    def _heading_of(self, version: str) -> tuple[Heading, list[Header]]:
        """The heading of the request that is read, and its fields. Raises BadRequest, HeadersTooLarge."""
        heading, raw = self._heading, self.headers
        if heading is not None:
            fields = heading.repeated(version, self._method, self.url, raw)
            if fields is not None:
                return heading, fields
        self._check_size()
        heading = self._heading = Heading(version, self._method, self.url, raw)
        self._template = self._scope(version)
        return heading, heading.fields

    def _check_size(self) -> None:
        limits = self.limits
        if len(self.headers) > limits.head_fields or len(self.url) > limits.target_bytes:
            raise self._too_large()
        # The bytes fed are an upper bound; only a head that might be too large is added up.
        if self._head_fed_bytes > limits.head_bytes:
            head_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if head_bytes > limits.head_bytes:
                raise self._too_large()

    def _exchange(self, heading: Heading, fields: list[Header]) -> Exchange:
        carrier: Any = self  # the answering half
        return Exchange(
            carrier,
            heading,
            head_only=self._method == b"HEAD",
            keep_alive=heading.modern and self.parser.should_keep_alive(),
            declared_bytes=heading.body_bytes(fields),
        )

    def _scope(self, version: str) -> dict[str, Any]:
        """A request's ASGI scope, but for what is its own."""
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": self._method.decode("ascii"),
            "root_path": "",
            "path": urllib.parse.unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
        }

    def on_body(self, body: bytes) -> None:
        self._framing_fed_bytes = 0
        if self.latest is not None:
            self.latest.feed(body)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self.reading = BETWEEN
        self.since = self.door.now
        exchange = self.latest
        if exchange is not None:
            exchange.feed_end()
            if not exchange.keep_alive:
                self.stop_reading()
