"""HTTP/1.1's chunked coding, as pure functions: a frame is a chunk as it stands on the wire, size line and line ends included."""

from functools import lru_cache
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


@lru_cache(2048)
def size_line(frame_bytes: int) -> bytes:
    """How a frame of so many bytes begins, spelt as `chunk` spells it; `b""` where none below 64 KiB has that length."""
    for line_bytes in range(3, _SIZE_LINE_BYTES + 1):
        line = b"%x\r\n" % max(frame_bytes - line_bytes - 2, 0)
        if len(line) == line_bytes and frame_bytes > line_bytes + 2:
            return line
    return b""


def framed(wire: bytes) -> bytes:
    """The body of `wire` if it is one frame of less than 64 KiB and nothing else, spelt as `chunk` spells it; `b""` for
    anything else."""
    line = size_line(len(wire))
    return wire[len(line) : -2] if line and wire.startswith(line) and wire.endswith(b"\r\n") else b""
