"""HTTP/1.1's chunked coding, as pure functions: a frame is a chunk as it stands on the wire, size line and line ends included."""

from typing import Final

_SIZE_LINE_BYTES: Final = 6
"""The longest size line of a chunk below 64 KiB."""


def chunk(body: bytes, *, last: bool) -> bytes:
    """`body` as one frame, with the end of the message behind it if it is the last. Nothing for an empty one in between."""
    if not body:
        return b"0\r\n\r\n" if last else b""
    if last:
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return b"%x\r\n%b\r\n" % (len(body), body)


def framed(wire: bytes) -> bytes:
    """The body of `wire` if it is one frame of less than 64 KiB and nothing else, spelt as `chunk` spells it; `b""` for
    anything else."""
    start = wire.find(b"\n", 0, _SIZE_LINE_BYTES) + 1
    if not start:
        return b""
    body = wire[start:-2]
    return body if wire.startswith(b"%x\r\n" % len(body)) and wire.endswith(b"\r\n") else b""
