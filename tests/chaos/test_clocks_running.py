"""R8 with clocks that are really wrong: proxies an hour fast and an hour slow on one Redis.

Needs libfaketime, which gives one program another clock (`apt-get install faketime`).
"""

import asyncio
import json
import time
from pathlib import Path

import pytest
import town
from money_kit import SECRET, Money, ask, call, config
from redis_kit import needs_redis, redis_server

from proxy.store import keys

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
pytestmark = [
    pytest.mark.chaos,
    needs_redis,
    pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (apt-get install faketime)"),
]


def off_by(offset):
    """An environment in which the wall clock is off; timers run as ever."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": offset,
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def spend(door, count):
    async def calls():
        return [await call(door, ask(5)) for _ in range(count)]

    assert {reply.status for reply in asyncio.run(calls())} == {200}


def me(door):
    (budget,) = json.loads(town.ask(f"{door.url}/switchyard/me", None, SECRET).body)["budgets"]
    return budget


def test_proxies_an_hour_off_count_in_the_windows_of_redis():
    """Skew effect 0: one counter of the hour, ledger - truth 0, no hold reaped, and both say the same reset and the same rest."""
    with redis_server("--appendonly", "yes") as redis, town.sandbox("--time-scale", "0") as upstream:
        text = config("100", workers=1, per="hour")
        with (
            town.proxy(upstream, text, {"REDIS_URL": redis.url, **off_by("+1h")}) as fast,
            town.proxy(upstream, text, {"REDIS_URL": redis.url, **off_by("-1h")}) as slow,
        ):
            began = time.time() // 3600
            for _ in range(3):
                spend(fast, 5)
                spend(slow, 5)
            place = Money(upstream, fast, redis.url)
            ledger, truth = place.settled("web.hour")
            windows = [
                name for name in redis.command("ZRANGE", keys.LIVE, "0", "-1").split() if "web.hour" in name
            ]
            said = [me(door) for door in (fast, slow)]
            unsettled = place.counters()["web.hour"][2]
            rows = [line["at"] for door in (fast, slow) for line in door.lines if line["event"] == "request"]
            print(
                f"\nR8: proxies' clocks {max(rows) - min(rows):.0f} s apart, ledger - truth {ledger - truth}, windows {windows}, "
                f"resets {[each['resets_at'] for each in said]}"
            )
            assert max(rows) - min(rows) > 7000
            assert (ledger, unsettled) == (truth, 0)
            if time.time() // 3600 == began:
                assert len(windows) == 1
                assert said[0] == said[1]
