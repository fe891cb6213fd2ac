"""The same scripts on Debian's redis-server (7.0): every one of them run once, with the same money at the end."""

import asyncio
import itertools
import shutil
import subprocess
import time

import pytest
from msgspec.structs import replace

from proxy.budgets.scopes import Book, Budget, Counter
from proxy.store import keys
from proxy.store.client import StoreAway, connected, meanwhile
from proxy.store.housekeeping import Housekeeping
from proxy.store.operator import Operator
from proxy.store.rollups import spend
from proxy.store.server_check import NO_JOURNAL, check_server
from proxy.store.states import budget_states
from tests.store.kit import make_ledger, money, request, row, running, totals

SERVER = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(
    SERVER is None, reason="redis-server is not installed (apt-get install redis-server)"
)


@pytest.fixture
def redis_url(directory):
    """A redis-server on a unix socket."""
    options = ["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--dir", str(directory)]
    process = subprocess.Popen([SERVER, *options], cwd=directory, stdout=subprocess.DEVNULL)
    yield f"unix://{directory}/redis.sock"
    process.terminate()
    process.wait()


async def awake(url):
    while True:
        try:
            async with connected(url) as pipe:
                return await check_server(pipe)
        except StoreAway:
            await asyncio.sleep(0.02)


def test_every_script_does_on_redis_what_it_does_on_valkey(redis_url, directory):
    """Hold, settle, release, renew, expire, true up, raise, roll up, snapshot, flush, rebuild."""

    async def scenario():
        assert await awake(redis_url) == [NO_JOURNAL]
        numbers = itertools.count()
        parent = Housekeeping(redis_url, directory, wall_clock=time.time, new_id=lambda: f"p{next(numbers)}")
        budget = money(10**9)
        per_user = Budget("per-user", "user", 10**9, "day")
        counters = [
            Counter("c:web", "concurrent", 10, "total"),
            Counter("r:web", "requests", 100, "minute"),
            Counter("t:web", "tokens", 10_000, "minute"),
            Counter("b:per-user:web:u1", "user", 10**9, "day", "UTC", per_user),
            budget,
        ]
        async with (
            connected(redis_url) as pipe,
            meanwhile(parent.pipe.run()),
            running(make_ledger(redis_url, directory, lease_s=0.3)) as ledger,
        ):
            held = [await ledger.hold(request(counters, 100, number=i)) for i in range(5)]
            ledger.settle(held[0].hold, 60, row(60))
            ledger.release(held[1].hold)
            ledger.release((await ledger.hold(request(counters, 0, tokens=0))).hold)
            await asyncio.sleep(0.5)
            await ledger.close()
            assert await pipe.call("ZCARD", keys.OPEN) == 3
            for grant in held[2:]:
                ledger.release(replace(grant.hold, counters=()))
                await pipe.call("ZADD", keys.OPEN, 1, grant.hold.id)
            await parent.tick()
            assert await totals(pipe, held[0].hold.counters[-1]) == (360, 0, 300)
            ledger.settle(held[2].hold, 10, row(10))
            await ledger.close()
            operator = Operator(pipe, "ann", time.time())
            await operator.settle(held[3].hold.id, 20)
            (state,) = await budget_states(pipe, Book([budget.budget], {}))
            await operator.raise_limit(state, 5)
            (state,) = await budget_states(pipe, Book([budget.budget], {}))
            assert state.limit_nano == 10**9 + 5
            await parent.tick()
            (line,) = await spend(pipe, time.time() - 3600, time.time() + 1, ["key"])
            assert line.cost_nano == 190
            await pipe.call("FLUSHALL")
            await parent.tick()
            while ledger._epoch.name != (await pipe.call("HGET", keys.META, "epoch")).decode():
                await asyncio.sleep(0.02)
            assert (await totals(pipe, held[0].hold.counters[-1]))[0] == 190

    asyncio.run(scenario())
