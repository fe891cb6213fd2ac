"""Which request heads are read, as pure rules. Everything else is a 400 and the end of the connection.

llhttp already refuses: CL with TE, repeated or signed Content-Length, bare LF or CR, obs-fold, NUL, space before the
colon, bad chunk sizes, the HTTP/2 preface. It lets pass, and these rules refuse: versions other than 1.0 and 1.1,
Transfer-Encoding other than exactly `chunked` or on 1.0, a missing, second or malformed Host, CONNECT, and targets
that are not a path (absolute form, `*`, fragments). One reading of a request is then the only reading: a
front proxy cannot be made to see other borders between requests than we do (RFC 9112 sections 3.2, 6 and 11.2).
"""

import re
from collections.abc import Sequence

from proxy.errors import BadRequest
from proxy.headers import Header

_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_TARGET = re.compile(rb"/[!$-~\"]*")

_ONCE = (b"host", b"content-length", b"transfer-encoding")

_UPGRADE_FIELDS = frozenset({b"upgrade", b"http2-settings", b"connection"})


def check_request_line(version: str, method: bytes, target: bytes) -> None:
    """Raises BadRequest unless these are a version spoken here, a method and a path."""
    if version not in ("1.1", "1.0"):
        raise BadRequest("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if method == b"CONNECT" or not _TARGET.fullmatch(target):
        raise BadRequest("The request target must be a path.")


def body_length(version: str, fields: Sequence[Header], named: dict[bytes, bytes]) -> int | None:
    """How many bytes follow a head with these fields (`named`: the last of each name); None for a chunked body.

    Raises BadRequest unless host, length and coding make one plain request.
    """
    if len(named) < len(fields):  # some field comes twice: which is no matter for most of them
        names = [name for name, _ in fields]
        if any(names.count(name) > 1 for name in _ONCE):
            raise BadRequest("The Host header or one about the body's length is repeated.")
    host = named.get(b"host")
    if host is None:
        if version == "1.1":
            raise BadRequest("The Host header is missing.")
    elif not _HOST.fullmatch(host):
        raise BadRequest("The Host header is malformed.")
    length = named.get(b"content-length")
    if b"transfer-encoding" in named:
        coding = named[b"transfer-encoding"].lower()
        if length is not None or coding != b"chunked" or version != "1.1":
            raise BadRequest("Only 'Transfer-Encoding: chunked' without a Content-Length is accepted.")
        return None
    return 0 if length is None else length_of(length)


def length_of(value: bytes) -> int:
    """The bytes that a Content-Length promises. Raises BadRequest for one that is no plain number."""
    if not value.isdigit() or len(value) > 15:
        raise BadRequest("The Content-Length header is malformed.")
    return int(value)


def wants_continue(fields: Sequence[Header]) -> bool:
    """The client, who expects something, waits for a `100 Continue`. Raises BadRequest for any other expectation."""
    if any(name == b"expect" and value.lower() != b"100-continue" for name, value in fields):
        raise BadRequest("The only expectation met here is '100-continue'.")
    return True


def coding_of(fields: Sequence[Header]) -> str:
    """What a body is encoded with, as the head says it; `""` for nothing."""
    said = b",".join([value for name, value in fields if name == b"content-encoding"]).decode("latin-1")
    codings = [coding.strip().lower() for coding in said.split(",")]
    return ", ".join([coding for coding in codings if coding not in ("", "identity")])


def without_upgrade(method: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    """The same request head without its wish to leave HTTP/1.1. Of `connection` only `close` is kept."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, target, version)]
    for name, value in fields:
        if name not in _UPGRADE_FIELDS:
            lines.append(b"%b: %b\r\n" % (name, value))
        elif name == b"connection" and b"close" in value.lower():
            lines.append(b"connection: close\r\n")
    return b"".join([*lines, b"\r\n"])
