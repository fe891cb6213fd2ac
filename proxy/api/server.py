"""The data port: an ASGI app behind `GuardedProtocol` on a socket bound by somebody else, and its orderly end.

The loop, the signals and the socket belong to the caller. A drain runs in this order:
    readiness turns false · the listener closes · idle connections close · what runs goes on, answers say
    `connection: close` · after `grace_s` every exchange still running is asked to end (`on_cut`) · after `cut_s` more
    the transports are aborted, which tells the app that its client is gone.
Nothing here cancels a task: the app decides how a request ends. The outlet of a relayed one cancels its own task, whose
`finally` hands the bill over without an await, since an await there would be cancelled too.
"""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

import uvicorn

from proxy.api.door import Door, DoorLimits, date_line
from proxy.api.protocol import GuardedProtocol


@dataclass(frozen=True, slots=True)
class DrainReport:
    """Exchanges: `drained` were answered in the grace, `cut` had to be asked, `aborted` did not even end then."""

    drained: int
    cut: int
    aborted: int


class DataServer:
    """`start` once, `drain` once, both inside the same running loop."""

    def __init__(self, app: Any, limits: DoorLimits | None = None) -> None:
        self._app = app
        self._limits = limits or DoorLimits()
        self._door: Door | None = None
        self._listener: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def draining(self) -> bool:
        """True from the first moment of a drain: what `/readyz` looks at."""
        return self._door is not None and self._door.draining

    @property
    def in_flight(self) -> int:
        """Requests whose head was read and whose app call has not returned."""
        return len(self._door.exchanges) if self._door else 0

    @property
    def connections(self) -> int:
        return len(self._door.open) if self._door else 0

    async def start(self, sock: socket.socket) -> None:
        """Accept on `sock` (bound, not yet accepting). On return connections are being accepted."""
        loop = asyncio.get_running_loop()
        config = uvicorn.Config(
            self._app,
            http=GuardedProtocol,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        config.load()
        door = self._door = Door(self._limits, loop)
        self._listener = await loop.create_server(
            lambda: GuardedProtocol(config, door, {}, loop), sock=sock, backlog=self._limits.backlog
        )
        self._sweep(door)

    def _sweep(self, door: Door) -> None:
        door.now = door.loop.time()
        door.date_line = date_line()
        # Armed first: one connection that fails to be judged must not end the judging.
        self._timer = door.loop.call_later(door.limits.sweep_s, self._sweep, door)
        for connection in tuple(door.open):
            connection.sweep(door.now)

    async def drain(self, grace_s: float) -> DrainReport:
        """Stop, letting what runs finish within `grace_s` seconds. Returns at the latest `cut_s` + 1 s after that."""
        door = self._door
        if door is None or self._listener is None:
            return DrainReport(0, 0, 0)
        door.draining = True
        self._listener.close()
        # Requests that are already in our socket buffers are read before their connections count as idle.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for connection in tuple(door.open):
            connection.shutdown()
        began, answered = door.loop.time(), door.total_requests
        await self._settled(door, grace_s, began + min(self._limits.newcomer_s, grace_s))
        late, answered = tuple(door.exchanges), door.total_requests - answered
        for exchange in late:
            exchange.cut()
        await self._settled(door, self._limits.cut_s, began)
        stuck = tuple(door.exchanges)
        await self._close(door)
        return DrainReport(answered, len(late) - len(stuck), len(stuck))

    async def _settled(self, door: Door, limit_s: float, newcomers_until: float) -> None:
        """Return when nothing runs (and no newcomer may still speak), or after `limit_s` seconds."""
        until = door.loop.time() + limit_s
        while (now := door.loop.time()) < until:
            if not door.exchanges and (now >= newcomers_until or not any(one.may_ask for one in door.open)):
                return
            door.changed.clear()
            wait_s = until - now if door.exchanges else min(until, newcomers_until) - now
            try:
                await asyncio.wait_for(door.changed.wait(), wait_s)
            except TimeoutError:
                continue

    async def _close(self, door: Door) -> None:
        for connection in tuple(door.open):
            # An answer that is complete but not yet taken by the kernel is still delivered.
            if door.exchanges:
                connection.transport.abort()
            else:
                connection.transport.close()
        await asyncio.sleep(0)
        await self._settled(door, 1.0, door.loop.time())
        if self._timer is not None:
            self._timer.cancel()
