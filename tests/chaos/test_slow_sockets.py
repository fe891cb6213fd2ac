"""Five hundred slow sockets against the limits of service, while healthy clients go about their business."""

import asyncio
import contextlib
import time

import pytest
from money_kit import SECRET, ask, call, config, running

from proxy.api.door import DoorLimits
from tests.api.door_kit import Recorder, open_port, read_all, read_answer, run

pytestmark = pytest.mark.chaos

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\n"
OPENINGS = {
    "silent": (b"", b""),
    "half a head": (HEAD, b""),
    "half a body": (HEAD + b"Content-Length: 100\r\n\r\nabc", b""),
    "half a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\nabc", b""),
    "a dripping head": (HEAD + b"X: ", b"v"),
}


async def sluggish(port, opening: bytes, drip: bytes) -> float:
    """Seconds until the server closed the connection."""
    reader, writer = await port.connect()
    began = time.monotonic()
    writer.write(opening)

    async def dripping() -> None:
        while drip:
            writer.write(drip)
            await asyncio.sleep(0.5)

    task = asyncio.get_running_loop().create_task(dripping())
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 30)
    closed_s = time.monotonic() - began
    task.cancel()
    writer.close()
    return closed_s


async def healthy(port, count: int) -> list[float]:
    """Latencies of `count` requests, each on a connection of its own every tenth time."""
    took = []
    reader, writer = await port.connect()
    for n in range(count):
        if n % 10 == 0:
            writer.close()
            reader, writer = await port.connect()
        began = time.perf_counter()
        writer.write(HEAD + b"Content-Length: 2\r\n\r\nok")
        status, _, body = await read_answer(reader)
        took.append(time.perf_counter() - began)
        assert (status, body) == (200, b"2")
        await asyncio.sleep(0.004)
    writer.close()
    return sorted(took)


def p99_ms(took: list[float]) -> float:
    return took[int(len(took) * 0.99)] * 1000


def test_five_hundred_slow_sockets_are_closed_within_fifteen_seconds_and_hinder_nobody(capsys) -> None:
    """Every slow socket is closed in time; every healthy request succeeds; the p99 before and during is printed."""

    async def main() -> None:
        async with open_port(Recorder(), DoorLimits()) as port:
            before = await healthy(port, 1000)
            loop = asyncio.get_running_loop()
            kinds = list(OPENINGS.values())
            slow = [loop.create_task(sluggish(port, *kinds[n % len(kinds)])) for n in range(500)]
            during: list[float] = []
            while not all(one.done() for one in slow):
                during += await healthy(port, 100)
            closed = [one.result() for one in slow]
            with capsys.disabled():
                print(f"\nslow sockets closed after {min(closed):.1f} to {max(closed):.1f} s")
                print(
                    f"healthy p99 {p99_ms(before):.2f} ms before, {p99_ms(sorted(during)):.2f} ms during ({len(during)})"
                )
            assert min(closed) > 9
            assert max(closed) <= 15

    run(main())


class Door:
    """A running proxy's data port, for `sluggish`."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)


def test_five_hundred_slow_sockets_of_a_running_proxy_hinder_no_call() -> None:
    """R20: silent, half a head, half a body and dripping ones, all on one worker with a budget: each closed within 15 s, every
    call of others answered and billed meanwhile."""
    head = (
        HEAD.replace(b"/v1/x", b"/v1/chat/completions")
        + b"Authorization: Bearer "
        + SECRET.encode()
        + b"\r\n"
    )
    kinds = [(opening.replace(HEAD, head), drip) for opening, drip in OPENINGS.values()]

    async def timed(place) -> float:
        began = time.perf_counter()
        reply = await call(place.door, ask(5))
        assert reply.status == 200
        return time.perf_counter() - began

    async def main(place) -> None:
        before = sorted([await timed(place) for _ in range(200)])
        async with asyncio.TaskGroup() as tasks:
            slow = [
                tasks.create_task(sluggish(Door(place.door.port), *kinds[n % len(kinds)])) for n in range(500)
            ]
            during = []
            while not all(one.done() for one in slow):
                during.append(await timed(place))
        closed = [one.result() for one in slow]
        print(
            f"\nR20: 500 slow sockets closed after {min(closed):.1f} to {max(closed):.1f} s; {len(during)} calls meanwhile, all "
            f"answered, p50 {before[100] * 1000:.1f} -> {sorted(during)[len(during) // 2] * 1000:.1f} ms, "
            f"p99 {p99_ms(before):.1f} -> {p99_ms(sorted(during)):.1f} ms"
        )
        assert max(closed) <= 15

    with running(config("100", workers=1)) as place:
        asyncio.run(main(place))
        place.agree()


def test_a_client_that_reads_a_kilobyte_a_second_is_served_not_cut() -> None:
    """Slow is not stalled: with the limits of service a slow reader keeps its answer as long as it keeps reading."""

    async def main() -> None:
        async def big(scope, receive, send) -> None:
            await receive()
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"20000000")]}
            )
            for _ in range(200):
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        async with open_port(big, DoorLimits(write_stall_s=3.0)) as port:
            reader, writer = await port.connect(limit=1024)
            writer.write(HEAD + b"Connection: close\r\n\r\n")
            for _ in range(10):
                await reader.readexactly(400_000)
                await asyncio.sleep(1)
            assert len(await read_all(reader, writer)) > 15_000_000

    run(main())
