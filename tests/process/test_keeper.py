"""The parent and its store: what it refuses to start on, what it warns of, and that it brings its own server back."""

import asyncio
import json
import os
import signal
import time

import pytest
import town
from money_kit import ask, call, config, key_line, running

from proxy.store import keys
from proxy.store.client import connected


async def tell(url, *words):
    async with connected(url) as pipe:
        await pipe.call(*words)


def test_a_server_that_evicts_is_refused_at_start():
    """`maxmemory-policy allkeys-lru` would throw away live counters: no start, and the one setting to change is named."""
    with town.store() as url:
        asyncio.run(tell(url, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))
        with (
            pytest.raises(AssertionError, match="maxmemory-policy is allkeys-lru"),
            running(config(), env={"REDIS_URL": url}),
        ):
            pass


def test_a_server_without_persistence_is_warned_of():
    """Without an append-only file a crash costs a rebuild: said at start, and it serves."""
    with town.store() as url:
        asyncio.run(tell(url, "CONFIG", "SET", "appendonly", "no"))
        with running(config(), env={"REDIS_URL": url}) as place:
            assert "append-only file" in (place.door.folder / "stderr").read_text()
            assert asyncio.run(call(place.door, ask())).status == 200


def test_an_embedded_server_that_dies_comes_back_with_its_money():
    """kill -9 of the embedded server: requests under a budget are refused meanwhile, then go on; nothing spent is forgotten."""
    with running(config("100")) as place:
        for _ in range(5):
            assert asyncio.run(call(place.door, ask())).status == 200
        place.agree()
        # The file is synced every second: what came later is rebuilt from the snapshot and from memory.
        pid = int((place.door.folder / ".switchyard" / "valkey.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        assert asyncio.run(call(place.door, ask())).status in (200, 503)
        deadline = time.monotonic() + 20
        while asyncio.run(call(place.door, ask())).status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        deadline = time.monotonic() + 20
        while (place.counters()["web.total"][:2]) != (place.truth, 0):
            assert time.monotonic() < deadline, (place.counters(), place.truth)
            time.sleep(0.05)


def test_keys_made_at_run_time_outlive_a_worker_that_dies_while_redis_is_away():
    """The parent hands its last copy to a new worker: the key is known (its budget cannot be checked: 503, not 401)."""
    secret = "sk-made-0123456789"
    made = key_line("made", secret, budgets=[{"usd": "1", "per": "total"}])
    with town.store() as url, running(config(workers=1), env={"REDIS_URL": url}) as place:
        asyncio.run(tell(url, "HSET", keys.KEYS, json.loads(made)["hash"], made))
        asyncio.run(tell(url, "INCR", keys.VERSION))
        wait_for(lambda: asyncio.run(call(place.door, ask(), key=secret)).status == 200)
        wait_for(lambda: b'budget="made.total"' in town.ask(f"{place.door.admin_url}/metrics").body)
        with town.stopped(url):
            before = place.workers()
            os.kill(before[0], signal.SIGKILL)
            wait_for(lambda: place.workers() not in (before, []))
            assert asyncio.run(call(place.door, ask(), key=secret)).status == 503
            assert asyncio.run(call(place.door, ask(), key="sk-unknown")).status == 401


def wait_for(condition, timeout_s=20):
    """Poll another process until it is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
