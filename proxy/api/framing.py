"""Which request heads are read, as pure rules. Everything else is a 400 and the end of the connection.

llhttp already refuses: CL with TE, repeated or signed Content-Length, bare LF or CR, obs-fold, NUL, space before the
colon, bad chunk sizes, the HTTP/2 preface. It lets pass, and these rules refuse: versions other than 1.0 and 1.1,
Transfer-Encoding other than exactly `chunked` or on 1.0, a missing, second or malformed Host, CONNECT, and targets
that are not a path (absolute form, `*`, fragments). One reading of a request is then the only reading: a
front proxy cannot be made to see other borders between requests than we do (RFC 9112 sections 3.2, 6 and 11.2).
"""

import re

from proxy.errors import BadRequest

_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_TARGET = re.compile(rb"/[!$-~\"]*")

HOST, LENGTH, CHUNKED = 1, 2, 4

_UPGRADE_FIELDS = frozenset({b"upgrade", b"http2-settings", b"connection"})


def seen_host(seen: int, value: bytes) -> int:
    """`seen` with HOST added. Raises BadRequest for a second or malformed Host."""
    if seen & HOST or not _HOST.fullmatch(value):
        raise BadRequest("The Host header is malformed or repeated.")
    return seen | HOST


def seen_length(seen: int, value: bytes) -> int:
    """`seen` with LENGTH added. Raises BadRequest unless this is the only framing header and plain digits."""
    if seen & (LENGTH | CHUNKED) or not value.isdigit() or len(value) > 15:
        raise BadRequest("The Content-Length header is malformed or repeated.")
    return seen | LENGTH


def seen_coding(seen: int, value: bytes) -> int:
    """`seen` with CHUNKED added. Raises BadRequest unless this is the only framing header and says `chunked`."""
    if seen & (LENGTH | CHUNKED) or value.lower() != b"chunked":
        raise BadRequest("Only 'Transfer-Encoding: chunked' without a Content-Length is accepted.")
    return seen | CHUNKED


def check_request_line(version: str, method: bytes, target: bytes, seen: int) -> None:
    """Raises BadRequest unless version, method, target and the framing headers `seen` make one plain request."""
    if version != "1.1" and (version != "1.0" or seen & CHUNKED):
        raise BadRequest("Only HTTP/1.1 and HTTP/1.0 without transfer codings are spoken here.")
    if not seen & HOST and version == "1.1":
        raise BadRequest("The Host header is missing.")
    if method == b"CONNECT" or not _TARGET.fullmatch(target):
        raise BadRequest("The request target must be a path.")


def without_upgrade(method: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    """The same request head without its wish to leave HTTP/1.1. Of `connection` only `close` is kept."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, target, version)]
    for name, value in fields:
        if name not in _UPGRADE_FIELDS:
            lines.append(b"%b: %b\r\n" % (name, value))
        elif name == b"connection" and b"close" in value.lower():
            lines.append(b"connection: close\r\n")
    return b"".join([*lines, b"\r\n"])
