"""The connections to one origin, and `send`: one call from bytes to a response head.

State: `_idle` (ready, last used on top, oldest at the bottom), `_waiting` (calls in the order they came, bounded) and
`_open`, the slots in use: connecting, busy, handed over or idle. A slot or connection that comes free goes to the first
in the queue before anybody else, so the queue is fair, and it is non-empty only while every slot is taken.

The last used connection is used next: under light load the others grow old and are swept, and the one most likely to be
alive is tried first.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from proxy.headers import Header
from proxy.upstreams.connection import Connection
from proxy.upstreams.dial import dial
from proxy.upstreams.http_errors import ConnectFailed, ConnectionCut, ConnectTimeout, PoolExhausted
from proxy.upstreams.origin import Origin, Timeouts
from proxy.upstreams.request_head import RequestHeads, declared_length
from proxy.upstreams.response import Response
from proxy.upstreams.upload import upload

Body = bytes | AsyncIterator[bytes]


class HttpPool:
    """One origin's connections. Belongs to the event loop that first used it."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.stale_retries = 0
        self._heads = RequestHeads(origin)
        self._idle: dict[Connection, None] = {}
        self._waiting: dict[asyncio.Future[Connection | None], None] = {}
        self._connections: set[Connection] = set()
        self._open = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._retired = False
        self._closed = False

    @property
    def open_count(self) -> int:
        """Connections in any state, those being opened included."""
        return self._open

    @property
    def idle_count(self) -> int:
        """Connections ready for a call."""
        return len(self._idle)

    @property
    def waiting_count(self) -> int:
        """Calls waiting for a connection."""
        return len(self._waiting)

    async def send(
        self, method: bytes, target: bytes, headers: Sequence[Header], body: Body, timeouts: Timeouts
    ) -> Response:
        """Send one request; return when the response head is here. `target` is put behind the origin's base path.

        A whole body found its reused connection dead is sent once more, on the terms of `stale`. Raises ValueError for a
        request that cannot be written safely, and the `UpstreamError` tree. Cancelled, it closes its socket at once.
        """
        length = len(body) if isinstance(body, bytes) else declared_length(headers)
        head = self._heads.build(method, target, headers, length)
        response = await self._attempt(method, head, body, length, timeouts, fresh=False)
        if response.stale and isinstance(body, bytes):
            self.stale_retries += 1
            response = await self._attempt(method, head, body, length, timeouts, fresh=True)
        if not response.status:
            raise response.failure()
        return response

    def retire(self) -> None:
        """Settings changed: calls under way (and late ones) are served, nothing is kept for later."""
        self._retired = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in tuple(self._idle):
            connection.abort()

    def close(self) -> None:
        """End everything now: open responses are cut, waiting calls refused."""
        self._closed = True
        self.retire()
        for connection in tuple(self._connections):
            connection.fail(ConnectionCut, "the pool was closed")
        self._serve_queue()

    async def _attempt(
        self, method: bytes, head: bytes, body: Body, length: int, timeouts: Timeouts, *, fresh: bool
    ) -> Response:
        """One try on one connection. Returns with a head or with a fault."""
        now_s = time.monotonic()
        response = Response(timeouts.idle_s, now_s)
        connection = None if fresh else self._idle_connection(now_s)
        if connection is None:
            connection = await self._acquire(timeouts.connect_s)
            response.connect_done_s = time.monotonic()
        connection.begin(response, method, timeouts.first_byte_s)
        try:
            if isinstance(body, bytes):
                connection.send_whole(head, body, timeouts.write_s)
            else:
                await upload(connection, response, head, body, length, write_s=timeouts.write_s)
            while not (response.status or response.fault):
                await response.wait()
        except BaseException:
            response.close()
            raise
        return response

    def _idle_connection(self, now_s: float) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.usable(now_s):
                return connection
            connection.abort()
        return None

    # Slots

    async def _acquire(self, connect_s: float) -> Connection:
        """A connection of one's own: opened now, or handed over by its last user."""
        connecting = False
        try:
            async with asyncio.timeout(connect_s):
                while True:
                    connection = await self._slot()
                    if connection is None:
                        connecting = True
                        return await self._dial()
                    if not connection.dead:
                        return connection
        except TimeoutError:
            where = f"{self.origin.host}:{self.origin.port}"
            if connecting:
                raise ConnectTimeout(f"{where}: no connection within {connect_s:g} s") from None
            raise PoolExhausted(f"{where}: no connection came free within {connect_s:g} s") from None

    async def _slot(self) -> Connection | None:
        """The right to one connection: None to open it, else one that came free. Raises PoolExhausted."""
        self._refuse_if_closed()
        if self._open >= self.origin.max_connections and self._idle:
            self._idle.popitem()[0].abort()
        if self._open < self.origin.max_connections:
            self._open += 1
            return None
        if len(self._waiting) >= self.origin.max_waiting:
            raise PoolExhausted(f"{self.origin.host}:{self.origin.port}: every connection is busy")
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            return await turn
        except BaseException:
            self._waiting.pop(turn, None)
            if turn.done() and not turn.cancelled():
                self._give_back(turn.result())
            raise

    async def _dial(self) -> Connection:
        """Open a connection in a slot that is ours; the slot is free again if that fails."""
        connection = Connection(self, self.origin.keep_alive_s)
        try:
            self._refuse_if_closed()
            await dial(self.origin, lambda: connection)
            self._refuse_if_closed()
        except BaseException:
            connection.abort()
            self._free_slot()
            raise
        if connection.dead:
            self._free_slot()
            raise ConnectFailed(f"{self.origin.host}:{self.origin.port}: closed as soon as it was open")
        self._connections.add(connection)
        return connection

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise PoolExhausted("the pool is closed")

    def _give_back(self, given: Connection | None) -> None:
        if given is None:
            self._free_slot()
        else:
            self.keep(given)

    def _free_slot(self) -> None:
        self._open -= 1
        self._serve_queue()

    def _serve_queue(self) -> None:
        while self._waiting and (self._open < self.origin.max_connections or self._closed):
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            if not turn.done():
                self._open += 1
                turn.set_result(None)

    # What connections report

    def keep(self, connection: Connection) -> None:
        """A connection is free: to the first who waits, else on the pile."""
        if self._retired or connection.dead:
            connection.abort()
            return
        while self._waiting:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            if not turn.done():
                turn.set_result(connection)
                return
        self._idle[connection] = None
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self.origin.keep_alive_s, self._sweep)

    def drop(self, connection: Connection) -> None:
        """A connection is dead: its slot goes to the first who waits."""
        self._idle.pop(connection, None)
        if connection in self._connections:
            self._connections.remove(connection)
            self._free_slot()

    def _sweep(self) -> None:
        """Close what lay idle too long; runs only while something is idle."""
        self._sweeper = None
        now_s = time.monotonic()
        for connection in [c for c in self._idle if not c.usable(now_s)]:
            connection.abort()
        if self._idle:
            self._sweeper = asyncio.get_running_loop().call_later(self.origin.keep_alive_s, self._sweep)
