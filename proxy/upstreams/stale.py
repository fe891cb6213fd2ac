"""May a request be sent again because its reused connection died without a byte of answer?

Money must not be doubled, so a POST is resent only on *proof* that the peer never had the whole request. TCP keeps that
proof: the peer's acknowledgement numbers. A server that read the request acknowledged it before its FIN could leave
(the FIN itself carries the acknowledgement), so at the moment the end is seen

* all bytes acknowledged -> the peer had the request: it may be at work, or billed. Never resent.
* some bytes not acknowledged -> the peer closed its idle connection before the request arrived (RFC 9112 §9.3.1's race).
  Nothing can act on half a request, so sending it again is the first time it is received.

Where the kernel does not tell (no TCP_INFO, socket already closed), the answer is "it may have been received". What is left: a
peer that reads a request and then resets within its delayed-acknowledgement time (40 ms), without ever answering.
Idempotent methods need no proof (RFC 9110 §9.2.2).
"""

import asyncio
import socket
import struct
from typing import Final

IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"})

_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
_ACKED_AT: Final = 120  # u64 tcpi_bytes_acked: counts the SYN as one byte
_NOT_SENT_AT: Final = 144  # u32 tcpi_notsent_bytes
_SENT_AT: Final = 200  # u64 tcpi_bytes_sent, u64 tcpi_bytes_retrans (Linux 4.19)
_SIZE: Final = 216


def never_received(transport: asyncio.Transport) -> bool:
    """True when the kernel proves that the peer has not acknowledged everything written to `transport`."""
    try:
        if transport.get_write_buffer_size() > 0:
            return True
    except (OSError, RuntimeError):
        return False
    if _TCP_INFO is None:
        return False
    try:
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SIZE)
    except (OSError, AttributeError):
        return False
    if len(info) < _SIZE:
        return False
    (acked,) = struct.unpack_from("=Q", info, _ACKED_AT)
    (not_sent,) = struct.unpack_from("=I", info, _NOT_SENT_AT)
    sent, resent = struct.unpack_from("=QQ", info, _SENT_AT)
    return bool(not_sent) or acked - 1 < sent - resent
