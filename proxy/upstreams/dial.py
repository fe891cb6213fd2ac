"""Opening a connection: name, TCP, outgoing proxy, TLS.

Addresses are tried one after the other, in the resolver's order. uvloop has no happy eyeballs, and asyncio's
(`happy_eyeballs_delay`, Python 3.11) lose an open socket when a race is cancelled just as it is won.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from proxy.upstreams.http_errors import ConnectFailed
from proxy.upstreams.origin import Origin, Proxy

_MAX_TUNNEL_HEAD: Final = 16 * 1024


async def dial(origin: Origin, protocol: Callable[[], asyncio.Protocol]) -> None:
    """Connect a new `protocol` to `origin`: its `connection_made` has the transport. Raises ConnectFailed.

    The caller sets the deadline; a cancelled dial closes what it opened.
    """
    try:
        if origin.proxy is None:
            tls = {"ssl": origin.tls, "server_hostname": origin.server_name} if origin.tls else {}
            await _connect(protocol, origin.host, origin.port, **tls)
        elif origin.tls is None:
            await _connect(protocol, origin.proxy.host, origin.proxy.port)
        else:
            await _tunnel(origin, origin.proxy, origin.tls, protocol())
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(f"{origin.host}:{origin.port}: {_reason(error)}") from None


async def _connect(
    protocol: Callable[[], asyncio.BaseProtocol], host: str, port: int, **tls: Any
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(protocol, host, port, **tls)
    return transport


async def _tunnel(origin: Origin, proxy: Proxy, tls: ssl.SSLContext, protocol: asyncio.Protocol) -> None:
    loop = asyncio.get_running_loop()
    door = _Door()
    transport = await _connect(lambda: door, proxy.host, proxy.port)
    try:
        transport.write(_connect_request(origin, proxy))
        await door.opened()
        secured = await loop.start_tls(transport, protocol, tls, server_hostname=origin.server_name)
    except BaseException:
        transport.abort()
        raise
    if secured is None:
        raise ConnectionResetError("closed during the TLS handshake")
    protocol.connection_made(secured)


def _connect_request(origin: Origin, proxy: Proxy) -> bytes:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    authority = f"{host}:{origin.port}".encode("ascii")
    head = b"CONNECT %s HTTP/1.1\r\nhost: %s\r\n" % (authority, authority)
    if proxy.authorization:
        head += b"proxy-authorization: " + proxy.authorization + b"\r\n"
    return head + b"\r\n"


class _Door(asyncio.Protocol):
    """Waits for the outgoing proxy's answer to CONNECT. The verdict is a value, for nobody may be waiting any more:
    empty when the tunnel is open, else why it is not."""

    def __init__(self) -> None:
        self._verdict: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._head = b""

    async def opened(self) -> None:
        """Return once the tunnel is open. Raises OSError."""
        verdict = await self._verdict
        if verdict:
            raise OSError(verdict)

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end and not rest and head[:9] in (b"HTTP/1.1 ", b"HTTP/1.0 ") and head[9:10] == b"2":
            self._settle("")
        elif end or len(self._head) > _MAX_TUNNEL_HEAD:
            status = head[9:12].decode("latin-1")
            self._settle(f"the outgoing proxy refused ({status if status.isdigit() else 'no HTTP'})")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the transport's signature
        self._settle("the outgoing proxy closed the connection")

    def _settle(self, verdict: str) -> None:
        if not self._verdict.done():
            self._verdict.set_result(verdict)


def _reason(error: Exception) -> str:
    """What went wrong in words that hold no secret."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate refused ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, socket.gaierror):
        return "name not found"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return (
        f"connection failed ({error.strerror or error})"
        if isinstance(error, OSError)
        else "connection failed"
    )
