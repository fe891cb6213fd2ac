"""Answers split and cut at every byte: split changes nothing, cut is always an error and never a shorter answer."""

import gzip

import pytest

from proxy.upstreams.http import ConnectionCut, UpstreamError
from tests.upstreams.rawserver import Peer, get, post, run, serving, text

BODY = b'{"a":1}'
SIZED = b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 7\r\n\r\n" + BODY
CHUNKED = (
    b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\n{"a\r\n4\r\n":1}\r\n0\r\nx-t: 1\r\n\r\n'
)
PACKED = gzip.compress(BODY)
GZIPPED = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s" % (len(PACKED), PACKED)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED
ANSWERS = [SIZED, CHUNKED, GZIPPED, INTERIM]
NAMES = ["sized", "chunked", "gzipped", "interim"]


@pytest.mark.parametrize("wire", ANSWERS, ids=NAMES)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_an_answer_in_small_pieces_is_the_same_answer(wire: bytes, size: int) -> None:
    """Where the network splits an answer is of no consequence."""

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.trickle(wire, size)
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            for reused in (False, True):
                response = await post(pool)
                assert (response.status, await text(response), response.reused) == (200, BODY, reused)
            pool.close()

    run(test)


@pytest.mark.parametrize("wire", ANSWERS, ids=NAMES)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_an_answer_cut_at_any_byte_is_an_error(wire: bytes, reset: bool) -> None:
    """A cut answer is never taken for a whole one, never asked for twice, and leaves no connection."""
    at = 0

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(wire[:at])
        await peer.writer.drain()
        if reset:
            peer.reset()

    async def test() -> None:
        nonlocal at
        async with serving(script) as server:
            pool = server.pool()
            for at in range(len(wire)):
                server.requests.clear()
                with pytest.raises(UpstreamError) as caught:
                    await text(await post(pool))
                assert isinstance(caught.value, ConnectionCut), (at, caught.value)
                assert caught.value.sent
                assert len(server.requests) == 1
                assert pool.open_count == 0

    run(test)


def test_what_came_before_the_cut_is_delivered_first() -> None:
    """The tokens seen are the tokens billed: they are not lost with the connection."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n")

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            response = await get(pool)
            assert await response.read_chunk() == b"ab"
            for _ in range(2):
                with pytest.raises(ConnectionCut):
                    await response.read_chunk()
            response.close()

    run(test)


def test_a_reset_does_not_end_a_body_that_ends_with_its_connection() -> None:
    """Only a clean end counts as the end where nothing else marks it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            response = await get(pool)
            assert await response.read_chunk() == b"half"
            server.peers[0].reset()
            with pytest.raises(ConnectionCut):
                await response.read_chunk()
            response.close()

    run(test)
