"""The head of a request as bytes, and the refusal of anything that could start a second one.

Framing is ours alone: `host`, `connection`, `transfer-encoding` and friends given by a caller are refused, not merged,
and `content-length` is taken only for a streamed body, whose length only the caller can know.
"""

import re
from collections.abc import Sequence
from typing import Final

from proxy.upstreams.origin import Origin

Header = tuple[bytes, bytes]
CHUNKED: Final = -1
"""The length of a streamed body nobody knows."""

_FRAMING: Final = frozenset(
    {
        b"host",
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"te",
        b"trailer",
        b"upgrade",
    }
)
_TARGET: Final = re.compile(rb"[\x21-\x7e]*").fullmatch
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_BARE: Final = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"})


class RequestHeads:
    """Builds heads for one origin. The parts that never change are prepared once."""

    __slots__ = ("_after_target", "_before_target")

    def __init__(self, origin: Origin) -> None:
        before, after = origin.base_path, b" HTTP/1.1\r\nhost: " + origin.authority + b"\r\n"
        if origin.proxy is not None and origin.tls is None:
            before = b"http://" + origin.authority + before
            if origin.proxy.authorization:
                after += b"proxy-authorization: " + origin.proxy.authorization + b"\r\n"
        self._before_target = before
        self._after_target = after

    def build(self, method: bytes, target: bytes, headers: Sequence[Header], length: int) -> bytes:
        """The head with its blank line. `length` is the body's, or `CHUNKED`.

        Raises ValueError when method, target or a header could not be sent as one line of its own.
        """
        if not _TOKEN(method) or not _TARGET(target):
            raise ValueError("the method or target has characters that are not allowed there")
        lines = [method + b" " + self._before_target + target + self._after_target]
        encoding = b"accept-encoding: identity\r\n"
        for name, value in headers:
            lowered = name.lower()
            if lowered == b"accept-encoding":
                encoding = b""
            elif lowered == b"content-length":
                continue
            elif lowered in _FRAMING:
                raise ValueError("a framing header was given by the caller")
            lines.append(b"%s: %s\r\n" % (name, value))
        lines.append(encoding)
        if length == CHUNKED:
            lines.append(b"transfer-encoding: chunked\r\n")
        elif length or method not in _BARE:
            lines.append(b"content-length: %d\r\n" % length)
        lines.append(b"\r\n")
        head = b"".join(lines)
        _one_line_each(head, headers)
        return head


def declared_length(headers: Sequence[Header]) -> int:
    """The `content-length` of a streamed body, or `CHUNKED` when none is given. Raises ValueError."""
    values = [value for name, value in headers if name.lower() == b"content-length"]
    if not values:
        return CHUNKED
    if len(values) > 1 or not values[0].isdigit():
        raise ValueError("content-length is one decimal number")
    return int(values[0])


def _one_line_each(head: bytes, headers: Sequence[Header]) -> None:
    """Counting is enough: an injected CR, LF or NUL shows as one more than the lines we wrote, at C speed."""
    ends = head.count(b"\r\n")
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\x00" in head:
        raise ValueError("a header has a CR, LF or NUL")
    for name, value in headers:
        if b"\n" in value or not _TOKEN(name):
            raise ValueError("a header has a CR, LF or NUL, or a name that is no token")
