"""R22: two replicas on one Redis are restarted one after the other into a release with other scripts, under load.

Figures are printed (`make chaos ARGS='-s -k rolling'`).
"""

import asyncio
import contextlib
import os
import random
import shutil
import time
from collections import Counter

import pytest
import town
from money_kit import Money, ask, call, config
from redis_kit import free_port

pytestmark = pytest.mark.chaos

SEED = int(os.environ.get("SWITCHYARD_SEED", "22"))
PER_SECOND = 50
RETRIES = 2
"""As the OpenAI SDK: twice more after a connection error, a 429 or a 5xx."""


def release_before(folder):
    """This program as it was a release ago, as far as Redis can tell: none of its scripts has the hash of ours."""
    for part in ("proxy", "config"):
        shutil.copytree(town.ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    scripts = list((folder / "proxy" / "store" / "scripts").glob("*.lua"))
    assert scripts
    for script in scripts:
        script.write_text(script.read_text() + "-- of the release before\n")
    return folder


class Replica:
    """One address at which now this release serves, now the one before."""

    def __init__(self, upstream, redis):
        self.port = free_port()
        self.doors = []
        self._upstream, self._env = upstream, {"REDIS_URL": redis}
        self._running = contextlib.ExitStack()

    def start(self, release):
        flags = ("--port", str(self.port), "--admin-port", "0")
        env = {**self._env, "PYTHONPATH": str(release)}
        text = config("9000", workers=1).replace("drain_seconds: 2", "drain_seconds: 10")
        self.doors.append(self._running.enter_context(town.proxy(self._upstream, text, env, *flags)))

    def stop(self):
        """SIGTERM, and wait until it has drained."""
        self._running.close()


async def insist(replicas, body, tries):
    """Whether a client that knows both addresses was answered in full; what it met on the way is counted."""
    for attempt in range(1 + RETRIES):
        door = replicas[(tries["calls"] + attempt) % 2]
        try:
            async with asyncio.timeout(30):
                reply = await call(door, body)
        except OSError:
            tries["no connection"] += 1
            continue
        whole = b"[DONE]" in reply.body if body["stream"] else b'"choices"' in reply.body
        if reply.status == 200:
            return whole
        tries[reply.status or "cut before the head"] += 1
        await asyncio.sleep(0.5)
    return False


def test_a_rolling_restart_fails_no_request_and_loses_no_money(tmp_path):
    """50 a second, half of them streams, while both replicas are replaced: failed requests 0, ledger - truth 0, held 0."""
    rng = random.Random(SEED)
    before = release_before(tmp_path)
    tries, outcomes = Counter(), []

    async def one(replicas):
        tries["calls"] += 1
        said = f"[[sandbox:words={rng.randrange(5, 40)}]] [[sandbox:pace=0.01]] {rng.random()}"
        outcomes.append(await insist(replicas, ask(said=said, stream=rng.random() < 0.5), tries))

    async def load(replicas, over):
        async with asyncio.TaskGroup() as tasks:
            while not over.is_set():
                tasks.create_task(one(replicas))
                await asyncio.sleep(1 / PER_SECOND)

    async def roll(replicas, over):
        await asyncio.sleep(3)
        for replica in replicas:
            await asyncio.to_thread(replica.stop)
            await asyncio.sleep(1)
            await asyncio.to_thread(replica.start, town.ROOT)
            await asyncio.sleep(3)
        over.set()

    async def scenario(replicas):
        over = asyncio.Event()
        await asyncio.gather(load(replicas, over), roll(replicas, over))

    with town.store() as redis, town.sandbox("--time-scale", "0") as upstream:
        replicas = [Replica(upstream, redis) for _ in range(2)]
        try:
            for replica in replicas:
                replica.start(before)
            began = time.monotonic()
            asyncio.run(scenario(replicas))
            took_s = time.monotonic() - began
            place = Money(upstream, replicas[0].doors[-1], redis)
            ledger, truth = place.settled()
            unsettled = place.counters()["web.total"][2]
            print(
                f"\nR22 seed {SEED}: {len(outcomes)} requests in {took_s:.0f} s over two releases' scripts, failed "
                f"{outcomes.count(False)}; met on the way {dict(tries)}; ledger - truth {ledger - truth}, unsettled {unsettled}"
            )
            assert outcomes.count(False) == 0
            assert (ledger, unsettled) == (truth, 0)
            assert place.spent_by_rollups() == truth
        finally:
            for replica in replicas:
                replica.stop()
