"""How answers are read: every framing, every encoding, what is skipped and what is refused."""

import asyncio
import gzip
import zlib

import pytest

from proxy.chunked import framed
from proxy.upstreams.http import BadResponse, BodyTooLarge, ConnectionCut, UpstreamProtocolError
from proxy.upstreams.response import PIECE_BYTES
from tests.upstreams.rawserver import CHUNKED, OK, QUICK, Peer, answers, get, post, run, serving, text, until

PLAIN = b"the quick brown fox " * 40


def chunks(*pieces: bytes, trailer: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


def sized(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(h + b"\r\n" for h in headers)
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n%s" % (len(body), lines, body)


def whole(wire: bytes, *, close: bool = False, method: bytes = b"GET") -> tuple[int, list, bytes, int]:
    """Status, headers, body and idle connections after one call answered with `wire`; the same on both loops."""
    seen = []

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(wire)
        if not close:
            await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            response = await pool.send(method, b"/", [], b"", QUICK)
            body = await text(response)
            seen.append((response.status, response.headers, body, pool.idle_count))
            assert pool.open_count == pool.idle_count
            pool.close()

    run(test)
    assert seen[0] == seen[1]
    return seen[0]


def refused(wire: bytes, error: type[Exception], *, kept: int = 0) -> None:
    """A call answered with `wire` ends in `error`, with `kept` connections left."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(wire)
        await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            with pytest.raises(error) as caught:
                await text(await get(pool))
            assert type(caught.value) is error
            assert caught.value.sent
            assert pool.open_count == pool.idle_count == kept
            pool.close()

    run(test)


def test_a_sized_body_is_read_and_its_connection_kept() -> None:
    """Content-Length ends the body; header names are lower case, values are untouched."""
    status, headers, body, idle = whole(sized(PLAIN, b"X-Request-ID: Req_1"))
    assert (status, body, idle) == (200, PLAIN, 1)
    assert (b"x-request-id", b"Req_1") in headers


def test_a_chunked_body_is_joined_and_its_trailers_dropped() -> None:
    """Chunk sizes, extensions and trailers never reach the reader."""
    _, headers, body, idle = whole(CHUNKED + chunks(b"ab", b"c" * 5000, trailer=b"x-late: 1\r\n"))
    assert (body, idle) == (b"ab" + b"c" * 5000, 1)
    assert all(name != b"x-late" for name, _ in headers)


def test_a_body_ended_by_close_is_whole_and_its_connection_gone() -> None:
    """Without length or chunks the end of the connection is the end of the body."""
    assert whole(b"HTTP/1.1 200 OK\r\n\r\n" + PLAIN, close=True)[2:] == (PLAIN, 0)


def test_http_1_0_without_keep_alive_is_read_to_the_close() -> None:
    """Old servers end with the connection."""
    assert whole(b"HTTP/1.0 200 OK\r\n\r\nold", close=True)[2:] == (b"old", 0)


def test_connection_close_is_obeyed_although_the_body_has_a_length() -> None:
    """The answer is complete; the connection is not kept."""
    assert whole(sized(PLAIN, b"connection: close"))[2:] == (PLAIN, 0)


def test_interim_answers_are_skipped() -> None:
    """100 and 103 come before the answer, in any number that fits a head, and leave no header behind."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    status, headers, body, idle = whole(interim + sized(b"ok"))
    assert (status, body, idle) == (200, b"ok", 1)
    assert all(name != b"link" for name, _ in headers)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_statuses_without_a_body_end_with_their_head(status: bytes) -> None:
    """A length on them is a remark, not a body."""
    extra = b"content-length: 7\r\n" if status[:3] == b"304" else b""
    assert whole(b"HTTP/1.1 " + status + b"\r\n" + extra + b"\r\n")[2:] == (b"", 1)


def test_head_has_no_body_whatever_its_headers_say() -> None:
    """The parser cannot know; the connection is given up rather than trusted."""
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\ncontent-encoding: gzip\r\n\r\n"
    status, headers, body, idle = whole(wire, method=b"HEAD")
    assert (status, body, idle) == (200, b"", 0)
    assert (b"content-length", b"10") in headers


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        (b"gzip", gzip.compress(PLAIN)),
        (b"x-gzip", gzip.compress(PLAIN)),
        (b"GZip", gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:])),
        (b"gzip", gzip.compress(PLAIN) + b"\0" * 20),
        (b"deflate", zlib.compress(PLAIN)),
        (b"deflate", zlib.compress(PLAIN, wbits=-15)),
    ],
    ids=["gzip", "x-gzip", "two members", "padded", "deflate", "raw deflate"],
)
@pytest.mark.parametrize("framing", ["sized", "chunked", "bytewise"])
def test_compressed_bodies_are_unpacked_and_their_headers_taken_away(
    name: bytes, packed: bytes, framing: str
) -> None:
    """However the pieces fall, the reader sees plain bytes and no header that speaks of the packed ones."""
    if framing == "sized":
        wire = sized(packed, b"content-encoding: " + name)
    else:
        pieces = [packed] if framing == "chunked" else [packed[i : i + 1] for i in range(len(packed))]
        wire = CHUNKED[:-2] + b"content-encoding: " + name + b"\r\n\r\n" + chunks(*pieces)
    _, headers, body, idle = whole(wire)
    assert (body, idle) == (PLAIN, 1)
    assert not {n for n, _ in headers} & {b"content-encoding", b"content-length"}


def test_identity_is_no_encoding() -> None:
    """Saying that nothing was done changes nothing."""
    assert whole(sized(PLAIN, b"content-encoding: identity"))[2] == PLAIN


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, gzip"])
def test_an_encoding_nobody_asked_for_is_refused(encoding: bytes) -> None:
    """Passing packed bytes on under a plain name would be worse than an error."""
    refused(sized(PLAIN, b"content-encoding: " + encoding), UpstreamProtocolError)


def test_damaged_and_truncated_compression_is_refused() -> None:
    """Half an answer never looks like a whole one; its framing was sound, so the connection is."""
    packed = gzip.compress(PLAIN)
    refused(sized(packed[:-9], b"content-encoding: gzip"), BadResponse, kept=1)
    refused(sized(b"no gzip at all", b"content-encoding: gzip"), BadResponse, kept=1)


def test_a_decompression_bomb_is_stopped_at_the_limit() -> None:
    """200 MB of zeros in 200 KB cost no more memory than the limit and one piece."""
    bomb = gzip.compress(b"\0" * 200_000_000, compresslevel=9)

    async def test() -> None:
        async with serving(answers(sized(bomb, b"content-encoding: gzip"))) as server:
            pool = server.pool()
            response = await get(pool)
            with pytest.raises(BodyTooLarge):
                await response.read_all(1_000_000)
            streamed = await get(pool)
            assert len(await streamed.read_chunk()) <= 256 * 1024
            streamed.close()
            pool.close()

    run(test)


def test_read_all_stops_at_its_limit_to_the_byte() -> None:
    """At the limit the body passes, one byte over it does not, and the connection does not survive."""

    async def test() -> None:
        async with serving(answers(CHUNKED + chunks(PLAIN), CHUNKED + chunks(PLAIN))) as server:
            pool = server.pool()
            assert await (await get(pool)).read_all(len(PLAIN)) == PLAIN
            with pytest.raises(BodyTooLarge):
                await (await get(pool)).read_all(len(PLAIN) - 1)
            pool.close()

    run(test)


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\nno-cr: 1\n\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 999 Unknown\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000 + b"content-length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000,
        CHUNKED + b"zz\r\n",
        CHUNKED + b"2\r\nabX",
        CHUNKED + b"1;" + b"e" * 70_000,
        CHUNKED + b"0\r\nx: " + b"y" * 70_000,
    ],
    ids=lambda wire: wire[:60].decode("latin-1").encode("unicode_escape").decode(),
)
def test_what_is_not_an_honest_answer_is_refused(wire: bytes) -> None:
    """Not HTTP, ambiguous framing, upgrades and floods all end the call and the connection."""
    refused(wire, BadResponse)


@pytest.mark.parametrize(
    "tail",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"garbage", b"\0"],
    ids=["answer", "text", "nul"],
)
def test_bytes_after_the_answer_spoil_the_connection_not_the_answer(tail: bytes) -> None:
    """A second answer to one question must never be given to the next caller."""
    assert whole(sized(b"good") + tail)[2:] == (b"good", 0)


def test_a_chunk_read_returns_everything_that_came_and_then_waits() -> None:
    """One piece per look: what came in two reads is one write, what has not come is waited for."""

    async def test() -> None:
        more = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            peer.send(CHUNKED + b"2\r\nab\r\n2\r\ncd\r\n")
            await more.wait()
            peer.send(b"1\r\ne\r\n0\r\n\r\n")
            await peer.gone()

        async with serving(script) as server:
            pool = server.pool()
            response = await get(pool)
            assert await response.read_chunk() == b"abcd"
            more.set()
            assert await response.read_chunk() == b"e"
            assert await response.read_chunk() == b""
            assert await response.read_chunk() == b""
            response.close()
            response.close()
            assert pool.idle_count == 1
            pool.close()

    run(test)


def test_a_large_read_is_poured_piece_by_piece_without_waking_the_reader() -> None:
    """Every piece is a small one and is handed on from where it arrives, in no task; a tap that is shut keeps the rest."""

    async def test() -> None:
        asleep, all_there = asyncio.Event(), asyncio.Event()
        body, rest = b"0123456789" * 6_000, b"z" * 2 * PIECE_BYTES

        async def script(peer: Peer) -> None:
            await peer.request()
            peer.send(CHUNKED + chunks(b"first")[:-5])
            await asleep.wait()
            peer.send(chunks(body)[:-5])
            await all_there.wait()
            peer.send(chunks(rest))
            await peer.gone()

        pieces: list[bytes] = []
        tasks: list[object] = []

        def tap(piece: bytes) -> bool:
            pieces.append(piece)
            tasks.append(asyncio.current_task())
            if len(pieces) == 1:
                asleep.set()
            if sum(map(len, pieces)) == len(b"first" + body):
                all_there.set()
            return piece[:1] != b"z"

        async with serving(script) as server:
            pool = server.pool()
            response = await get(pool)
            assert await response.pour(tap)
            response_rest = await text(response)
            assert max(map(len, pieces)) <= PIECE_BYTES
            assert b"".join(pieces) + response_rest == b"first" + body + rest
            assert [task for piece, task in zip(pieces, tasks, strict=True) if piece[:1].isdigit()] == [
                None
            ] * (len(pieces) - 2)
            response.close()
            pool.close()

    run(test)


def test_a_frame_that_comes_alone_is_shown_as_it_stands_on_the_wire() -> None:
    """To who wants to see it, behind another one that came alone and was a line; what it does not take, and all that comes
    in another way, is poured. In order, whoever gets it, up to the end of the body."""

    async def test() -> None:
        begun = asyncio.Event()
        heard: list[bytes] = []
        shown: list[bytes] = []
        said = [
            [b"a\n"],
            [b"b\nc\n"],
            [b"NO\n"],
            [b"d\n"],
            [b"e\n", b"f\n"],
            [b"g\n"],
            [b"h"],
            [b"i\n"],
            [b"j\n"],
        ]

        async def script(peer: Peer) -> None:
            await peer.request()
            peer.send(CHUNKED)
            await begun.wait()
            for number, bodies in enumerate(said):
                peer.send(chunks(*bodies)[:-5])
                await until(lambda number=number: len(heard) > number)
            peer.send(b"0\r\n\r\n")
            await peer.gone()

        def tap(piece: bytes) -> bool:
            heard.append(piece)
            return True

        def frame_tap(wire: bytes) -> bool:
            body = framed(wire)
            if body in (b"", b"NO\n"):
                return False
            shown.append(body)
            heard.append(body)
            return True

        async with serving(script) as server:
            pool = server.pool()
            response = await get(pool)
            begun.set()
            assert not await response.pour(tap, frame_tap)
            assert heard == [b"".join(bodies) for bodies in said]
            assert shown == [b"b\nc\n", b"d\n", b"h", b"i\n", b"j\n"]
            response.close()
            assert pool.idle_count == 1
            pool.close()

    run(test)


def test_what_a_frame_tap_raises_belongs_to_the_reader() -> None:
    """And the body goes no further."""

    async def test() -> None:
        begun, asleep = asyncio.Event(), asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            peer.send(CHUNKED)
            await begun.wait()
            peer.send(chunks(b"a\n")[:-5])
            await asleep.wait()
            peer.send(chunks(b"b\n")[:-5])
            await peer.gone()

        def tap(piece: bytes) -> bool:
            assert piece == b"a\n"
            asleep.set()
            return True

        def frame_tap(frame: bytes) -> bool:
            raise ZeroDivisionError(frame)

        async with serving(script) as server:
            pool = server.pool()
            response = await get(pool)
            begun.set()
            with pytest.raises(ZeroDivisionError):
                await response.pour(tap, frame_tap)
            response.close()
            assert pool.open_count == 0
            pool.close()

    run(test)


@pytest.mark.parametrize("ends", ["shut", "cancelled"])
def test_nothing_overtakes_a_reader_that_is_about_to_wake(ends: str) -> None:
    """Its tap was shut, or it was cancelled, and before it runs another frame comes: that one is not shown any more."""

    async def test() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            peer.send(CHUNKED)
            await peer.gone()

        shown: list[bytes] = []

        def tap(piece: bytes) -> bool:
            return piece != b"shut\n"

        def frame_tap(frame: bytes) -> bool:
            body = framed(frame)
            if body == b"shut\n":
                return False
            shown.append(body)
            return True

        async with serving(script) as server:
            pool = server.pool()
            response = await get(pool)
            reader = asyncio.get_running_loop().create_task(response.pour(tap, frame_tap))
            await until(lambda: response.waiter is not None)
            connection = response.connection
            for body in (b"a\n", b"b\n"):
                connection.data_received(chunks(body)[:-5])
            if ends == "shut":
                connection.data_received(chunks(b"shut\n")[:-5])
            else:
                reader.cancel()
            connection.data_received(chunks(b"c\n")[:-5])
            assert shown == [b"b\n"]
            if ends == "shut":
                assert await reader
                assert await response.read_chunk() == b"c\n"
            else:
                with pytest.raises(asyncio.CancelledError):
                    await reader
            response.close()
            pool.close()

    run(test)


def test_timings_are_in_order_and_reuse_is_told() -> None:
    """Started <= connected <= sent <= first byte, and a reused connection costs no connecting."""

    async def test() -> None:
        async with serving(answers(OK, OK)) as server:
            pool = server.pool()
            first = await post(pool)
            await text(first)
            second = await post(pool)
            await text(second)
            assert first.connect_started_s < first.connect_done_s <= first.sent_s <= first.first_byte_s
            assert (first.reused, second.reused) == (False, True)
            assert second.connect_started_s == second.connect_done_s <= second.sent_s <= second.first_byte_s
            pool.close()

    run(test)


def test_a_closed_response_says_so_instead_of_ending() -> None:
    """Reading on after close is an error, not an empty rest that looks like a whole answer."""

    async def test() -> None:
        async with serving(answers(CHUNKED + b"2\r\nab\r\n")) as server:
            pool = server.pool()
            response = await get(pool)
            response.close()
            with pytest.raises(ConnectionCut):
                await response.read_chunk()
            assert pool.open_count == 0

    run(test)
