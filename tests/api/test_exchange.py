"""The app's side of a request: the hooks, back-pressure, and answers framed right whatever the app does."""

import asyncio
import contextlib
import json
import logging
import socket
import struct

import pytest

from proxy.api.door import Door
from proxy.api.exchange import exchange_of
from tests.api.door_kit import (
    PATIENT,
    Recorder,
    Sink,
    answer,
    open_port,
    protocol_on,
    read_all,
    read_answer,
    run,
)

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\n"
LAST = HEAD + b"Connection: close\r\n"
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


def chunk(body: bytes, more: bool = True):
    return {"type": "http.response.body", "body": body, "more_body": more}


def replying(*messages):
    async def app(scope, receive, send) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app


class Waiting:
    """Registers for the client's leaving, then waits for it (optionally with a stream already begun)."""

    def __init__(self, streaming: bool) -> None:
        self.streaming = streaming
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self.calls = 0

    def leave(self) -> None:
        self.calls += 1
        self.gone.set()

    async def __call__(self, scope, receive, send) -> None:
        await receive()
        exchange_of(scope).on_client_gone(self.leave)
        if self.streaming:
            await send(START)
            await send(chunk(b"data: 1\n\n"))
        self.begun.set()
        await self.gone.wait()
        await send(START if not self.streaming else chunk(b"nobody reads this"))


def leave_by_close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def leave_by_reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def leave_by_half_close(writer: asyncio.StreamWriter) -> None:
    writer.write_eof()


@pytest.mark.parametrize("streaming", [False, True], ids=["before the answer", "within the answer"])
@pytest.mark.parametrize("leave", [leave_by_close, leave_by_reset, leave_by_half_close])
def test_the_app_is_told_once_when_the_client_leaves(leave, streaming: bool) -> None:
    """Close, reset and half-close count alike; the exchange is over and nothing stays behind."""

    async def main() -> None:
        app = Waiting(streaming)
        async with open_port(app) as port:
            _, writer = await port.connect()
            writer.write(HEAD + b"\r\n")
            await app.begun.wait()
            leave(writer)
            await asyncio.wait_for(app.gone.wait(), 5)
            while port.server.in_flight or port.server.connections:
                await asyncio.sleep(0)
            assert app.calls == 1
            writer.close()

    run(main())


def test_a_client_that_leaves_after_its_answer_was_complete_did_not_leave() -> None:
    """Also when the app still works on after the answer, and also on the second request of a connection."""

    async def main() -> None:
        calls, leave_it = [], asyncio.Event()

        async def app(scope, receive, send) -> None:
            await receive()
            exchange_of(scope).on_client_gone(lambda: calls.append(scope["path"]))
            await answer(send, b"ok")
            await leave_it.wait()

        async with open_port(app) as port:
            reader, writer = await port.connect()
            for _ in range(2):
                writer.write(HEAD + b"\r\n")
                assert (await read_answer(reader))[2] == b"ok"
            writer.close()
            while port.server.connections:
                await asyncio.sleep(0)
            leave_it.set()
        assert calls == []

    run(main())


def test_registering_after_the_client_left_calls_at_once() -> None:
    """There is no gap between reading the request and registering in which a leaving client goes unnoticed."""

    async def main() -> None:
        called = asyncio.Event()

        async def app(scope, receive, send) -> None:
            await receive()
            while not exchange_of(scope).client_gone:
                await asyncio.sleep(0)
            exchange_of(scope).on_client_gone(called.set)

        async with open_port(app) as port:
            _, writer = await port.connect()
            writer.write(HEAD + b"\r\n")
            writer.close()
            await asyncio.wait_for(called.wait(), 5)

    run(main())


def test_only_the_running_request_of_a_pipeline_is_told_and_the_next_never_runs() -> None:
    """Two requests in one write, the client leaves during the first."""

    async def main() -> None:
        app = Waiting(streaming=True)
        async with open_port(app) as port:
            _, writer = await port.connect()
            writer.write((HEAD + b"\r\n") * 2)
            await app.begun.wait()
            writer.close()
            await asyncio.wait_for(app.gone.wait(), 5)
            while port.server.in_flight or port.server.connections:
                await asyncio.sleep(0)
            assert app.calls == 1

    run(main())


def test_a_client_that_leaves_in_the_middle_of_its_body_is_a_disconnect() -> None:
    """The app's `receive` returns `http.disconnect`; the request is never seen whole."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            _, writer = await port.connect()
            writer.write(HEAD + b"Content-Length: 9\r\n\r\nabc")
            while not app.scopes:
                await asyncio.sleep(0)
            writer.close()
            while port.server.in_flight:
                await asyncio.sleep(0)
            assert app.seen == []

    run(main())


def test_a_stopped_reader_stops_the_app_and_memory_stays_flat() -> None:
    """Of 200 MB offered to a client that does not read, less than 1 MB waits in this process; then it all arrives."""

    async def main() -> None:
        sent, blocked = [0], asyncio.Event()
        piece, pieces = b"x" * 65_536, 3_200

        async def app(scope, receive, send) -> None:
            await receive()
            exchange = exchange_of(scope)
            await send(START)
            for _ in range(pieces):
                if exchange.connection.flow.write_paused and not blocked.is_set():
                    assert exchange.connection.transport.get_write_buffer_size() < 1_000_000
                    blocked.set()
                await send(chunk(piece))
                sent[0] += len(piece)
            await send(chunk(b"", more=False))

        async with open_port(app) as port:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", port.number))
            await loop.sock_sendall(client, LAST + b"\r\n")
            await asyncio.wait_for(blocked.wait(), 10)
            before = sent[0]
            for _ in range(100):
                await asyncio.sleep(0)
            assert sent[0] - before <= len(piece)
            assert before < 20_000_000
            received = 0
            while data := await loop.sock_recv(client, 1 << 20):
                received += len(data)
            client.close()
            assert received > pieces * len(piece)

    run(main())


def test_a_client_that_stops_reading_and_half_closes_is_gone_at_once() -> None:
    """The transport cannot close before its buffer is flushed, which never happens; the app is told all the same."""

    async def main() -> None:
        blocked, gone = asyncio.Event(), asyncio.Event()

        async def endless(scope, receive, send) -> None:
            await receive()
            exchange = exchange_of(scope)
            exchange.on_client_gone(gone.set)
            await send(START)
            while not gone.is_set():
                if exchange.connection.flow.write_paused:
                    blocked.set()
                await send(chunk(b"x" * 65_536))

        async with open_port(endless) as port:
            client = socket.create_connection(("127.0.0.1", port.number))
            client.sendall(HEAD + b"\r\n")
            await asyncio.wait_for(blocked.wait(), 10)
            client.shutdown(socket.SHUT_WR)
            await asyncio.wait_for(gone.wait(), 5)
            client.close()

    run(main())


# Answers


async def whole(app, sent: bytes = LAST + b"\r\n") -> bytes:
    async with open_port(app) as port:
        return await port.exchange(sent)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([START, chunk(b"ab"), chunk(b""), chunk(b"c", False)], b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        ([START, chunk(b"ab"), chunk(b"", False)], b"2\r\nab\r\n0\r\n\r\n"),
        ([START | {"headers": [(b"content-length", b"3")]}, chunk(b"ab"), chunk(b"c", False)], b"abc"),
        ([START | {"headers": [(b"content-length", b"0")]}, chunk(b"", False)], b""),
        ([START | {"status": 204, "headers": []}, chunk(b"", False)], b""),
    ],
    ids=["chunked", "chunked with an empty end", "by length", "empty", "204"],
)
def test_an_answer_is_framed_by_its_length_or_in_chunks(messages, expected: bytes) -> None:
    """The bytes after the head are exactly these."""
    head, _, body = run(whole(replying(*messages))).partition(b"\r\n\r\n")
    assert body == expected
    assert b"date: " in head
    assert (b"transfer-encoding: chunked" in head) == expected.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "first", "body"),
    [
        (b"POST /v1/x HTTP/1.1\r\n", b"data: 1\n\n", b"9\r\ndata: 1\n\n\r\n"),
        (b"POST /v1/x HTTP/1.1\r\n", b"", b""),
        (b"POST /v1/x HTTP/1.0\r\n", b"data: 1\n\n", b"data: 1\n\n"),
        (b"HEAD /v1/x HTTP/1.1\r\n", b"data: 1\n\n", b""),
    ],
    ids=["chunked", "nothing yet", "until close", "no body"],
)
def test_a_stream_begins_with_one_write(request_line: bytes, first: bytes, body: bytes) -> None:
    """Its head leaves together with what there is of its body, which is framed as the rest will be."""

    async def main() -> None:
        begun, sink = asyncio.Event(), Sink()

        async def app(scope, receive, send) -> None:
            await exchange_of(scope).begin(200, [(b"content-type", b"text/event-stream")], first)
            begun.set()
            await send(chunk(b"", more=False))

        door = Door(PATIENT, asyncio.get_running_loop())
        protocol = protocol_on(sink, door, app)
        protocol.data_received(request_line + b"Host: a\r\n\r\n")
        await asyncio.wait_for(begun.wait(), 5)
        head, _, sent = sink.writes[0].partition(b"\r\n\r\n")
        assert (b"transfer-encoding: chunked" in head) == request_line.startswith(b"POST /v1/x HTTP/1.1")
        assert sent == body
        protocol.connection_lost(None)

    run(main())


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_frames_may_be_written_while_an_answer_in_chunks_is_open_and_its_client_keeps_up(
    version: bytes,
) -> None:
    """Neither before nor after, nor for a client that has to be waited for or is gone; they stand between what is sent."""

    async def main() -> None:
        modern, said, sink = version == b"1.1", asyncio.Event(), Sink()

        async def app(scope, receive, send) -> None:
            exchange = exchange_of(scope)
            assert exchange.chunk_writer() is None
            await exchange.begin(200, [(b"content-type", b"text/event-stream")], b"a")
            assert (exchange.chunk_writer() is not None) == modern
            if write := exchange.chunk_writer():
                write(b"1\r\nb\r\n")
            assert exchange.push(b"c")
            exchange.connection.flow.pause_writing()
            assert exchange.chunk_writer() is None
            exchange.connection.flow.resume_writing()
            await send(chunk(b"", more=False))
            assert exchange.chunk_writer() is None
            said.set()

        door = Door(PATIENT, asyncio.get_running_loop())
        protocol = protocol_on(sink, door, app)
        protocol.data_received(b"POST /v1/x HTTP/%b\r\nHost: a\r\n\r\n" % version)
        await asyncio.wait_for(said.wait(), 5)
        body = b"".join(sink.writes).partition(b"\r\n\r\n")[2]
        assert body == (b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n" if modern else b"ac")
        protocol.connection_lost(None)

    run(main())


@pytest.mark.parametrize("closing", [True, False], ids=["closing", "closed"])
def test_nothing_is_written_for_a_client_that_left(closing: bool) -> None:
    """From the moment its transport closes, which is some turns of the loop before the connection is lost."""

    async def main() -> None:
        begun, left, said, sink = asyncio.Event(), asyncio.Event(), asyncio.Event(), Sink()

        async def app(scope, receive, send) -> None:
            exchange = exchange_of(scope)
            await exchange.begin(200, [(b"content-type", b"text/event-stream")], b"a")
            begun.set()
            await left.wait()
            assert exchange.chunk_writer() is None
            said.set()

        door = Door(PATIENT, asyncio.get_running_loop())
        protocol = protocol_on(sink, door, app)
        protocol.data_received(b"POST /v1/x HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(begun.wait(), 5)
        sink.closed = True
        if not closing:
            protocol.connection_lost(None)
        left.set()
        await asyncio.wait_for(said.wait(), 5)
        if closing:
            protocol.connection_lost(None)

    run(main())


def test_http_1_0_gets_a_body_that_ends_with_the_connection() -> None:
    """A chunked answer would be unreadable there."""
    sent = b"POST /v1/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    head, _, body = run(whole(replying(START, chunk(b"ab"), chunk(b"c", False)), sent)).partition(b"\r\n\r\n")
    assert body == b"abc"
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head


def test_a_head_request_gets_no_body() -> None:
    """The length of what GET would answer stays in the head."""
    sent = b"HEAD /v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    messages = [START | {"headers": [(b"content-length", b"3")]}, chunk(b"abc", False)]
    answered = run(whole(replying(*messages), sent))
    assert b"content-length: 3" in answered
    assert answered.endswith(b"\r\n\r\n")


BROKEN = {
    "raises": None,
    "answers nothing": [],
    "a body first": [chunk(b"x")],
    "a line end in a value": [START | {"headers": [(b"x", b"a\r\nset-cookie: b")]}, chunk(b"", False)],
    "a line feed in a name": [START | {"headers": [(b"x\nset-cookie", b"a")]}, chunk(b"", False)],
    "a carriage return in a value": [START | {"headers": [(b"x", b"a\rb")]}, chunk(b"", False)],
    "a NUL in a value": [START | {"headers": [(b"x", b"a\0b")]}, chunk(b"", False)],
    "two lengths": [
        START | {"headers": [(b"content-length", b"1"), (b"Content-Length", b"2")]},
        chunk(b"a", False),
    ],
    "a length that is not reached": [START | {"headers": [(b"content-length", b"3")]}, chunk(b"", False)],
    "a length that is exceeded at once": [
        START | {"headers": [(b"content-length", b"3")]},
        chunk(b"abcd", False),
    ],
}


@pytest.mark.parametrize("messages", BROKEN.values(), ids=BROKEN.keys())
def test_an_app_that_fails_before_its_first_byte_is_a_500_in_openai_shape(messages, caplog) -> None:
    """No internal text reaches the client, and what the exception says does not reach the log."""

    async def raising(scope, receive, send) -> None:
        raise ValueError(dict(scope["headers"])[b"x-prompt"])

    with caplog.at_level(logging.ERROR):
        sent = LAST + b"X-Prompt: canary\r\n\r\n"
        answered = run(whole(raising if messages is None else replying(*messages), sent))
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in answered
    assert json.loads(body)["error"]["type"] == "server_error"
    assert caplog.records
    assert "canary" not in caplog.text


def test_an_app_that_fails_in_the_middle_leaves_a_visibly_broken_answer() -> None:
    """The connection ends without the last chunk: no client can take it for a whole answer."""

    async def app(scope, receive, send) -> None:
        await receive()
        await send(START)
        await send(chunk(b"half"))
        raise ValueError

    answered = run(whole(app))
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert not answered.endswith(b"0\r\n\r\n")


def test_an_answer_before_the_request_was_read_closes_the_connection() -> None:
    """What is left of the body could be taken for the next request, so there is none."""

    async def main() -> None:
        seen = []

        async def app(scope, receive, send) -> None:
            seen.append(scope["path"])
            await answer(send, b"no", 403)

        async with open_port(app) as port:
            smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
            reader, writer = await port.connect()
            writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(smuggled))
            status, fields, _ = await read_answer(reader)
            assert (status, fields["connection"]) == (403, "close")
            with contextlib.suppress(ConnectionError):
                writer.write(smuggled)
                assert await read_all(reader, writer) == b""
            assert seen == ["/v1/x"]

    run(main())


def test_the_scope_is_asgi() -> None:
    """Path decoded, raw path and query kept, header names in lower case without surrounding blanks."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            await port.exchange(
                b"GET /v1/a%2Fb?q=1?2 HTTP/1.1\r\nHost: a\r\nX-Big:  v \r\nConnection: close\r\n\r\n"
            )
        scope = app.scopes[0]
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
            "/v1/a/b",
            b"/v1/a%2Fb",
            b"q=1?2",
        )
        assert (b"x-big", b"v") in scope["headers"]
        assert (scope["method"], scope["http_version"], scope["scheme"]) == ("GET", "1.1", "http")

    run(main())
