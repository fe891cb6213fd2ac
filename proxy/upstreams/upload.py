"""Sending a body that is still being made, while listening for an answer that may come early.

No task is started: the source is awaited by the caller's own task, and an early head or a fault calls that task away from
a slow source through `asyncio.Timeout` (rescheduled to now), which is cancellation done the way the loop understands.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from proxy.upstreams.connection import Connection
from proxy.upstreams.request_head import CHUNKED
from proxy.upstreams.response import Response


async def upload(
    connection: Connection,
    response: Response,
    head: bytes,
    body: AsyncIterator[bytes],
    length: int,
    *,
    write_s: float,
) -> None:
    """Write head and body; return when all is out, or when the response head or a fault came first.

    `length` is the declared one or `CHUNKED`. Raises ValueError when the source gives another number of bytes, and
    whatever the source raises; the response is then the caller's to close.
    """
    connection.transport.write(head)
    try:
        async with asyncio.timeout(None) as interrupt:
            response.interrupt = interrupt
            try:
                await _copy(connection, response, body, length, write_s)
            finally:
                response.interrupt = None
    except TimeoutError:
        if not interrupt.expired():
            raise
    if response.early:
        if isinstance(body, AsyncGenerator):
            await body.aclose()
        return
    if length == CHUNKED:
        connection.transport.write(b"0\r\n\r\n")
    connection.request_out()


async def _copy(
    connection: Connection, response: Response, body: AsyncIterator[bytes], length: int, write_s: float
) -> None:
    left = length
    async for piece in body:
        if response.early:
            return
        if not piece:
            continue
        if length == CHUNKED:
            connection.transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            left -= len(piece)
            if left < 0:
                break
            connection.transport.write(piece)
        # One turn of the loop between pieces lets an early answer in before the next write meets a closed socket.
        await asyncio.sleep(0)
        while connection.writing_paused and not response.early:
            await response.wait(write_s)
    if length != CHUNKED and left != 0:
        raise ValueError("the streamed body is not as long as its content-length says")
