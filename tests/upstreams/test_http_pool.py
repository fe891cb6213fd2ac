"""The pool: slots are never lost, never doubled, and go to who came first; answers never cross."""

import asyncio
import random

import pytest

from proxy.upstreams.http import ConnectionCut, HttpPool, Origin, PoolExhausted, UpstreamError
from tests.upstreams.certificates import certificates
from tests.upstreams.rawserver import (
    OK,
    QUICK,
    Peer,
    answers,
    get,
    post,
    run,
    serving,
    start,
    text,
    tunnel,
    until,
)


async def echo(peer: Peer) -> None:
    """Answers every request with its own body."""
    while True:
        request = await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(request.body), request.body))


def test_calls_one_after_another_share_one_connection() -> None:
    """Keep-alive works: a hundred calls, one handshake."""

    async def test() -> None:
        async with serving(echo) as server:
            pool = server.pool()
            for n in range(100):
                assert await text(await post(pool, b"%d" % n)) == b"%d" % n
            assert (server.accepted, pool.open_count, pool.idle_count) == (1, 1, 1)
            pool.close()

    run(test)


def test_the_limit_holds_and_the_queue_is_served_in_order() -> None:
    """Two slots, ten calls: never more than two connections, and who came first is served first."""

    async def test() -> None:
        order: list[int] = []
        gate = asyncio.Event()

        async def script(peer: Peer) -> None:
            while True:
                request = await peer.request()
                order.append(int(request.body))
                await gate.wait()
                peer.send(OK)

        async with serving(script) as server:
            pool = server.pool(max_connections=2)

            async def call(n: int) -> None:
                await text(await post(pool, b"%d" % n))

            async with asyncio.TaskGroup() as group:
                for n in range(10):
                    group.create_task(call(n))
                await until(lambda: len(order) == 2 and pool.waiting_count == 8)
                gate.set()
            assert sorted(order[:2]) == [0, 1]
            assert order[2:] == list(range(2, 10))
            assert (server.accepted, pool.open_count, pool.waiting_count) == (2, 2, 0)
            pool.close()

    run(test)


def test_a_full_queue_refuses_at_once() -> None:
    """Refusing fast is what lets the caller try elsewhere."""

    async def test() -> None:
        async with serving(answers(OK, OK)) as server:
            pool = server.pool(max_connections=1, max_waiting=1)
            held = await get_unread(server, pool)
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(post(pool))
                await until(lambda: pool.waiting_count == 1)
                with pytest.raises(PoolExhausted) as caught:
                    await post(pool)
                assert not caught.value.sent
                held.close()
            assert await text(waiting.result()) == b"ok"
            pool.close()

    async def get_unread(server: object, pool: HttpPool) -> object:
        server.script = partial_then_whole
        return await get(pool)

    async def partial_then_whole(peer: Peer) -> None:
        await peer.request()
        peer.send(OK[:-1] if peer.server.accepted == 1 else OK)
        await peer.gone()

    run(test)


def test_a_connection_lost_while_others_wait_gives_its_slot_on() -> None:
    """A slot freed by a failure wakes the next caller just as one freed by success."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.server.accepted > 1:
            peer.send(OK)
            await peer.gone()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool(max_connections=1)
            first, second = await asyncio.gather(post(pool), post(pool), return_exceptions=True)
            assert isinstance(first, ConnectionCut)
            assert await text(second) == b"ok"
            pool.close()

    run(test)


def test_a_failed_connect_gives_its_slot_on() -> None:
    """Nobody listens: every caller hears so, none waits for a slot that will not come."""

    async def test() -> None:
        async with serving(echo) as server:
            url = server.url()
        pool = HttpPool(Origin.from_url(url, max_connections=1))
        results = await asyncio.gather(*(post(pool) for _ in range(20)), return_exceptions=True)
        assert {type(r).__name__ for r in results} == {"ConnectFailed"}
        assert (pool.open_count, pool.waiting_count) == (0, 0)

    run(test)


@pytest.mark.parametrize("when", ["connecting", "queued", "before the head", "in the body"])
def test_a_cancelled_call_closes_its_socket_at_once_and_frees_its_slot(when: str) -> None:
    """Wherever the caller is when it is called off, upstream hears of it and the next call gets through."""

    async def script(peer: Peer) -> None:
        if peer.server.accepted == 1:
            if when != "before the head":
                peer.send(b"")
            await peer.request()
            if when == "in the body":
                peer.send(OK[:-1])
            await peer.gone()
        await echo(peer)

    async def whole(pool: HttpPool) -> bytes:
        return await text(await post(pool, b"again"))

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool(max_connections=1)
            call = start(whole(pool))
            if when == "connecting":
                await asyncio.sleep(0)
            else:
                await until(lambda: len(server.requests) == 1)
            if when == "queued":
                queued = start(whole(pool))
                await until(lambda: pool.waiting_count == 1)
                queued.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await queued
                assert (pool.waiting_count, pool.open_count) == (0, 1)
            if when == "in the body":
                await asyncio.sleep(0.02)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert pool.open_count == 0
            await until(lambda: server.open == 0)
            server.accepted += 1
            assert await whole(pool) == b"again"
            pool.close()

    run(test)


@pytest.mark.parametrize("way", ["plain", "TLS through a proxy"])
def test_a_storm_of_cancelled_calls_leaves_the_pool_whole_and_crosses_no_answers(way: str) -> None:
    """Half of the calls are called off at a random moment, mostly an early one: every answer is the asker's own, nothing is left
    over."""
    made = None if way == "plain" else certificates()
    total = 1000 if made is None else 300
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")

    async def script(peer: Peer) -> None:
        rng = random.Random(seed + peer.server.accepted)
        while True:
            body = (await peer.request()).body
            wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
                len(body),
                body,
            )
            cut = rng.randrange(len(wire))
            peer.send(wire[:cut])
            await asyncio.sleep(rng.choice((0, 0, 0.001)))
            peer.send(wire[cut:])

    async def test() -> None:
        rng = random.Random(seed)
        outcomes = {"whole": 0, "cancelled": 0}
        async with serving(script, tls=made and made.server) as server, serving(tunnel) as door:
            pool = server.pool(max_connections=40)
            if made is not None:
                url = server.url(host="localhost", scheme="https")
                pool = HttpPool(
                    Origin.from_url(url, ca_file=made.authority, proxy_url=door.url(), max_connections=40)
                )

            async def call(n: int) -> None:
                body = b"%d " % n * 20
                assert await text(await post(pool, body)) == body
                outcomes["whole"] += 1

            async def called_off(n: int, after_s: float) -> None:
                try:
                    async with asyncio.timeout(after_s):
                        await call(n)
                except TimeoutError:
                    outcomes["cancelled"] += 1

            async with asyncio.TaskGroup() as group:
                for n in range(total):
                    group.create_task(called_off(n, rng.random() ** 3 * 0.5) if n % 2 else call(n))
            assert sum(outcomes.values()) == total
            assert outcomes["cancelled"] > 10
            assert pool.waiting_count == 0
            assert pool.open_count == pool.idle_count <= 40
            assert await text(await post(pool, b"after")) == b"after"
            pool.close()
            await until(lambda: server.open == door.open == 0)

    run(test)


def test_an_unfinished_response_closed_by_its_reader_closes_the_socket() -> None:
    """The client has gone: upstream must stop generating now, not at the next read."""

    async def test() -> None:
        async with serving(answers(OK[:-1])) as server:
            pool = server.pool()
            response = await post(pool)
            response.close()
            response.close()
            assert pool.open_count == 0
            await until(lambda: server.open == 0)

    run(test)


def test_a_cancelled_read_closes_the_socket_by_itself() -> None:
    """Whoever is called off may have no chance to close: the read does."""

    async def test() -> None:
        async with serving(answers(OK[:-1])) as server:
            pool = server.pool()
            response = await post(pool)
            assert await response.read_chunk() == b"o"
            read = start(response.read_chunk())
            await asyncio.sleep(0)
            read.cancel()
            with pytest.raises(asyncio.CancelledError):
                await read
            assert pool.open_count == 0
            await until(lambda: server.open == 0)

    run(test)


def test_a_finished_response_frees_its_connection_before_it_is_read() -> None:
    """A slow client holds memory it was going to hold anyway, not a connection."""

    async def test() -> None:
        async with serving(echo) as server:
            pool = server.pool(max_connections=1)
            unread = await post(pool, b"first")
            await until(lambda: pool.idle_count == 1)
            assert await text(await post(pool, b"second")) == b"second"
            assert await text(unread) == b"first"
            pool.close()

    run(test)


def test_a_retired_pool_serves_on_and_keeps_nothing() -> None:
    """A reload: calls under way end well, late ones are served, sockets go as they finish."""

    async def test() -> None:
        async with serving(answers(OK, OK)) as server:
            pool = server.pool()
            idle = await post(pool)
            await text(idle)
            pool.retire()
            assert pool.open_count == 0
            assert await text(await post(pool)) == b"ok"
            assert pool.open_count == 0
            await until(lambda: server.open == 0)

    run(test)


def test_a_closed_pool_ends_everything_at_once() -> None:
    """Open responses are cut, waiting calls are refused, new ones too."""

    async def test() -> None:
        async with serving(answers(OK[:-1])) as server:
            pool = server.pool(max_connections=1)
            response = await post(pool)
            async with asyncio.TaskGroup() as group:
                waiting = [group.create_task(_outcome(pool)) for _ in range(3)]
                await until(lambda: pool.waiting_count == 3)
                pool.close()
            assert [t.result() for t in waiting] == ["PoolExhausted"] * 3
            with pytest.raises(ConnectionCut):
                await text(response)
            assert await _outcome(pool) == "PoolExhausted"
            assert (pool.open_count, pool.waiting_count) == (0, 0)
            await until(lambda: server.open == 0)

    run(test)


async def _outcome(pool: HttpPool) -> str:
    try:
        return str((await post(pool)).status)
    except UpstreamError as error:
        return type(error).__name__


def test_ipv6_is_spoken_and_written_in_brackets() -> None:
    """The Host header of an address is the address in brackets with its port."""

    async def test() -> None:
        try:
            async with serving(echo, host="::1") as server:
                pool = HttpPool(Origin.from_url(server.url(host="::1")))
                assert await text(await pool.send(b"POST", b"/", [], b"six", QUICK)) == b"six"
                assert server.requests[0].headers[b"host"] == b"[::1]:%d" % server.port
                pool.close()
        except OSError as error:
            pytest.skip(f"no IPv6 loopback here: {error.strerror}")

    run(test)
