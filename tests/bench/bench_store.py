"""What counting costs: CPU per request of hold + settle, round trip, script time, memory per million requests.

    python tests/bench/bench_store.py [requests] [concurrency]

CPU is this process's own (`process_time`), so the server beside it does not blur it.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import uvloop

from proxy.budgets.scopes import Counter
from proxy.store import keys
from proxy.store.client import connected
from proxy.store.embedded import EmbeddedServer
from tests.store.kit import make_ledger, money, request, row, running

COUNTERS = [
    money(9 * 10**15, "company", "month"),
    money(9 * 10**15, "search.month", "month"),
    Counter("r:web", "requests", 10**9, "minute"),
]


async def one_by_one(ledger, requests, concurrency, counters):
    """`requests` of them, `concurrency` at a time; returns (CPU seconds, wall seconds, median round trip in seconds)."""
    trips = []

    async def caller(share):
        for number in range(share):
            asked = request(counters, 100, number=number)
            began = time.perf_counter()
            grant = await ledger.hold(asked)
            trips.append(time.perf_counter() - began)
            ledger.settle(grant.hold, 90, ROW)
            await asyncio.sleep(0)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*[caller(requests // concurrency) for _ in range(concurrency)])
    await ledger.close()
    return time.process_time() - cpu, time.perf_counter() - wall, sorted(trips)[len(trips) // 2]


ROW = row(90)


async def main(requests, concurrency):
    with tempfile.TemporaryDirectory(prefix="sy") as directory:
        server = EmbeddedServer(Path(directory, ".switchyard"))
        await server.start()
        try:
            await measure(server, directory, requests, concurrency)
        finally:
            await server.stop()


async def measure(server, directory, requests, concurrency):
    async with connected(server.url) as pipe:
        for name, counters in (("no counters", []), ("1 counter", COUNTERS[:1]), ("3 counters", COUNTERS)):
            for width in (1, concurrency):
                async with running(make_ledger(server.url, Path(directory))) as ledger:
                    await one_by_one(ledger, 200, width, counters)
                    cpu, wall, trip = await one_by_one(ledger, requests, width, counters)
                each = cpu / requests * 1e6
                print(
                    f"{name:12} {width:3} at once: {each:6.1f} us CPU, {wall / requests * 1e6:6.1f} us wall per request, "
                    f"hold p50 {trip * 1e3:.2f} ms"
                )
        stats = (await pipe.call("INFO", "commandstats")).decode()
        print(*[line for line in stats.splitlines() if "evalsha" in line])
        await memory(server, directory, pipe, requests)


async def memory(server, directory, pipe, requests):
    """Bytes per settled request: the ids that are kept, apart from the tail (which is trimmed after the rollup)."""
    await pipe.call("FLUSHALL", "SYNC")
    async with running(make_ledger(server.url, Path(directory))) as ledger:
        await ledger.start()
        before = await used(pipe)
        await one_by_one(ledger, requests * 4, 32, COUNTERS)
    tail = int(await pipe.call("MEMORY", "USAGE", keys.TAIL, "SAMPLES", 0))
    grown = await used(pipe) - before
    print(
        f"memory: {(grown - tail) / requests / 4:.0f} bytes a request kept, {tail / requests / 4:.0f} bytes a row in the tail"
    )


async def used(pipe):
    info = (await pipe.call("INFO", "memory")).decode()
    return int(next(line.split(":")[1] for line in info.splitlines() if line.startswith("used_memory:")))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]] or [20_000, 32]
    os.sched_setaffinity(0, {0})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*numbers))
