"""A server of its own, spenders, and the comparison of ledger and truth, for the money chaos tests."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

from proxy.store import keys
from proxy.store.client import StoreAway, connected
from proxy.store.embedded import EmbeddedServer
from proxy.store.housekeeping import Housekeeping

SPENDER = Path(__file__).with_name("spender.py")
COMPANY = "{switchyard}:m:b:company:0:253402300800"


class Spender:
    """A worker process, up and running; its lines are read all the time, so that it never waits for us."""

    def __init__(self, wishes):
        command = [sys.executable, SPENDER, json.dumps(wishes)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "up\n"
        self._lines = []
        self._reader = threading.Thread(target=lambda: self._lines.extend(self._process.stdout))
        self._reader.start()

    def kill(self):
        """kill -9; returns its lines as words."""
        self._process.kill()
        return self.ended()

    def ended(self):
        """Wait for its end; its lines as words."""
        self._reader.join()
        self._process.wait()
        self._process.stdout.close()
        return [line.split() for line in self._lines]


class Town:
    """A directory with its server. `pipe` looks at the data; it is made anew after the server was stopped."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.server = EmbeddedServer(self.directory / ".switchyard")
        self.truth_file = self.directory / "truth"
        self.truth_file.touch()
        self.spenders = []
        self._seeds = itertools.count(1)

    def spender(self, **wishes):
        """Start a worker process and wait until it is up."""
        wishes = {
            "url": self.server.url, "directory": str(self.server._directory), "truth": str(self.truth_file),
            "seed": next(self._seeds), "limit": 10**9, "most": 10**7, "callers": 10, "seconds": 60, **wishes,
        }  # fmt: skip
        spender = Spender(wishes)
        self.spenders.append(spender)
        return spender

    async def ended(self):
        """Wait until every spender has ended; their lines."""
        return [await asyncio.to_thread(each.ended) for each in self.spenders]

    @property
    def truth(self):
        """What providers billed, in nano-dollars."""
        return sum(self.bills("seen", "unseen"))

    def bills(self, *kinds):
        """Bills of requests that were granted with Redis (`seen`) or without (`unseen`)."""
        lines = [line.split() for line in self.truth_file.read_text().splitlines()]
        return [int(cost) for cost, kind in lines if kind in kinds]

    def signal_server(self, number):
        os.kill(int((self.server._directory / "valkey.pid").read_text()), number)

    async def counter(self, pipe):
        """(spent, held, unsettled) of the one budget."""
        values = await pipe.call("HMGET", COMPANY, "spent", "held", "unset")
        return tuple(int(value or 0) for value in values)

    async def until_quiet(self, pipe, seconds):
        """Wait until nothing is held; returns how long that took."""
        began = time.monotonic()
        while await pipe.call("ZCARD", keys.OPEN) or (await self.counter(pipe))[1]:
            assert time.monotonic() - began < seconds, "held money did not return"
            await asyncio.sleep(0.05)
        return time.monotonic() - began


@asynccontextmanager
async def town():
    with tempfile.TemporaryDirectory(prefix="sy") as directory:
        place = Town(directory)
        await place.server.start()
        try:
            yield place
        finally:
            for spender in place.spenders:
                spender.kill()
            place.signal_server(signal.SIGCONT)
            await place.server.stop()


@asynccontextmanager
async def housekeeping(place):
    """The parent's work, in this process."""
    parent = Housekeeping(
        place.server.url, place.server._directory, wall_clock=time.time, new_id=lambda: os.urandom(8).hex()
    )
    work = asyncio.gather(parent.run())
    try:
        yield parent
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def answered(url):
    """Wait until the server answers again."""
    while True:
        try:
            async with connected(url, timeout_s=0.5) as pipe:
                await pipe.call("PING")
                return
        except StoreAway:
            await asyncio.sleep(0.02)
