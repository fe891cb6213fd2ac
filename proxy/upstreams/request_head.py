"""The head of a request as bytes, and the refusal of anything that could start a second one.

Framing is ours alone: `host`, `connection`, `transfer-encoding` and friends given by a caller are refused, not merged,
and `content-length` is taken only for a streamed body, whose length only the caller can know.
"""

import re
from collections.abc import Sequence
from typing import Final

from proxy.headers import CR, LF, NUL, Header
from proxy.upstreams.origin import Origin

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
_TARGETS: Final = frozenset({b"/chat/completions", b"/responses", b"/embeddings"})
_METHODS: Final = frozenset({b"POST", b"GET", b"DELETE"})
_MAX_LISTS: Final = 500  # names come from short allow-lists; more would be somebody playing
_MAX_LIST_BYTES: Final = 1000
_BARE: Final = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"})


class RequestHeads:
    """Builds heads for one origin. What never changes is prepared once, and a list of header names is judged once."""

    __slots__ = ("_after_target", "_before_target", "_lines")

    def __init__(self, origin: Origin) -> None:
        before, after = origin.base_path, b" HTTP/1.1\r\nhost: " + origin.authority
        if origin.proxy is not None and origin.tls is None:
            before = b"http://" + origin.authority + before
            if origin.proxy.authorization:
                after += b"\r\nproxy-authorization: " + origin.proxy.authorization
        self._before_target = b" " + before
        self._after_target = after
        self._lines: dict[tuple[bytes, ...], bytes] = {}

    def build(self, method: bytes, target: bytes, headers: Sequence[Header], length: int) -> bytes:
        """The head with its blank line. `length` is the body's, or `CHUNKED`.

        Raises ValueError when method, target or a header could not be sent as one line of its own.
        """
        if not (method in _METHODS or _TOKEN(method)) or not (target in _TARGETS or _TARGET(target)):
            raise ValueError("the method or target has characters that are not allowed there")
        names, values = zip(*headers, strict=True) if headers else ((), ())
        lines = self._lines.get(names)
        if lines is None:
            lines = self._judged(names)
        text = b"".join(values)
        if CR in text or LF in text or NUL in text:  # whatever could end a line
            raise ValueError("a header value has a CR, LF or NUL")
        if length == CHUNKED:
            framing = b"\r\ntransfer-encoding: chunked\r\n\r\n"
        elif length or method not in _BARE:
            framing = b"\r\ncontent-length: %d\r\n\r\n" % length
        else:
            framing = b"\r\n\r\n"
        begin = self._before_target, target, self._after_target
        return b"".join((method, *begin, lines % values, framing))

    def _judged(self, names: tuple[bytes, ...]) -> bytes:
        """The lines for these header names, with `%b` where a value belongs. Callers send the same few lists of them again
        and again."""
        lines = b"".join([_judge(name) for name in names])
        if b"accept-encoding" not in [name.lower() for name in names]:
            lines += b"\r\naccept-encoding: identity"
        if len(self._lines) < _MAX_LISTS and sum(map(len, names)) <= _MAX_LIST_BYTES:
            self._lines[names] = lines
        return lines


def _judge(name: bytes) -> bytes:
    """The line of a header with this name: refused, as it is spelt, or nothing of it where it is ours to write."""
    lowered = name.lower()
    if lowered in _FRAMING or not _TOKEN(name):
        raise ValueError("a header name is no token, or a framing header was given by the caller")
    if lowered == b"content-length":
        return b"%.0b"  # no byte of the value
    spelt = lowered if lowered == b"accept-encoding" else name
    return b"\r\n" + spelt.replace(b"%", b"%%") + b": %b"


def declared_length(headers: Sequence[Header]) -> int:
    """The `content-length` of a streamed body, or `CHUNKED` when none is given. Raises ValueError."""
    values = [value for name, value in headers if name.lower() == b"content-length"]
    if not values:
        return CHUNKED
    if len(values) > 1 or not values[0].isdigit():
        raise ValueError("content-length is one decimal number")
    return int(values[0])
