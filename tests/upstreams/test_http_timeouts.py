"""One deadline per phase, each with its own error, each closing the socket at once."""

import asyncio
from dataclasses import replace

import pytest

from proxy.chunked import framed
from proxy.upstreams.http import (
    ConnectFailed,
    ConnectTimeout,
    HeadTimeout,
    HttpPool,
    IdleTimeout,
    Origin,
    PoolExhausted,
    UpstreamError,
    WriteFailed,
)
from tests.upstreams.rawserver import CHUNKED, OK, QUICK, Peer, answers, get, post, run, serving, text, until

SHORT_S = 0.05


async def fails(call: object, kind: type[UpstreamError], *, sent: bool) -> None:
    with pytest.raises(UpstreamError) as caught:
        await call
    assert (type(caught.value), caught.value.sent) == (kind, sent)


def test_no_head_in_time_is_a_head_timeout() -> None:
    """The request may be billed by now, so the error says that it was sent; the upstream is closed."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200")
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            await fails(post(pool, timeouts=replace(QUICK, first_byte_s=SHORT_S)), HeadTimeout, sent=True)
            assert pool.open_count == 0
            await until(lambda: server.open == 0)

    run(test)


def test_a_body_that_falls_silent_is_an_idle_timeout() -> None:
    """What came is delivered, then the silence is measured from the moment the reader waits."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab")
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            response = await post(pool, timeouts=replace(QUICK, idle_s=SHORT_S))
            assert await response.read_chunk() == b"ab"
            await fails(response.read_chunk(), IdleTimeout, sent=True)
            response.close()
            assert pool.open_count == 0
            await until(lambda: server.open == 0)

    run(test)


def test_a_reader_that_takes_its_time_is_not_the_upstreams_silence() -> None:
    """Only waiting counts: a slow client does not turn into an upstream fault, on this call or the next."""

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
            await asyncio.sleep(SHORT_S / 5)  # so that the reader has to wait, and sets its deadline
            peer.send(b"ab")
            await peer.server.go.wait()
            peer.send(b"cd")
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            server.go = asyncio.Event()
            pool = server.pool()
            timeouts = replace(QUICK, idle_s=SHORT_S, first_byte_s=SHORT_S * 10)
            response = await post(pool, timeouts=timeouts)
            assert await response.read_chunk() == b"ab"
            await asyncio.sleep(SHORT_S * 3)
            server.go.set()
            assert await text(response) == b"cd"
            await asyncio.sleep(SHORT_S * 3)
            assert await text(await post(pool, timeouts=timeouts)) == b"abcd"
            pool.close()

    run(test)


def test_frames_that_pass_by_are_no_silence_and_silence_behind_them_is() -> None:
    """Twice the patience long they come, each in time; then nothing more does."""
    patience_s = SHORT_S * 8

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(CHUNKED)
        await peer.server.go.wait()
        for _ in range(8):
            peer.send(b"2\r\na\n\r\n")
            await asyncio.sleep(patience_s / 4)
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            server.go = asyncio.Event()
            pool = server.pool()
            timeouts = replace(QUICK, idle_s=patience_s)
            response = await post(pool, timeouts=timeouts)
            server.go.set()
            shown: list[bytes] = []
            poured: list[bytes] = []

            def frame_tap(frame: bytes) -> bool:
                shown.append(framed(frame))
                return True

            await fails(
                response.pour(lambda piece: poured.append(piece) or True, frame_tap), IdleTimeout, sent=True
            )
            assert (b"".join(poured + shown), len(poured)) == (b"a\n" * 8, 1)
            response.close()
            pool.close()

    run(test)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_upstream_that_stops_taking_the_request_is_a_write_failure(streamed: bool) -> None:
    """The request is larger than every buffer on the way and nobody reads it."""

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()
        await peer.server.done.wait()

    async def pieces():
        while True:
            yield b"x" * 1_000_000

    async def test() -> None:
        async with serving(script) as server:
            server.done = asyncio.Event()
            pool = server.pool()
            body = pieces() if streamed else b"x" * 50_000_000
            await fails(post(pool, body, replace(QUICK, write_s=0.2)), WriteFailed, sent=True)
            assert pool.open_count == 0
            server.done.set()

    run(test)


def test_a_slow_upload_that_moves_is_not_a_write_failure() -> None:
    """`write_s` is patience without progress, not the time an upload may take."""
    size = 12_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        left = size
        while left:
            left -= len(await peer.reader.read(400_000))
            await asyncio.sleep(0.01)
        peer.send(OK)
        await peer.gone()

    async def test() -> None:
        async with serving(script, limit=400_000) as server:
            pool = server.pool()
            response = await post(pool, b"x" * size, replace(QUICK, write_s=0.15))
            assert await text(response) == b"ok"
            pool.close()

    run(test)


def test_an_origin_that_does_not_answer_is_a_connect_timeout() -> None:
    """TLS that never begins: the socket opens and nothing follows."""

    async def script(peer: Peer) -> None:
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = HttpPool(Origin.from_url(server.url(scheme="https")))
            await fails(post(pool, timeouts=replace(QUICK, connect_s=SHORT_S)), ConnectTimeout, sent=False)
            assert pool.open_count == 0
            await until(lambda: server.open == 0)

    run(test)


def test_a_port_nobody_listens_on_is_a_failed_connect() -> None:
    """Refused at once, with host and port in the message."""

    async def test() -> None:
        async with serving(answers()) as server:
            url = server.url()
        pool = HttpPool(Origin.from_url(url))
        with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1:\d+: connection refused") as caught:
            await get(pool)
        assert not caught.value.sent
        assert pool.open_count == 0

    run(test)


def test_a_name_that_does_not_resolve_is_a_failed_connect() -> None:
    """The name is in the message, the lookup's inner workings are not."""

    async def test() -> None:
        pool = HttpPool(Origin.from_url("http://nobody.invalid"))
        await fails(get(pool), ConnectFailed, sent=False)
        pool = HttpPool(Origin.from_url(f"http://{'a' * 70}.invalid"))
        await fails(get(pool), ConnectFailed, sent=False)
        assert pool.open_count == 0

    run(test)


def test_a_call_that_gets_no_connection_in_time_is_refused() -> None:
    """The wait in the queue counts as connecting, and leaves the queue clean."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool(max_connections=1)
            async with asyncio.TaskGroup() as group:
                busy = group.create_task(fails(post(pool), HeadTimeout, sent=True))
                await until(lambda: len(server.requests) == 1)
                await fails(post(pool, timeouts=replace(QUICK, connect_s=SHORT_S)), PoolExhausted, sent=False)
                assert (pool.waiting_count, pool.open_count) == (0, 1)
                busy.cancel()
            assert pool.open_count == 0

    run(test)
