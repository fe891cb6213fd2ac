"""Deadlines, caps and refusals of one connection, over real sockets with deadlines of a fraction of a second."""

import asyncio
import gc
import json
from dataclasses import replace

import uvicorn

from proxy.api.door import Door, DoorLimits
from proxy.api.protocol import GuardedProtocol
from tests.api.door_kit import PATIENT, QUICK, Recorder, answer, open_port, read_all, read_answer, run, talk

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\n"
LAST = HEAD + b"Connection: close\r\n"


def status_of(answered: bytes) -> int:
    head, _, body = answered.partition(b"\r\n\r\n")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    assert b"connection: close" in head
    return int(head.split()[1])


# Deadlines


def test_a_silent_connection_is_closed() -> None:
    """Nothing is sent: end of file without an answer."""

    async def main() -> None:
        async with open_port(Recorder(), QUICK) as port:
            assert await read_all(*await port.connect()) == b""

    run(main())


def test_half_a_head_is_answered_408_and_closed() -> None:
    """Whether it stops at once or in the middle of a field, and on a connection that was used before."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app, QUICK) as port:
            for sent in (b"P", b"POST /v1/x HTTP/1.1\r\n", HEAD + b"X-Half: a"):
                assert status_of(await port.exchange(sent)) == 408
            reader, writer = await port.connect()
            writer.write(HEAD + b"\r\n")
            await read_answer(reader)
            assert status_of(await talk(reader, writer, HEAD)) == 408
            assert len(app.seen) == 1

    run(main())


def test_a_head_that_drips_is_not_kept_open_by_dripping() -> None:
    """One byte at a time, for ever: the deadline counts from the first byte."""

    async def main() -> None:
        async with open_port(Recorder(), QUICK) as port:
            reader, writer = await port.connect()
            writer.write(HEAD)

            async def drip() -> None:
                while True:
                    writer.write(b"x")
                    await asyncio.sleep(0.02)

            dripping = asyncio.get_running_loop().create_task(drip())
            answered = await asyncio.wait_for(reader.read(), 5)
            dripping.cancel()
            writer.close()
            assert status_of(answered) == 408

    run(main())


def test_half_a_body_is_answered_408_and_the_app_told() -> None:
    """The app waiting for the body gets a disconnect, the client a 408."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app, QUICK) as port:
            assert status_of(await port.exchange(HEAD + b"Content-Length: 9\r\n\r\nabc")) == 408
            assert status_of(await port.exchange(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc")) == 408
            assert (len(app.scopes), app.seen, port.server.in_flight) == (2, [], 0)

    run(main())


def test_a_trickling_body_is_closed_although_it_moves() -> None:
    """Bytes come more often than the stall limit, but at a hopeless rate."""

    async def main() -> None:
        async with open_port(Recorder(), QUICK) as port:
            reader, writer = await port.connect()
            writer.write(HEAD + b"Content-Length: 999\r\n\r\n")

            async def trickle() -> None:
                while True:
                    writer.write(b"x")
                    await asyncio.sleep(0.05)

            trickling = asyncio.get_running_loop().create_task(trickle())
            answered = await asyncio.wait_for(reader.read(), 5)
            trickling.cancel()
            writer.close()
            assert b"too slowly" in answered
            assert status_of(answered) == 408

    run(main())


def test_a_long_upload_at_a_fair_rate_is_allowed() -> None:
    """It takes longer than every deadline of the body together, and arrives whole."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app, replace(QUICK, body_grace_s=0.2)) as port:
            reader, writer = await port.connect()
            writer.write(LAST + b"Content-Length: 20000\r\n\r\n")
            for _ in range(20):
                writer.write(b"x" * 1000)
                await asyncio.sleep(0.04)
            assert (await read_all(reader, writer)).endswith(b"20000")

    run(main())


def test_an_app_that_does_not_read_is_not_the_clients_fault() -> None:
    """The app takes its time before reading a large body: the client, kept waiting, still has its grace afterwards."""

    async def main() -> None:
        recorder, reading = Recorder(), asyncio.Event()

        async def late(scope, receive, send) -> None:
            await asyncio.sleep(0.9)
            reading.set()
            await recorder(scope, receive, send)

        async with open_port(late, replace(QUICK, body_min_rate_bytes=1e9)) as port:
            reader, writer = await port.connect()
            writer.write(LAST + b"Content-Length: 9000009\r\n\r\n" + b"x" * 9_000_000)
            await reading.wait()
            await writer.drain()
            for _ in range(9):
                await asyncio.sleep(0.02)
                writer.write(b"x")
            assert (await read_all(reader, writer)).endswith(b"9000009")

    run(main())


def test_an_idle_kept_connection_is_closed_after_its_own_limit_and_a_slow_answer_is_not_idle() -> None:
    """An answer that takes longer than every limit arrives; then the connection idles and is closed."""

    async def main() -> None:
        async def slow(scope, receive, send) -> None:
            await receive()
            await asyncio.sleep(0.8)
            await answer(send, b"late")

        async with open_port(slow, QUICK) as port:
            reader, writer = await port.connect()
            writer.write(HEAD + b"\r\n")
            assert (await read_answer(reader))[2] == b"late"
            assert await read_all(reader, writer) == b""

    run(main())


def test_a_client_that_never_takes_its_answer_is_cut() -> None:
    """No byte is taken for the stall limit: the transport is aborted and the app told."""

    async def main() -> None:
        gone = asyncio.Event()

        async def endless(scope, receive, send) -> None:
            scope["extensions"]["switchyard.exchange"].on_client_gone(gone.set)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not gone.is_set():
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})

        async with open_port(endless, QUICK) as port:
            _, writer = await port.connect(limit=1)
            writer.write(HEAD + b"\r\n")
            await asyncio.wait_for(gone.wait(), 10)
            writer.close()

    run(main())


def test_two_hundred_slow_sockets_are_closed_and_hinder_nobody() -> None:
    """Half heads, half bodies and silence on 200 sockets: all closed, while every healthy request succeeds."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app, QUICK) as port:
            openings = (b"\r\n", HEAD, HEAD + b"Content-Length: 9\r\n\r\nabc", b"GET")
            loop = asyncio.get_running_loop()
            slow = [loop.create_task(sluggish(port, openings[n % 4])) for n in range(200)]
            healthy = 0
            while not all(one.done() for one in slow):
                assert b" 200 " in await port.exchange(LAST + b"Content-Length: 2\r\n\r\nok")
                healthy += 1
            assert healthy > 10
            assert all(not one.result() or status_of(one.result()) == 408 for one in slow)
            assert len(app.seen) == healthy

    async def sluggish(port, opening: bytes) -> bytes:
        reader, writer = await port.connect()
        return await talk(reader, writer, opening)

    run(main())


# Caps


def fields(total_bytes: int) -> bytes:
    """A head of exactly so many bytes by the rule of the cap: the target, and name + value + 4 for each field."""
    made = LAST.removeprefix(b"POST /v1/x HTTP/1.1\r\n")
    left = total_bytes - len(b"/v1/x") - len(made)
    while left > 8_000:
        made += b"x: %b\r\n" % (b"v" * 3_995)
        left -= 4_000
    return b"POST /v1/x HTTP/1.1\r\n" + made + b"x: %b\r\n\r\n" % (b"v" * (left - 5))


def test_header_bytes_are_capped_to_the_byte_whole_and_in_pieces() -> None:
    """The limit passes, one byte more is a 431; the delivery makes no difference."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            for piece in (0, 1000, 7):
                assert b" 200 OK" in await port.exchange(fields(65_536), piece=piece)
                assert status_of(await port.exchange(fields(65_537), piece=piece)) == 431
                assert status_of(await port.exchange(fields(150_000), piece=piece)) == 431
            assert len(app.seen) == 3

    run(main())


def test_a_head_of_ten_megabytes_is_refused_without_being_kept() -> None:
    """In one field or many; the refusal arrives although the client sends it all first. 5,000 small fields likewise."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            one = HEAD + b"X: " + b"v" * 10_000_000 + b"\r\n\r\n"
            many = HEAD + b"X: vvvvvvvvvvvvvvvvvvvv\r\n" * 400_000 + b"\r\n"
            target = b"GET /" + b"v" * 10_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
            for sent in (one, many, target, HEAD + b"X: 1\r\n" * 5000 + b"\r\n"):
                assert status_of(await port.exchange(sent, piece=250_000)) == 431
            assert app.scopes == []

    run(main())


def test_the_number_of_fields_and_the_length_of_the_target_are_capped() -> None:
    """150 fields and 8192 bytes pass; one more is a 431."""

    async def main() -> None:
        async with open_port(Recorder()) as port:
            for extra, status in ((148, b"200"), (149, b"431")):
                assert (await port.exchange(LAST + b"X: 1\r\n" * extra + b"\r\n")).split()[1] == status
            for size, status in ((8192, b"200"), (8193, b"431")):
                line = b"GET /%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % (b"v" * (size - 1))
                assert (await port.exchange(line)).split()[1] == status

    run(main())


def test_trailers_and_chunk_extensions_without_end_are_refused() -> None:
    """A body may not hide megabytes between its chunks."""

    async def main() -> None:
        async with open_port(Recorder()) as port:
            chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
            assert (
                status_of(await port.exchange(chunked + b"0\r\nX: " + b"v" * 1_000_000, piece=60_000)) == 400
            )
            assert status_of(await port.exchange(chunked + b"1;" + b"v" * 1_000_000, piece=60_000)) == 400

    run(main())


def test_a_body_of_many_tiny_chunks_is_read() -> None:
    """The cap on framing counts from the last byte of the body, not over all of it."""

    async def main() -> None:
        async with open_port(Recorder()) as port:
            sent = LAST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n"
            assert (await port.exchange(sent)).endswith(b"40000")

    run(main())


# Expect, upgrades, refusals in the middle


def test_a_client_that_waits_for_100_continue_gets_it_once() -> None:
    """The interim answer comes when the app asks for the body, then the real one."""

    async def main() -> None:
        async with open_port(Recorder()) as port:
            reader, writer = await port.connect()
            writer.write(LAST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            answered = await talk(reader, writer, b"abc")
            assert answered.startswith(b"HTTP/1.1 200 ")
            assert answered.endswith(b"3")

    run(main())


def test_a_websocket_meets_the_apps_own_answer() -> None:
    """The wish to upgrade is dropped: the app sees a plain GET without it and can say 404 as for any other path."""

    async def main() -> None:
        async def not_found(scope, receive, send) -> None:
            assert scope["type"] == "http"
            assert not {name for name, _ in scope["headers"]} & {b"upgrade", b"connection"}
            await answer(send, b"no", 404)

        async with open_port(not_found) as port:
            reader, writer = await port.connect()
            for _ in range(2):
                writer.write(
                    b"GET /v1/realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                )
                assert (await read_answer(reader))[0] == 404
            writer.close()

    run(main())


def test_a_broken_chunk_ends_the_request_it_is_in() -> None:
    """The app, waiting for more, gets a disconnect; the client a 400; a pipelined request behind is not run."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            reader, writer = await port.connect()
            writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            while not app.scopes:
                await asyncio.sleep(0)
            assert status_of(await talk(reader, writer, b"zz\r\n" + HEAD + b"\r\n")) == 400
            assert (len(app.scopes), app.seen) == (1, [])

    run(main())


def test_garbage_does_not_break_into_an_answer_under_way() -> None:
    """Half an answer is out when garbage comes: the answer is finished untouched, the refusal follows it."""

    async def main() -> None:
        half, go_on = asyncio.Event(), asyncio.Event()

        async def app(scope, receive, send) -> None:
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            half.set()
            await go_on.wait()
            await send({"type": "http.response.body", "body": b"done"})

        async with open_port(app, replace(PATIENT, linger_s=0.2)) as port:
            reader, writer = await port.connect()
            writer.write(HEAD + b"\r\n")
            await half.wait()
            writer.write(b"\0\0\0\0")
            assert (await reader.readuntil(b"half")).startswith(b"HTTP/1.1 200 ")
            go_on.set()
            rest = await read_all(reader, writer)
            assert rest.startswith(b"doneHTTP/1.1 400 ")

    run(main())


# What is kept in memory


class Counting(GuardedProtocol):
    """Counts what is handed to the parser."""

    fed_bytes = 0

    def _feed(self, data) -> None:
        if self.may_ask:
            self.fed_bytes += len(data)
        super()._feed(data)


class FakeTransport(asyncio.Transport):
    """Takes what is written; is never slow and never fails."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data) -> None:
        self.written += data

    def write_eof(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...


def test_no_more_of_a_head_than_the_limit_and_64_kib_is_ever_fed_to_the_parser() -> None:
    """Wherever the head begins in a read, and however large the reads are."""

    async def main() -> None:
        door = Door(DoorLimits(), asyncio.get_running_loop())
        config = uvicorn.Config(
            Recorder(), http=GuardedProtocol, interface="asgi3", lifespan="off", log_config=None
        )
        config.load()
        for ahead in (0, 20_000, 65_000):
            for read in (1_000, 65_536, 256_000):
                protocol = Counting(config, door, {}, door.loop)
                protocol.connection_made(FakeTransport())
                body = HEAD + b"Content-Length: %d\r\n\r\n" % ahead + b"x" * ahead
                sent = body + HEAD + b"X: " + b"v" * 1_000_000
                at = 0
                while protocol.may_ask:
                    protocol.data_received(sent[at : at + read])
                    at += read
                assert protocol.fed_bytes - len(body) <= 65_536 + 65_536

    run(main())


def test_requests_leave_no_garbage_for_the_collector() -> None:
    """With the collector off, a thousand requests on ten connections leave no more objects than the last of them hold."""

    async def main() -> None:
        async def plain(scope, receive, send) -> None:
            await receive()
            scope["extensions"]["switchyard.exchange"].on_client_gone(lambda: None)
            await answer(send, b"ok")

        async with open_port(plain) as port:
            gc.collect()
            gc.disable()
            try:
                for _ in range(10):
                    reader, writer = await port.connect()
                    for _ in range(100):
                        writer.write(HEAD + b"Content-Length: 2\r\n\r\nok")
                        await read_answer(reader)
                    writer.close()
                while port.server.connections:
                    await asyncio.sleep(0)
                names = [type(one).__name__ for one in gc.get_objects()]
                assert names.count("Exchange") <= 1
                assert names.count("GuardedProtocol") <= 1
            finally:
                gc.enable()

    run(main())
