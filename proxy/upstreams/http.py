"""The HTTP/1.1 client every relayed call goes through: pooled connections on asyncio and httptools.

Why not a ready-made one: the client is most of what a relay costs, and this one has no task, no timer and one write per
request. What it knows, file by file:

* `origin`        where requests go: URL, TLS, outgoing proxy, limits; and the timeouts of a call
* `pool`          `HttpPool.send`, the connections of one origin and the queue for them
* `connection`    one connection: deadlines, back-pressure, when it may be kept; `framing` is its parser
* `response`      what the reader sees
* `dial`, `upload`, `request_head`, `decoding`    opening, streaming up, the head's bytes, gzip and deflate
* `stale`         when a request may be sent a second time without ever costing twice
* `http_errors`   the tree of failures, each knowing whether the request can have been received

A call:

    pool = HttpPool(Origin.from_url("https://api.openai.com/v1"))
    response = await pool.send(b"POST", b"/chat/completions", headers, body, Timeouts())
    try:
        while piece := await response.read_chunk():
            ...
    finally:
        response.close()
"""

from proxy.upstreams.http_errors import (
    BadResponse,
    BodyTooLarge,
    ConnectFailed,
    ConnectionCut,
    ConnectTimeout,
    HeadTimeout,
    IdleTimeout,
    PoolExhausted,
    UpstreamError,
    UpstreamProtocolError,
    WriteFailed,
)
from proxy.upstreams.origin import Origin, Proxy, Timeouts
from proxy.upstreams.pool import HttpPool
from proxy.upstreams.response import Response

__all__ = [
    "BadResponse",
    "BodyTooLarge",
    "ConnectFailed",
    "ConnectTimeout",
    "ConnectionCut",
    "HeadTimeout",
    "HttpPool",
    "IdleTimeout",
    "Origin",
    "PoolExhausted",
    "Proxy",
    "Response",
    "Timeouts",
    "UpstreamError",
    "UpstreamProtocolError",
    "WriteFailed",
]
