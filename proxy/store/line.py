"""One connection to Redis: opened by the `redis` package, then spoken on directly.

The package knows URLs, TLS, passwords and databases. Its way of reading one answer (a task woken for a stream reader, for a
parser, each under a time limit) costs more than everything else a hold costs here. So once it has connected, its socket is
taken over: answers go from the transport to hiredis to whoever waits for them, with no task in between.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from hiredis import HiredisError, Reader
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, ResponseError

_NO_SCRIPT: Final = "NOSCRIPT"


class Line(asyncio.Protocol):
    """`heard` is called with every answer in order, a refusal as a ResponseError; `lost` once, should the connection end
    without `drop`."""

    def __init__(
        self, connection: AbstractConnection, heard: Callable[[Any], None], lost: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._heard = heard
        self._lost = lost
        self._dropped = False
        self._reader = Reader(replyError=_refusal)
        # The package shows its transport to nobody; its release is pinned, and no test of the store passes without this.
        self._transport = cast("asyncio.Transport", connection._writer.transport)  # type: ignore[union-attr]  # noqa: SLF001
        self._transport.set_protocol(self)

    @classmethod
    async def opened(
        cls, pool: ConnectionPool, heard: Callable[[Any], None], lost: Callable[[], None]
    ) -> "Line":
        """A line that is ready. Raises RedisError and OSError."""
        connection = pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return cls(connection, heard, lost)

    def send(self, packed: bytes) -> None:
        """Never waits: there is only ever one batch under way."""
        self._transport.write(packed)

    def drop(self) -> None:
        """Forget the connection and what may still arrive on it. Does not wait for anything."""
        self._dropped = True
        self._transport.abort()
        # As the package leaves a closed connection, so that it does not close this one when it is collected.
        self._connection._reader = self._connection._writer = None  # noqa: SLF001

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        reader.feed(data)
        try:
            while not self._dropped and (reply := reader.gets()) is not False:
                self._heard(reply)
        except HiredisError:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._end()

    def _end(self) -> None:
        if not self._dropped:
            self.drop()
            self._lost()


def _refusal(text: str) -> ResponseError:
    return (NoScriptError if text.startswith(_NO_SCRIPT) else ResponseError)(text)
