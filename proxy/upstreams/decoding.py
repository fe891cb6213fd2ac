"""Content encodings undone while the body passes: gzip and deflate, nothing else.

We ask for `identity`; some servers compress all the same. A decoder gives at most `PIECE_BYTES` at a time and keeps the
rest compressed, so a small body that unpacks to gigabytes costs memory only as fast as the reader takes it (and
`read_all` stops it at its limit).
"""

import zlib
from typing import Final

from proxy.upstreams.http_errors import BadResponse, UpstreamProtocolError

PIECE_BYTES: Final = 256 * 1024
_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15


class Decoder:
    """Decodes one body. `more` is True while output is still owed for input already given."""

    __slots__ = ("_engine", "_held", "_kind", "more")

    def __init__(self, encoding: bytes) -> None:
        """Raises UpstreamProtocolError for an encoding that is not spoken here."""
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise UpstreamProtocolError("the upstream used a content encoding nobody asked for")
        self._kind = _ZLIB if encoding == b"deflate" else _GZIP
        self._engine: zlib._Decompress | None = None
        self._held = b""
        self.more = False

    def decode(self, data: bytes) -> bytes:
        """Up to `PIECE_BYTES` of plain text from what is held and `data`. Raises BadResponse."""
        data = self._held + data if self._held else data
        engine = self._engine
        if engine is None or engine.eof:
            data = data if engine is None else data.lstrip(b"\0")
            if not data:
                self._held, self.more = b"", False
                return b""
            engine = self._engine = zlib.decompressobj(self._window(data))
        try:
            piece = engine.decompress(data, PIECE_BYTES)
        except zlib.error:
            raise BadResponse("the upstream's compressed body is damaged") from None
        self._held = engine.unused_data if engine.eof else engine.unconsumed_tail
        self.more = bool(self._held) or (len(piece) == PIECE_BYTES and not engine.eof)
        return piece

    def finish(self) -> None:
        """The body is over. Raises BadResponse when the compressed data is not."""
        if self._engine is not None and not self._engine.eof:
            raise BadResponse("the upstream's compressed body ends early")

    def _window(self, data: bytes) -> int:
        """`deflate` is zlib data by the standard and raw by old servers' habit; a zlib header starts with method 8."""
        if self._kind == _ZLIB and data[0] & 0x0F != 8:
            return _RAW
        return self._kind
