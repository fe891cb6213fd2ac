"""The caller's side of one request as flow writes to it: ASGI messages, one write per block."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from proxy.api.answer import BODYLESS
from proxy.api.exchange import Exchange
from proxy.headers import Header

Sending = Coroutine[Any, Any, None]


class Outlet:
    """Implements flow's `Client`. When the client leaves, or a drain cuts, the task that serves it is cancelled: every
    await of the request ends at once, and the upstream call with it."""

    __slots__ = ("_answering", "_exchange", "_task", "chunk_writer", "cutting", "push", "started")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._task = self._answering = exchange.task
        self.cutting = self.started = False
        self.push = exchange.push
        self.chunk_writer = exchange.chunk_writer
        exchange.on_client_gone(self._gone)
        exchange.on_cut(self._cut)

    def answered_by(self, task: asyncio.Task[None]) -> None:
        """A drain cuts this task; the client's leaving ends the request's own only."""
        self._answering = task

    def start(self, status: int, headers: list[Header], first: bytes = b"") -> Sending:
        self.started = True
        return self._exchange.begin(status, headers, first)

    def start_sized(self, status: int, headers: list[Header], length: bytes) -> Sending:
        """Send the head of an answer of `length` bytes, which are written as they come."""
        self.started = True
        sized = [*headers, (b"content-length", length)]
        return self._exchange.send({"type": "http.response.start", "status": status, "headers": sized})

    def write(self, block: bytes) -> Sending:
        return self._exchange.send({"type": "http.response.body", "body": block, "more_body": True})

    def end(self) -> Sending:
        return self._exchange.send({"type": "http.response.body", "body": b"", "more_body": False})

    def whole(self, status: int, headers: list[Header], body: bytes) -> Sending:
        if status in BODYLESS:
            return self._bodyless(status, headers, body)
        self.started = True
        return self._exchange.send_whole(status, headers, body)

    async def _bodyless(self, status: int, headers: list[Header], body: bytes) -> None:
        await self.start_sized(status, headers, b"%d" % len(body))
        await self.end()

    def abort(self) -> None:
        """Leave the answer visibly broken off: what was sent of it cannot be completed and must not look whole."""
        self._exchange.on_client_gone(None)
        self._exchange.lost()
        self._exchange.connection.transport.abort()

    def _gone(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _cut(self) -> None:
        self.cutting = True
        if self._answering is not None:
            self._answering.cancel()
