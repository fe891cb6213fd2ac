"""Back-pressure and footprint: what a slow reader, many streams and many calls may cost."""

import asyncio
import gc
import tracemalloc

import pytest

from proxy.upstreams.http import ConnectionCut, HttpPool, Origin
from tests.upstreams.rawserver import OK, Peer, post, run, serving, text, until

MEGABYTE = b"m" * 1_000_000


def test_a_slow_reader_holds_the_upstream_back() -> None:
    """40 MB for somebody who reads one piece now and then: what waits here stays under a megabyte, and nothing is lost."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 40000000\r\n\r\n")
        for _ in range(40):
            peer.send(MEGABYTE)
            await peer.writer.drain()
            sent += len(MEGABYTE)
        await peer.gone()

    async def test() -> None:
        nonlocal sent
        sent = got = 0
        async with serving(script) as server:
            pool = server.pool()
            response = await post(pool)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.05)
            assert sent < 30_000_000  # the kernel's buffers, and ours
            assert response.buffered_bytes < 800_000
            while piece := await response.read_chunk():
                assert len(piece) < 800_000
                got += len(piece)
            assert got == 40_000_000
            response.close()
            assert pool.idle_count == 1
            pool.close()

    run(test)


def test_a_connection_held_back_is_released_whole() -> None:
    """An answer that ended while reading was paused leaves a connection that reads again."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + MEGABYTE)

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            for _ in range(20):
                response = await post(pool)
                await asyncio.sleep(0.002)
                assert await text(response) == MEGABYTE
            assert server.accepted == 1
            pool.close()

    run(test)


class _Quiet(asyncio.Protocol):
    """A server that costs next to nothing, so that what is measured is the client."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")


def test_an_open_stream_costs_less_than_ten_kilobytes() -> None:
    """Python memory of 200 open streams, both ends, beyond that of the first 20."""

    async def test() -> None:
        server = await asyncio.get_running_loop().create_server(_Quiet, "127.0.0.1", 0)
        pool = HttpPool(Origin.from_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        streams = [await post(pool) for _ in range(20)]
        tracemalloc.start()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        streams += [await post(pool) for _ in range(200)]
        for stream in streams:
            await stream.read_chunk()
        gc.collect()
        per_stream_bytes = (tracemalloc.get_traced_memory()[0] - before) / 200
        tracemalloc.stop()
        print(f"{per_stream_bytes:.0f} bytes a stream")
        assert per_stream_bytes < 10_000
        pool.close()
        server.close()

    run(test)


def test_calls_leave_no_garbage_behind() -> None:
    """Whole, cut, closed and failed calls free everything by reference count alone: memory stays flat without a collector."""

    async def script(peer: Peer) -> None:
        while True:
            body = (await peer.request()).body
            peer.send(OK[:-1] if body == b"cut" else OK)
            if body == b"cut":
                return

    async def calls(pool: HttpPool) -> None:
        await text(await post(pool, b"whole"))
        with pytest.raises(ConnectionCut):
            await text(await post(pool, b"cut"))
        (await post(pool, b"closed")).close()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            for _ in range(5):
                await calls(pool)
            await until(lambda: server.open <= 1)
            gc.collect()
            gc.disable()
            try:
                gc.set_debug(gc.DEBUG_SAVEALL)
                for _ in range(50):
                    await calls(pool)
                await until(lambda: server.open <= 1)
                gc.collect()
                ours = [o for o in gc.garbage if type(o).__module__.startswith("proxy.")]
                assert not ours, ours[:3]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
            pool.close()

    run(test)
