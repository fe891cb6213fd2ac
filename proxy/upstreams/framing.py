"""Bytes from an upstream to a response: httptools' callbacks, and what they mean for the connection.

The parser finds heads, chunks and ends; this adds what it cannot know or will not refuse: interim answers are skipped, a
HEAD has no body, upgrades and odd statuses are faults, headers have a size, other transfer encodings than chunked are
not ours, and bytes behind a complete response spoil the connection (never the response).

Nothing is raised through the parser: a callback records a fault and `feed` returns it.
"""

import re
import time
from operator import itemgetter
from typing import Final

import httptools

from proxy.chunked import framed
from proxy.upstreams.decoding import Decoder
from proxy.upstreams.http_errors import BadResponse, UpstreamError, UpstreamProtocolError
from proxy.upstreams.response import BODY, Response

MAX_HEAD_BYTES: Final = 64 * 1024
"""The most a response may send without sending body: head, interim answers, chunk extensions, trailers."""

_TELLING: Final = frozenset({b"content-encoding", b"content-length", b"keep-alive", b"transfer-encoding"})
_LENGTH_ALONE: Final = frozenset({b"content-length"})
_name: Final = itemgetter(0)
_HINT: Final = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*(\d{1,6})", re.IGNORECASE).search
_HINT_SHARE: Final = 0.8  # of the server's announced idle time: its clock started earlier than ours
_FLOOD: Final = (BadResponse, "the upstream sends headers without end")
_NOT_HTTP: Final = (BadResponse, "the upstream's response is not HTTP/1.1")


class Framing:
    """One connection's parser. `exchange` is the response under way, to a `method`; `keep_alive`, `ends_with_close` and
    `idle_hint_s` speak of it. While `between_chunks`, a whole frame may be read by others and the parser need not know."""

    __slots__ = (
        "_fault",
        "_headers",
        "_interim",
        "_parser",
        "_pieces",
        "_silent_bytes",
        "between_chunks",
        "ends_with_close",
        "exchange",
        "idle_hint_s",
        "keep_alive",
        "method",
        "on_body",
    )

    def __init__(self) -> None:
        # A fast stream brings hundreds of chunks a read: the parser puts them here itself.
        self._pieces: list[bytes] = []
        self.on_body: Final = self._pieces.append
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.exchange: Response | None = None
        self._fault: tuple[type[UpstreamError], str] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self.method = b""
        self._interim = False
        self._silent_bytes = 0
        self.keep_alive = False
        self.ends_with_close = False
        self.between_chunks = False
        self.idle_hint_s: float | None = None

    def begin(self, exchange: Response, method: bytes) -> None:
        """The next response answers `method` and fills `exchange`."""
        self.exchange = exchange
        self.method = method
        self._silent_bytes = 0
        self.keep_alive = self.ends_with_close = False

    def release(self) -> None:
        """The connection is over; parser and callbacks refer to each other."""
        self._parser = None

    @property
    def untouched(self) -> bool:
        """Not a byte of a response has come."""
        return self._silent_bytes == 0

    def feed(self, data: bytes) -> tuple[type[UpstreamError], str] | None:
        """Parse what came. A fault counts only while the response is not complete."""
        self._silent_bytes += len(data)
        if self._parser is None:
            return _NOT_HTTP
        pieces = self._pieces
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.keep_alive = self.between_chunks = False
            return self._fault or _NOT_HTTP
        else:
            # Where a chunk was open before, or is one now, the parser found another body in these bytes, with one exception:
            # a size line again and again, of which the body ends with a digit.
            alone = len(pieces) == 1 and pieces[0].endswith(b"\n")
            self.between_chunks = alone and framed(data) == pieces[0]
        finally:
            if pieces:
                self._hand_over()
        if self._silent_bytes > MAX_HEAD_BYTES:
            return self._fault or _FLOOD
        return self._fault

    def on_message_begin(self) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.complete:
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        exchange, parser, headers = self.exchange, self._parser, self._headers
        self._headers = []
        if exchange is None or parser is None or exchange.complete:
            return
        status = parser.get_status_code()
        if not 200 <= status <= 599:
            if 100 <= status < 200 and status != 101:
                self._interim = True
                return
            self._fault = (BadResponse, f"the upstream answered with status {status}")
        elif self._silent_bytes > MAX_HEAD_BYTES and _size(headers) > MAX_HEAD_BYTES:
            self._fault = _FLOOD
        else:
            self.keep_alive = parser.should_keep_alive()
            encoding, head_only = self._read(headers), self.method == b"HEAD"
            if encoding and encoding != b"identity" and not (head_only or status in (204, 304)):
                headers = self._decode(exchange, encoding, headers)
            if self._fault is None:
                exchange.status, exchange.headers = status, headers
                exchange.first_byte_s = time.monotonic()
                exchange.phase = BODY
                if head_only:
                    # The parser cannot be told that no body follows, so its state is worth nothing afterwards.
                    exchange.complete, self.keep_alive = True, False

    def on_message_complete(self) -> None:
        exchange = self.exchange
        if self._interim:
            self._interim = False
        elif exchange is not None and exchange.phase is BODY:
            if self._pieces:  # what comes behind them is not of this response
                self._hand_over()
            exchange.complete = True

    def _hand_over(self) -> None:
        """What came of the body goes to the response; what no response is there for is nobody's."""
        self._silent_bytes = 0
        exchange = self.exchange
        if exchange is not None and not exchange.complete:
            exchange.parts += self._pieces
        self._pieces.clear()

    def _read(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Learn how the body ends; return how it is packed."""
        telling = _TELLING.intersection(map(_name, headers))
        if telling == _LENGTH_ALONE:
            return b""
        framed, encoding = self.keep_alive, b""
        for name, value in headers:
            if name not in telling:
                continue
            if name == b"content-length":
                framed = True
            elif name == b"content-encoding":
                encoding = encoding + b"," + value if encoding else value.strip().lower()
            elif name == b"keep-alive":
                hint = _HINT(value)
                self.idle_hint_s = int(hint[1]) * _HINT_SHARE if hint else None
            elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                self._fault = (BadResponse, "the upstream used a transfer encoding other than chunked")
            else:
                framed = True
        self.ends_with_close = not framed
        return encoding

    def _decode(
        self, exchange: Response, encoding: bytes, headers: list[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        """Put a decoder between body and reader; the headers without what spoke of the packed body."""
        try:
            exchange.decoder = Decoder(encoding)
        except UpstreamProtocolError as error:
            self._fault = (UpstreamProtocolError, str(error))
        return [header for header in headers if header[0] not in (b"content-encoding", b"content-length")]


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)
