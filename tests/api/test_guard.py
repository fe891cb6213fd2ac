"""The gate's counters and the bounded body reader, over real sockets."""

import asyncio

import pytest

from proxy.api.exchange import exchange_of
from proxy.api.guard import ClientGone, Gate, Overloaded, read_body
from proxy.errors import ApiError, BodyTooLarge
from tests.api.door_kit import answer, open_port, read_all, run

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def piece(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def read(limit_bytes: int, *sent: bytes, stays: bool = True, gate: Gate | None = None) -> bytes:
    """The body an app reads of a request that comes in these pieces, each sent when the one before has arrived. Then the
    client waits for its answer, or leaves."""

    async def main() -> bytes:
        exchanges, outcome = [], asyncio.get_running_loop().create_future()

        async def app(scope, receive, send) -> None:
            exchanges.append(exchange_of(scope))
            try:
                with (gate or Gate(1, 1000)).enter() as ticket:
                    outcome.set_result(await read_body(exchanges[0], limit_bytes, ticket))
            except (ApiError, ClientGone) as error:
                outcome.set_exception(error)
            await answer(send, b"")

        async with open_port(app) as port:
            reader, writer = await port.connect()
            for number, each in enumerate(sent):
                writer.write(each)
                while not outcome.done() and (not exchanges or exchanges[0].received_bytes < number):
                    await asyncio.sleep(0)
            if stays:
                await read_all(reader, writer)
            writer.close()
            return await asyncio.wait_for(outcome, 10)

    return run(main())


def test_a_body_in_one_piece_and_in_many_is_the_same() -> None:
    """Whether it came along with its head or after it, by length or in chunks: the pieces are joined in order."""
    sized = HEAD + b"Content-Length: 6\r\n\r\n"
    for sent in (
        [sized + b"abcdef"],
        [sized, b"a", b"bcdef"],
        [CHUNKED + piece(b"abcdef") + END],
        [CHUNKED, piece(b"ab"), piece(b"c"), piece(b"def"), END],
    ):
        assert read(6, *sent) == b"abcdef"


def test_one_byte_over_the_limit_is_too_large_however_it_comes() -> None:
    """By declared length before anything is read, by count in one piece, and by count in many."""
    with pytest.raises(BodyTooLarge) as refusal:
        read(6, HEAD + b"Content-Length: 7\r\n\r\n")
    assert refusal.value.status == 413
    for sent in ([CHUNKED + piece(b"abcdefg") + END], [CHUNKED, piece(b"abcd"), piece(b"efg")]):
        with pytest.raises(BodyTooLarge):
            read(6, *sent)


def test_a_client_that_leaves_is_not_a_short_body() -> None:
    """A client that leaves behind its head or in the middle of its body raises ClientGone."""
    for sent in ([CHUNKED], [CHUNKED, piece(b"ab")]):
        with pytest.raises(ClientGone):
            read(6, *sent, stays=False)


def test_the_gate_refuses_the_request_after_the_last_place_and_opens_again() -> None:
    """A full gate is a 503 server_error that says when to come back."""
    gate = Gate(2, 100)
    with gate.enter(), gate.enter():
        with pytest.raises(Overloaded) as refusal:
            gate.enter()
        assert (refusal.value.status, refusal.value.type) == (503, "server_error")
        assert (b"retry-after", b"1") in refusal.value.headers()
    assert gate.requests == 0
    gate.enter().close()


def test_bytes_are_counted_over_all_requests_and_given_back() -> None:
    """The second body does not fit beside the first; it does once the first is gone, also after a failure."""
    gate = Gate(2, 10)
    with gate.enter() as first:
        first.hold(6)
        with pytest.raises(Overloaded):
            read(100, CHUNKED, piece(b"abc"), piece(b"de"), END, gate=gate)
        assert gate.held_bytes == 6
    assert (gate.requests, gate.held_bytes) == (0, 0)
    assert read(100, CHUNKED + piece(b"0123456789") + END, gate=gate) == b"0123456789"


def reading_app(limit_bytes: int):
    """Reads the body through the guard and answers its length or the refusal."""
    gate = Gate(10, 10_000_000)

    async def app(scope, receive, send):
        try:
            with gate.enter() as ticket:
                try:
                    body = await read_body(exchange_of(scope), limit_bytes, ticket)
                finally:
                    app.held_bytes = gate.held_bytes
        except ApiError as error:
            await answer(send, error.body(), error.status)
        else:
            await answer(send, b"%d" % len(body))

    app.held_bytes = 0
    return app


def test_a_limit_is_met_to_the_byte_by_length_and_chunked_over_a_socket() -> None:
    """At the limit 200, one byte more 413, with either framing."""

    async def main() -> None:
        async with open_port(reading_app(300_000)) as port:
            for size, status in ((300_000, b"200"), (300_001, b"413")):
                sized = HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size
                chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
                    size,
                    b"x" * size,
                )
                for sent in (sized, chunked):
                    assert (await port.exchange(sent)).split()[1] == status

    run(main())


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_asked_for() -> None:
    """With `Expect: 100-continue` the 413 comes instead of the 100."""

    async def main() -> None:
        async with open_port(reading_app(10)) as port:
            answered = await port.exchange(HEAD + b"Expect: 100-continue\r\nContent-Length: 11\r\n\r\n")
            assert answered.startswith(b"HTTP/1.1 413 ")

    run(main())


def test_the_refusal_of_a_huge_upload_reaches_a_client_that_is_still_sending() -> None:
    """50 MB sent without looking: the answer is there to be read afterwards, not destroyed by a reset."""

    async def main() -> None:
        async with open_port(reading_app(1000)) as port:
            answered = await port.exchange(
                HEAD + b"Content-Length: 50000000\r\n\r\n" + b"x" * 50_000_000, piece=1 << 20
            )
            assert answered.startswith(b"HTTP/1.1 413 ")
            assert b"invalid_request_error" in answered

    run(main())


def test_of_a_chunked_body_that_is_too_large_no_more_than_64_kib_beyond_the_limit_is_held() -> None:
    """A client that sends on without end fills no memory while it is being refused."""

    async def main() -> None:
        app = reading_app(300_000)
        async with open_port(app) as port:
            endless = b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000) * 100
            answered = await port.exchange(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + endless)
            assert answered.startswith(b"HTTP/1.1 413 ")
            assert 300_000 < app.held_bytes <= 300_000 + 65_536

    run(main())
