"""Bodies that are still being made while they are sent, large ones, and answers that come before the end of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.upstreams.http import ConnectionCut, HttpPool
from tests.upstreams.rawserver import OK, QUICK, Peer, answers, post, run, serving, start, text, until

EARLY = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig"


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


def test_a_streamed_body_is_chunked_and_its_empty_pieces_do_not_end_it() -> None:
    """Unknown length: chunks; an empty piece would be the terminator, so it is left out. The connection is kept."""

    async def test() -> None:
        async with serving(answers(OK, OK)) as server:
            pool = server.pool()
            assert await text(await post(pool, pieces(b"abc", b"", b"defg"))) == b"ok"
            assert await text(await post(pool, pieces())) == b"ok"
            assert [r.body for r in server.requests] == [b"abcdefg", b""]
            assert server.requests[0].headers[b"transfer-encoding"] == b"chunked"
            assert (server.accepted, pool.idle_count) == (1, 1)
            pool.close()

    run(test)


def test_a_streamed_body_of_declared_length_is_sent_as_it_is() -> None:
    """Known length: no chunks, for upstreams that do not take them."""

    async def test() -> None:
        async with serving(answers(OK)) as server:
            pool = server.pool()
            headers = [(b"Content-Length", b"7")]
            response = await pool.send(b"POST", b"/", headers, pieces(b"abc", b"defg"), QUICK)
            assert await text(response) == b"ok"
            assert server.requests[0].body == b"abcdefg"
            assert b"transfer-encoding" not in server.requests[0].headers
            pool.close()

    run(test)


@pytest.mark.parametrize("data", [b"too long", b"short"])
def test_a_body_that_is_not_as_long_as_declared_is_stopped(data: bytes) -> None:
    """More would be read as a second request, less would wait for ever: both close the connection."""

    async def test() -> None:
        async with serving(answers(OK)) as server:
            pool = server.pool()
            with pytest.raises(ValueError, match="content-length"):
                await pool.send(b"POST", b"/", [(b"content-length", b"7")], pieces(data), QUICK)
            assert pool.open_count == 0
            await until(lambda: server.open == 0)

    run(test)


def test_a_source_that_fails_closes_the_connection_and_keeps_its_error() -> None:
    """The client broke off its upload: upstream must not take half of it for the whole."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise LookupError("the client went away")

    async def test() -> None:
        async with serving(answers(OK)) as server:
            pool = server.pool()
            with pytest.raises(LookupError):
                await post(pool, broken())
            assert pool.open_count == 0
            await until(lambda: server.open == 0)

    run(test)


@pytest.mark.parametrize("source", ["stuck", "endless", "whole"])
def test_an_answer_before_the_end_of_the_body_is_delivered(source: str) -> None:
    """A 413 reaches the caller while the body is still on its way, or its source asleep; the connection is not kept."""
    closed = []

    async def stuck() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            await asyncio.Event().wait()
        finally:
            closed.append(source)

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 100_000
        finally:
            closed.append(source)

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(EARLY)
        await peer.gone()

    async def test() -> None:
        closed.clear()
        async with serving(script) as server:
            pool = server.pool()
            body = {"stuck": stuck, "endless": endless, "whole": lambda: b"x" * 30_000_000}[source]()
            response = await post(pool, body)
            assert (response.status, await text(response)) == (413, b"big")
            assert pool.open_count == 0
            assert closed == ([] if source == "whole" else [source])
            await until(lambda: server.open == 0)

    run(test)


def test_an_upstream_that_dies_calls_a_sleeping_source_off() -> None:
    """There is nobody left to send to: the call fails now, not when the client's next piece comes."""

    async def stuck() -> AsyncIterator[bytes]:
        yield b"abc"
        await asyncio.Event().wait()

    async def script(peer: Peer) -> None:
        await peer.head()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            with pytest.raises(ConnectionCut):
                await post(pool, stuck())
            assert pool.open_count == 0

    run(test)


def test_cancelling_an_upload_is_not_mistaken_for_an_early_answer() -> None:
    """The caller's own cancellation passes through as one."""

    async def stuck() -> AsyncIterator[bytes]:
        yield b"abc"
        await asyncio.Event().wait()

    async def test() -> None:
        async with serving(answers(OK)) as server:
            pool = server.pool()
            call = start(post(pool, stuck()))
            await until(lambda: len(server.requests) == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert pool.open_count == 0

    run(test)


def test_a_slow_upstream_slows_the_source_down() -> None:
    """No more is taken from the source than the buffers on the way hold."""
    taken = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(250):
            taken += 100_000
            yield b"x" * 100_000

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()
        await peer.server.go.wait()
        peer.writer.transport.resume_reading()
        await peer.request()
        peer.send(OK)
        await peer.gone()

    async def upload(pool: HttpPool) -> bytes:
        return await text(await post(pool, source(), replace(QUICK, write_s=10)))

    async def test() -> None:
        nonlocal taken
        taken = 0
        async with serving(script, limit=2**20) as server:
            server.go = asyncio.Event()
            pool = server.pool()
            call = start(upload(pool))
            before = -1
            while before != taken or not taken:
                before = taken
                await asyncio.sleep(0.1)
            assert taken < 20_000_000
            server.go.set()
            assert await call == b"ok"
            assert len(server.requests[0].body) == taken == 25_000_000
            pool.close()

    run(test)
