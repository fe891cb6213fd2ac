"""The pipe under fault: nothing is sent twice, no answer goes to the wrong caller, nobody waits longer than the limit."""

import asyncio
import contextlib
import random
import time

import pytest
import uvloop

from proxy.store.client import Pipe, StoreAway, StoreRefused, StoreUnsent, connected, meanwhile
from proxy.store.outage import FAILURES_TO_OPEN
from proxy.store.scripts import RENEW
from tests.chaos.toxic import Toxic, toxic


def socket_of(server):
    return server.url.removeprefix("unix://")


def test_calls_of_one_tick_share_one_write(url):
    """A hundred calls at once and their answers in order."""

    async def scenario():
        async with connected(url) as pipe:
            answers = await asyncio.gather(*[pipe.call("ECHO", str(i)) for i in range(600)])
            assert [int(answer) for answer in answers] == list(range(600))

    asyncio.run(scenario())


def test_a_refused_command_fails_alone(url):
    """An error answer belongs to its caller; the others and the connection are unharmed."""

    async def scenario():
        async with connected(url) as pipe:
            await pipe.call("SET", "x", "text")
            outcomes = await asyncio.gather(
                pipe.call("ECHO", "a"), pipe.call("INCR", "x"), pipe.call("ECHO", "b"), return_exceptions=True
            )
            assert outcomes[0] == b"a"
            assert isinstance(outcomes[1], StoreRefused)
            assert outcomes[2] == b"b"
            assert not pipe.away

    asyncio.run(scenario())


def test_words_that_cannot_be_sent_fail_their_caller_only(url):
    """A lone surrogate has no bytes: whoever sends it hears of it, everybody else's calls go on."""

    async def scenario():
        async with connected(url) as pipe:
            other = pipe.call("ECHO", "a")
            with pytest.raises(UnicodeEncodeError):
                await pipe.call("GET", "\ud800")
            assert await other == b"a"
            assert await pipe.call("ECHO", "b") == b"b"

    asyncio.run(scenario())


def test_a_script_redis_forgot_is_loaded_and_run_once(url):
    """R14: SCRIPT FLUSH is invisible."""

    async def scenario():
        async with connected(url) as pipe:
            await pipe.call("ZADD", "{t}open", 1, "a")
            for _ in range(3):
                await pipe.call("SCRIPT", "FLUSH")
                asked = [pipe.script(RENEW, ["{t}open"], [1000, "a", f"gone{i}"]) for i in range(5)]
                assert await asyncio.gather(*asked) == [[b"gone%d" % i] for i in range(5)]

    asyncio.run(scenario())


def test_a_transaction_is_not_interrupted(url):
    """Other calls, and scripts that must be loaded first, come before or after it."""

    async def scenario():
        async with connected(url) as pipe:
            asked = []
            for i in range(200):
                asked += [
                    pipe.transaction([("INCR", "n"), ("GET", "n")]),
                    pipe.script(RENEW, ["{t}o"], [1, "x"]),
                ]
                asked.append(pipe.call("SET", "other", i))
            answers = await asyncio.gather(*asked)
            assert [answer[0] for answer in answers[::3]] == list(range(1, 201))
            assert all(int(answer[1]) == answer[0] for answer in answers[::3])

    asyncio.run(scenario())


def test_cancelled_callers_never_cross_answers(url):
    """M8, R13: four thousand calls, half of them cancelled at random moments; every answer is its caller's own."""
    rng = random.Random(8)

    async def ask(pipe, number):
        assert await pipe.call("ECHO", str(number)) == str(number).encode()
        return 1

    async def scenario():
        async with connected(url) as pipe, asyncio.TaskGroup() as group:
            for number in range(4000):
                task = group.create_task(ask(pipe, number))
                if number % 2:
                    asyncio.get_running_loop().call_later(rng.random() * 0.05, task.cancel)
                if number % 50 == 0:
                    await asyncio.sleep(0)

    asyncio.run(scenario())


async def warmed(pipe):
    """Connected, however long that takes on a busy machine."""
    while True:
        with contextlib.suppress(StoreAway):
            return await pipe.call("PING")
        await asyncio.sleep(0.02)


def test_a_stalled_redis_costs_one_caller_the_limit_and_the_fourth_nothing(server, url):
    """R13: each of the first three waits for its limit; then calls are refused unsent, until Redis is back."""

    async def scenario():
        async with Toxic(socket_of(server)) as link:
            pipe = Pipe(link.url, timeout_s=0.2)
            async with meanwhile(pipe.run()):
                await warmed(pipe)
                link.frozen = True
                began = time.monotonic()
                for _ in range(FAILURES_TO_OPEN):
                    assert not pipe.away
                    with pytest.raises(StoreAway):
                        await pipe.call("PING")
                assert time.monotonic() - began >= 0.2
                assert pipe.away
                with pytest.raises(StoreUnsent):
                    await pipe.call("PING")
                link.heal()
                await warmed(pipe)

    asyncio.run(scenario())


def test_a_slow_redis_never_counts_twice(server, url):
    """M5: the package's default retry turns one slow INCR into two; here it is denied once and done at most once."""

    async def scenario():
        async with Toxic(socket_of(server)) as link, connected(url) as straight:
            pipe = Pipe(link.url, timeout_s=0.2)
            async with meanwhile(pipe.run()):
                await warmed(pipe)
                link.latency_s = 0.3
                asyncio.get_running_loop().call_later(0.25, link.heal)
                with pytest.raises(StoreAway):
                    await pipe.call("INCR", "once")
                while await straight.call("GET", "once") is None:
                    await asyncio.sleep(0.01)
                await warmed(pipe)
                assert await pipe.call("INCR", "once") == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["reset", "half an answer", "refused", "sliced"])
def test_broken_connections_are_replaced(server, url, fault):
    """R13: after a reset, half a reply, a refused connection the next call works, and no answer is another's."""

    async def scenario():
        async with Toxic(socket_of(server)) as link:
            pipe = Pipe(link.url, timeout_s=2.0)
            async with meanwhile(pipe.run()):
                assert await pipe.call("PING") == b"PONG"
                if fault == "sliced":
                    link.slice_bytes = 1
                    assert await pipe.call("ECHO", "x" * 500) == b"x" * 500
                    return
                link.cut_after_bytes = 2 if fault == "half an answer" else None
                link.refusing = fault == "refused"
                if fault != "half an answer":
                    link.reset_all()
                with pytest.raises(StoreAway):
                    await asyncio.gather(*[pipe.call("ECHO", "lost") for _ in range(3)])
                link.heal()
                while pipe.away:
                    await asyncio.sleep(0.02)
                assert await pipe.call("ECHO", "found") == b"found"

    asyncio.run(scenario())


def test_resets_on_the_loop_of_the_workers_end_no_pipe(server, url):
    """R13: under uvloop a transport that was reset raises RuntimeError from a write. Each of 300 calls beside a reset ends in
    time, answered or not, and the last one is answered."""

    async def scenario(link):
        pipe = Pipe(link.url, timeout_s=2.0)
        async with meanwhile(pipe.run()):
            for number in range(300):
                link.reset_all()
                await asyncio.sleep(
                    number % 6 / 1000
                )  # so that the reset arrives before, at and after the write
                with contextlib.suppress(StoreAway):
                    async with asyncio.timeout(5):
                        assert await pipe.call("ECHO", str(number)) == b"%d" % number
            while pipe.away:
                await asyncio.sleep(0.02)
            await warmed(pipe)

    with toxic(socket_of(server)) as link:
        uvloop.run(scenario(link))


def test_a_connection_closed_between_two_calls_costs_none(url):
    """A server's idle timeout, a failover at night: it is noticed when it happens, and the next call connects anew."""

    async def scenario():
        async with connected(url) as pipe, connected(url) as other:
            await other.call("PING")
            await pipe.call("PING")
            await other.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            async with asyncio.timeout(5):
                while pipe._line is not None:
                    await asyncio.sleep(0.005)
            assert await pipe.call("ECHO", "found") == b"found"
            assert not pipe.away

    asyncio.run(scenario())


def test_nothing_hangs_when_the_pipe_is_stopped(url):
    """Calls that were never sent, and calls made afterwards, end."""

    async def scenario():
        pipe = Pipe(url, timeout_s=1.0)
        async with meanwhile(pipe.run()):
            await pipe.call("PING")
            waiting = pipe.call("PING")
        with pytest.raises(StoreAway):
            await waiting

    asyncio.run(scenario())


@pytest.mark.parametrize("ahead", [True, False])
def test_only_what_goes_ahead_is_not_waited_for(ahead):
    """A server that answers nothing until it has two commands: it gets them if the first went ahead; else the second waits
    for the first's answer, and both fail together."""

    async def answer_two(reader, writer):
        heard = b""
        with contextlib.closing(writer):
            while more := await reader.read(1000):
                heard += more
                if b"PING" in more:
                    writer.write(b"+PONG\r\n")
                if heard.count(b"ECHO") == 2:
                    writer.write(b"$1\r\na\r\n$1\r\nb\r\n")

    async def scenario():
        server = await asyncio.start_server(answer_two, "127.0.0.1", 0)
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, connected(url, timeout_s=10.0 if ahead else 0.3) as pipe:
            await warmed(pipe)
            bills = []
            pipe.rider = lambda: bills or bills.append(pipe.call("ECHO", "a"))
            pipe.flush(ahead=ahead)
            answers = await asyncio.gather(*bills, pipe.call("ECHO", "b"), return_exceptions=True)
            if ahead:
                assert answers == [b"a", b"b"]
            else:
                assert [type(answer) for answer in answers] == [StoreAway, StoreUnsent]

    asyncio.run(scenario())
