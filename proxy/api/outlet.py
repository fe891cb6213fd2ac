"""The caller's side of one request as flow writes to it: ASGI messages, one write per block."""

import asyncio
from typing import Final

from proxy.api.exchange import Exchange
from proxy.api.guard import Send
from proxy.headers import Header

_BODYLESS: Final = (204, 304)


class Outlet:
    """Implements flow's `Client`. When the client leaves, or a drain cuts, the task that serves it is cancelled: every
    await of the request ends at once, and the upstream call with it."""

    __slots__ = ("_exchange", "_send", "_task", "cutting", "started")

    def __init__(self, send: Send, exchange: Exchange | None) -> None:
        self._send = send
        self._exchange = exchange
        self._task = exchange.task if exchange is not None else asyncio.current_task()
        self.cutting = False
        self.started = False
        if exchange is not None:
            exchange.on_client_gone(self._gone)
            exchange.on_cut(self._cut)

    async def start(self, status: int, headers: list[Header]) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, block: bytes) -> None:
        await self._send({"type": "http.response.body", "body": block, "more_body": True})

    def push(self, block: bytes) -> bool:
        exchange = self._exchange
        if exchange is None or exchange.write_blocked:
            return False
        exchange.write(block)
        return True

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def whole(self, status: int, headers: list[Header], body: bytes) -> None:
        self.started = True
        if self._exchange is not None and status not in _BODYLESS:
            await self._exchange.send_whole(status, headers, body)
            return
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def abort(self) -> None:
        """Leave the answer visibly broken off: what was sent of it cannot be completed and must not look whole."""
        if self._exchange is not None:
            self._exchange.on_client_gone(None)
            self._exchange.lost()
            self._exchange.connection.transport.abort()

    def _gone(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _cut(self) -> None:
        self.cutting = True
        if self._task is not None:
            self._task.cancel()
