"""How an answer's head is written and its body delimited, as pure functions.

Framing is ours: Content-Length if the app gives one, else chunked, else (HTTP/1.0) until the connection closes. What the
app says about `transfer-encoding` is dropped, of `connection` only `close` counts.
"""

import http
from collections.abc import Iterable, Sequence
from typing import Final

from proxy.headers import CR, LF, NUL

_STRAY: Final = "A header of the answer contains a line end or NUL"  # it would start a field, or an answer

# How the body is delimited.
UNSTARTED, NONE, LENGTH, CHUNKED, UNTIL_CLOSE = range(5)

BODYLESS: Final = (204, 304)
CHUNKED_LINE: Final = b"transfer-encoding: chunked\r\n"

_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in http.HTTPStatus
}


def status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def answer_head(
    status: int,
    fields: Iterable[tuple[bytes, bytes]],
    date_line: bytes,
    *,
    head_only: bool,
    old: bool,
    close: bool,
) -> tuple[bytes, int, int, bool]:
    """(head, framing, body bytes to come under LENGTH, whether the connection closes after it).

    Raises RuntimeError when a field contains a line end or NUL, or the length is given twice: the app's mistake.
    """
    parts = [status_line(status), date_line]
    length = -1
    lines = 3
    for name, value in fields:
        lower = name.lower()
        if lower == b"content-length":
            if length >= 0:
                raise RuntimeError("An answer cannot have two lengths")
            length = int(value)
        elif lower == b"connection":
            close = close or b"close" in value.lower()
            continue
        elif lower == b"transfer-encoding":
            continue
        parts += (lower, b": ", value, b"\r\n")
        lines += 1
    framing = framing_of(length, bodyless=head_only or status in BODYLESS, old=old)
    if framing == CHUNKED:
        parts.append(CHUNKED_LINE)
        lines += 1
    if close:
        parts.append(b"connection: close\r\n")
        lines += 1
    parts.append(b"\r\n")
    head = b"".join(parts)
    if head.count(b"\n") != lines or head.count(b"\r") != lines or NUL in head:
        raise RuntimeError(_STRAY)
    return head, framing, length if framing == LENGTH else 0, close


def own_head(
    status: int, fields: Sequence[tuple[bytes, bytes]], framing_line: bytes, date_line: bytes, *, close: bool
) -> bytes:
    """The head of an answer whose fields (one at least) are our own: names in lower case, none about framing. That is said
    by `framing_line`, its line end included, or by nothing.

    Raises RuntimeError when a field contains a line end or NUL.
    """
    end = b"connection: close\r\n\r\n" if close else b"\r\n"
    # No step of ours per field, and no line end between them before we know that there is none inside.
    marked = b"\0".join(map(b": ".join, fields))
    lines = marked.replace(b"\0", b"\r\n")
    if CR in marked or LF in marked or len(lines) - len(marked) != len(fields) - 1:
        raise RuntimeError(_STRAY)
    return b"".join((status_line(status), date_line, lines, b"\r\n", framing_line, end))


def framing_of(length: int, *, bodyless: bool, old: bool) -> int:
    """How a body of `length` bytes, -1 for not known, is delimited; `old`: for a client of HTTP/1.0."""
    if bodyless:
        return NONE
    if length >= 0:
        return LENGTH
    return UNTIL_CLOSE if old else CHUNKED
