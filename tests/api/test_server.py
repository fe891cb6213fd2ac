"""The orderly end of the data port: what runs is finished, what cannot finish is told, nothing is cancelled."""

import asyncio
import os
import signal
import socket
from dataclasses import replace

import pytest

from proxy.api.exchange import exchange_of
from proxy.api.server import DataServer, DrainReport
from tests.api.door_kit import PATIENT, Recorder, answer, open_port, read_all, read_answer, run

BRISK = replace(PATIENT, newcomer_s=0.2, cut_s=0.3)
HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\n"
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


class Held:
    """Answers when told to; `running` counts the requests inside, `settled` those whose `finally` ran to its end."""

    def __init__(self) -> None:
        self.running = 0
        self.settled = 0
        self.go_on = asyncio.Event()
        self.full = asyncio.Event()
        self.expected = 1

    async def __call__(self, scope, receive, send) -> None:
        await receive()
        self.running += 1
        if self.running == self.expected:
            self.full.set()
        try:
            await self.work(exchange_of(scope), send)
        finally:
            await asyncio.sleep(0)
            self.settled += 1

    async def work(self, exchange, send) -> None:
        await self.go_on.wait()
        await answer(send, b"done")


class Stream(Held):
    """Streams until told to stop; when cut, ends with an error frame."""

    listens = True

    async def work(self, exchange, send) -> None:
        cut = asyncio.Event()
        if self.listens:
            exchange.on_cut(cut.set)
        exchange.on_client_gone(self.go_on.set)
        await send(START)
        while not (cut.is_set() or self.go_on.is_set()):
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await asyncio.sleep(0.05)
        end = b"data: error\n\n" if cut.is_set() else b"data: [DONE]\n\n"
        await send({"type": "http.response.body", "body": end})


def test_a_drain_lets_what_runs_finish_and_closes_what_idles() -> None:
    """The answer under way arrives whole and says goodbye; an idle connection ends; new ones are refused at once."""

    async def main() -> None:
        app = Held()
        async with open_port(app, BRISK) as port:
            idle_reader, idle_writer = await port.connect()
            reader, writer = await port.connect()
            app.go_on.set()
            idle_writer.write(HEAD + b"\r\n")
            await read_answer(idle_reader)
            app.go_on.clear()
            app.full.clear()
            app.expected = 2
            writer.write(HEAD + b"\r\n")
            await app.full.wait()

            drain = asyncio.get_running_loop().create_task(port.server.drain(10))
            assert await read_all(idle_reader, idle_writer) == b""
            assert port.server.draining
            with pytest.raises(ConnectionError):
                await port.connect()
            assert not drain.done()
            app.go_on.set()
            answered = await read_all(reader, writer)
            assert answered.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answered
            assert await drain == DrainReport(drained=1, cut=0, aborted=0)

    run(main())


def test_a_request_on_a_connection_from_before_the_drain_is_served_and_the_connection_closed() -> None:
    """A client that had just connected is not punished for the moment it chose."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app, replace(BRISK, newcomer_s=5.0)) as port:
            reader, writer = await port.connect()
            while not port.server.connections:
                await asyncio.sleep(0)
            drain = asyncio.get_running_loop().create_task(port.server.drain(10))
            while not port.server.draining:
                await asyncio.sleep(0)
            writer.write(HEAD + b"\r\n")
            answered = await read_all(reader, writer)
            assert b"connection: close" in answered
            await drain
            assert len(app.seen) == 1

    run(main())


def test_readiness_turns_false_before_anything_is_closed() -> None:
    """The flag is up before the first await of the drain."""

    async def main() -> None:
        async with open_port(Recorder(), BRISK) as port:
            assert not port.server.draining
            drain = port.server.drain(1)
            drain.send(None)
            assert port.server.draining
            drain.close()

    run(main())


def test_a_stream_that_outlives_the_grace_is_asked_to_end_and_may_say_so() -> None:
    """`on_cut` lets the app write its error frame; the answer is complete on the wire."""

    async def main() -> None:
        app = Stream()
        async with open_port(app, BRISK) as port:
            reader, writer = await port.connect()
            writer.write(HEAD + b"\r\n")
            await app.full.wait()
            drain = asyncio.get_running_loop().create_task(port.server.drain(0.05))
            assert (await read_all(reader, writer)).endswith(b"data: error\n\n\r\n0\r\n\r\n")
            assert await drain == DrainReport(drained=0, cut=1, aborted=0)
            assert app.settled == 1

    run(main())


def test_a_stream_that_will_not_end_is_aborted_and_its_finally_still_runs() -> None:
    """The app ignores the cut; the transport goes, the app learns that its client is gone, nothing is cancelled."""

    async def main() -> None:
        app = Stream()
        app.listens = False
        async with open_port(app, BRISK) as port:
            reader, writer = await port.connect()
            writer.write(HEAD + b"\r\n")
            await app.full.wait()
            drain = asyncio.get_running_loop().create_task(port.server.drain(0.05))
            assert not (await read_all(reader, writer)).endswith(b"0\r\n\r\n")
            assert await drain == DrainReport(drained=0, cut=0, aborted=1)
            assert (app.settled, port.server.in_flight) == (1, 0)

    run(main())


def test_an_app_busy_after_its_answer_is_waited_for_but_not_cut() -> None:
    """The answer is out; what the app still settles is in flight, and there is nothing left to cut."""

    async def main() -> None:
        app = Held()
        calls = []

        async def settling(scope, receive, send) -> None:
            exchange_of(scope).on_cut(lambda: calls.append("cut"))
            await answer(send, b"ok")
            await app(scope, receive, send)

        async def work(exchange, send) -> None:
            await app.go_on.wait()

        app.work = work
        async with open_port(settling, BRISK) as port:
            reader, writer = await port.connect()
            writer.write(HEAD + b"\r\n")
            await read_answer(reader)
            await app.full.wait()
            loop = asyncio.get_running_loop()
            loop.call_later(0.15, app.go_on.set)
            report = await port.server.drain(0.05)
            writer.close()
            assert (report.aborted, app.settled, calls) == (0, 1, [])

    run(main())


def test_a_request_already_in_the_socket_when_the_drain_begins_is_answered() -> None:
    """An idle connection is closed only after what had arrived on it was read."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app, BRISK) as port:
            loop = asyncio.get_running_loop()
            client = socket.create_connection(("127.0.0.1", port.number))
            client.setblocking(False)
            await loop.sock_sendall(client, HEAD + b"\r\n")
            assert b" 200 OK" in await loop.sock_recv(client, 1000)
            client.send(HEAD + b"\r\n")
            await port.server.drain(1)
            assert b" 200 OK" in await loop.sock_recv(client, 1000)
            client.close()
            assert len(app.seen) == 2

    run(main())


def test_two_hundred_streams_half_of_them_too_long() -> None:
    """The short half is whole, the long half ends with an error frame, every `finally` ran."""

    async def main() -> None:
        app, finish = Stream(), asyncio.Event()
        app.expected = 200

        async def split(scope, receive, send) -> None:
            if scope["path"] == "/short":
                await receive()
                app.running += 1
                await send(START)
                await finish.wait()
                await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
                app.settled += 1
            else:
                await app(scope, receive, send)

        async with open_port(split, replace(BRISK, cut_s=20.0)) as port:
            loop = asyncio.get_running_loop()
            paths = [b"/short", b"/long"] * 100
            sent = [b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in paths]
            clients = [loop.create_task(port.exchange(one)) for one in sent]
            while app.running < 200:
                await asyncio.sleep(0.01)
            loop.call_later(0.1, finish.set)
            report = await port.server.drain(1.5)
            answers = [await client for client in clients]
            assert all(b"[DONE]" in one for one in answers[::2])
            assert all(b"data: error" in one for one in answers[1::2])
            assert all(one.endswith(b"0\r\n\r\n") for one in answers)
            assert report == DrainReport(drained=100, cut=100, aborted=0)
            assert app.settled == 200

    run(main())


def test_a_drain_of_an_idle_port_is_immediate_and_leaves_the_parents_socket_usable() -> None:
    """A worker drains its duplicate of the listening socket; another worker goes on accepting on the same port."""

    async def main() -> None:
        parent = socket.create_server(("127.0.0.1", 0))
        port = parent.getsockname()[1]
        first = DataServer(Recorder(), BRISK)
        await first.start(socket.socket(fileno=os.dup(parent.fileno())))
        assert await asyncio.wait_for(first.drain(30), 1) == DrainReport(0, 0, 0)
        app = Recorder()
        second = DataServer(app, BRISK)
        await second.start(parent)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"Connection: close\r\n\r\n")
        assert (await read_all(reader, writer)).startswith(b"HTTP/1.1 200 ")
        await second.drain(0)

    run(main())


def test_a_lingering_client_does_not_hold_up_a_drain() -> None:
    """A refused client that never closes its side is not waited for."""

    async def main() -> None:
        async with open_port(Recorder(), replace(BRISK, newcomer_s=5.0, linger_s=60.0)) as port:
            reader, writer = await port.connect()
            writer.write(b"garbage\r\n\r\n")
            await reader.read()
            await asyncio.wait_for(port.server.drain(30), 2)
            assert port.server.connections == 0
            writer.close()

    run(main())


def test_signals_stay_with_the_application() -> None:
    """Starting and draining leaves every signal handler as it was."""

    async def main() -> None:
        before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
        async with open_port(Recorder(), BRISK):
            assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == before

    run(main())
