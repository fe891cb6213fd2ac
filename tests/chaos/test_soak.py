"""R23: fifty requests a second for ten minutes (SWITCHYARD_SOAK_S=3600 for an hour), a tenth of the callers leaving half-way.

Figures are printed (`make chaos ARGS='-s -k soak'`).
"""

import asyncio
import os
import random
import statistics
import time
from collections import Counter
from pathlib import Path

import pytest
import town
from money_kit import ask, call, config, running

from tests.test_sick_upstreams import rss_bytes

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc"),
]

SOAK_S = float(os.environ.get("SWITCHYARD_SOAK_S", "600"))
SEED = int(os.environ.get("SWITCHYARD_SEED", "23"))
PER_SECOND = 50
SAMPLE_S = 2
MOST_MB_AN_HOUR = 1.0
MOST_MB_SHORT = 3.0
"""What less than an hour may add after its first third: an allocator's pages, not yet a slope."""


def files_open(pid):
    """Of a process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return len(os.listdir(f"/proc/{pid}/fd")) + sum(files_open(int(child)) for child in children)


def slope_mb_an_hour(samples):
    """Of (seconds, bytes), by least squares."""
    seconds, sizes = zip(*samples, strict=True)
    return statistics.linear_regression(seconds, sizes).slope * 3600 / 1e6


async def one(place, rng, outcomes):
    said = f"[[sandbox:words={rng.randrange(5, 60)}]] [[sandbox:pace=0.005]] {rng.random()}"
    body = ask(said=said, stream=rng.random() < 0.5)
    leave_s = rng.random() * 0.2 if rng.random() < 0.1 else None
    reply = await call(place.door, body, leave_s=leave_s)
    outcomes[reply.status if reply.whole else "left"] += 1


async def soak(place, rng, outcomes):
    samples = []
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        while (at_s := time.monotonic() - began) < SOAK_S:
            tasks.create_task(one(place, rng, outcomes))
            if at_s >= len(samples) * SAMPLE_S:
                samples.append((at_s, rss_bytes(place.door.process.pid)))
            await asyncio.sleep(1 / PER_SECOND)
    return samples


def test_an_hour_leaves_memory_files_and_money_as_they_were():
    """Memory flat after the first third, open files back to where they were, ledger - truth 0 (answers of those that left are
    read to their end), nothing held, every caller that stayed answered."""
    rng, outcomes = random.Random(SEED), Counter()
    extra = "defaults: {on_disconnect: drain}\n"
    # The store is outside: it keeps a row of each of the last 10,000 requests, whoever soaks.
    with (
        town.store() as url,
        running(config("9000", workers=1, extra=extra), env={"REDIS_URL": url}) as place,
    ):
        asyncio.run(one(place, rng, outcomes))
        place.settled()
        files = files_open(place.door.process.pid)
        samples = asyncio.run(soak(place, rng, outcomes))
        ledger, truth = place.settled(timeout_s=30)
        until = time.monotonic() + 90  # idle connections to the provider are kept for a while
        while files_open(place.door.process.pid) > files:
            assert time.monotonic() < until, (files_open(place.door.process.pid), files)
            time.sleep(0.5)
        warm = samples[len(samples) // 3 :]
        slope, grown = slope_mb_an_hour(warm), (warm[-1][1] - warm[0][1]) / 1e6
        in_flight = town.ask(f"{place.door.admin_url}/metrics").body.decode()
        print(
            f"\nR23 seed {SEED}: {SOAK_S:.0f} s, {dict(outcomes)}; memory {warm[0][1] / 1e6:.1f} -> {warm[-1][1] / 1e6:.1f} MB "
            f"after the first third (slope {slope:+.1f} MB/h), files {files}, ledger - truth {ledger - truth}"
        )
        assert set(outcomes) == {200, "left"}
        assert ledger == truth
        assert "switchyard_requests_in_flight 0" in in_flight
        assert slope <= MOST_MB_AN_HOUR if SOAK_S >= 3600 else grown <= MOST_MB_SHORT
