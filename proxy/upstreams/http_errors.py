"""How a call to an upstream can fail below the level of HTTP statuses.

    UpstreamError                 `sent`: can the request have reached the upstream (and so cost money)?
    ├── ConnectFailed             no   name not found, refused, TLS, outgoing proxy
    ├── ConnectTimeout            no   no connection within `connect_s`
    ├── PoolExhausted             no   every connection is busy and the queue is full or too slow
    ├── WriteFailed               yes  the upstream stopped taking the request
    ├── HeadTimeout               yes  no response head within `first_byte_s`
    ├── IdleTimeout               yes  the body fell silent for `idle_s`
    ├── ConnectionCut             yes  closed early; `sent` is False when the peer provably never had the request
    ├── BodyTooLarge              yes  more than the caller was ready to hold
    └── UpstreamProtocolError     yes  an encoding or framing this client does not speak
        └── BadResponse           yes  not HTTP, a flood of headers, an upgrade

Messages name host and phase, never headers, bodies or credentials.
"""

from typing import ClassVar


class UpstreamError(Exception):
    """The base of the tree. `sent` says whether the request can have reached the upstream."""

    default_sent: ClassVar[bool] = True

    def __init__(self, message: str, *, sent: bool | None = None) -> None:
        super().__init__(message)
        self.sent = self.default_sent if sent is None else sent


class ConnectFailed(UpstreamError):
    """No connection: the name does not resolve, nobody listens, TLS or the outgoing proxy refuses."""

    default_sent = False


class ConnectTimeout(UpstreamError):
    """No connection in time."""

    default_sent = False


class PoolExhausted(UpstreamError):
    """No free connection: the queue is full, or none came free in time."""

    default_sent = False


class WriteFailed(UpstreamError):
    """The upstream stopped taking the request; part of it has left."""


class HeadTimeout(UpstreamError):
    """The request is out and no response head came in time."""


class IdleTimeout(UpstreamError):
    """The body stopped coming."""


class ConnectionCut(UpstreamError):
    """The connection ended before the response did."""


class BodyTooLarge(UpstreamError):
    """The (decoded) body is over the limit given to `read_all`."""


class UpstreamProtocolError(UpstreamError):
    """Something valid perhaps, but not spoken here, as a content encoding nobody asked for."""


class BadResponse(UpstreamProtocolError):
    """Not an HTTP/1.1 response, or one that no honest server sends."""
