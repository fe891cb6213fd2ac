"""Where requests go: one `Origin` per provider, built once from its settings.

An outgoing proxy is reached over plain TCP: `https` origins are tunnelled (CONNECT), `http` ones are asked for by
absolute URL. Its credentials live in `Proxy.authorization` and are never shown.
"""

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, positive and finite, one per phase of a call.

    `connect_s`: queue, DNS, TCP, proxy and TLS together. `write_s`: without progress while sending. `first_byte_s`: from
    the request being out to the end of the response head. `idle_s`: one silent wait for more body.
    """

    connect_s: float = 5.0
    write_s: float = 30.0
    first_byte_s: float = 600.0
    idle_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """An outgoing HTTP proxy; `authorization` is the value of `proxy-authorization`, or empty."""

    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """One upstream. Host names are ASCII; `base_path` has no trailing slash and is put before every target."""

    scheme: str
    host: str
    port: int
    base_path: bytes = b""
    server_name: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    proxy: Proxy | None = None
    max_connections: int = 1000
    max_waiting: int = 1000
    keep_alive_s: float = 30.0

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        ca_file: str | None = None,
        server_name: str = "",
        proxy_url: str | None = None,
        max_connections: int = 1000,
        max_waiting: int = 1000,
        keep_alive_s: float = 30.0,
    ) -> Self:
        """An origin from a base URL. Raises ValueError for a URL that cannot be used, OSError for an unreadable CA file."""
        parts = _split(url)
        host = _host(parts)
        return cls(
            scheme=parts.scheme,
            host=host,
            port=parts.port or _PORTS[parts.scheme],
            base_path=_base_path(parts),
            server_name=server_name or host,
            tls=_tls(ca_file) if parts.scheme == "https" else None,
            proxy=_proxy(proxy_url) if proxy_url else None,
            max_connections=max_connections,
            max_waiting=max_waiting,
            keep_alive_s=keep_alive_s,
        )

    @property
    def authority(self) -> bytes:
        """`host[:port]` as the Host header wants it: no default port, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}").encode("ascii")


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("an upstream URL is http://host or https://host, with an optional port and path")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an upstream URL carries no credentials, query or fragment")
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if not host.isascii() or any(c <= " " or c == "\x7f" for c in host):
        raise ValueError("a host name is ASCII; write an international name in its xn-- form")
    return host


def _base_path(parts: SplitResult) -> bytes:
    if not parts.path.isascii() or any(c <= " " or c == "\x7f" for c in parts.path):
        raise ValueError("a base path is printable ASCII")
    return parts.path.rstrip("/").encode("ascii")


def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Verification and SNI are on; `ca_file` replaces the system's authorities."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy(url: str) -> Proxy:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("an outgoing proxy is http://[user:password@]host:port")
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + b64encode(pair.encode())
    return Proxy(_host(parts), parts.port or _PORTS["http"], authorization)
