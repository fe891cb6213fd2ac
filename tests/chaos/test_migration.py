"""Migrations over running replicas: shares of ten thousand users, one agreement for all workers, and nothing lost by kill -9.

`make chaos ARGS='-s -k test_migration'` prints the figures.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import town

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.migration.assignment import bucket, side_of, user_unit
from proxy.migration.state import Event
from proxy.steering.helm import Helm
from proxy.store.client import connected

pytestmark = pytest.mark.chaos

USERS = [f"user-{i}" for i in range(10_000)]
LINES = 12
CONFIG = """
server: {workers: 2, drain_seconds: 1}
redis: {url: "${REDIS_URL:-}"}
migrations: [{name: leave, from: gpt-4.1-mini, to: gpt-6-luna@none, stages: [1, 10, 100]}]
"""
SETTINGS = read_configuration(Blueprint("switchyard.yaml", CONFIG), {"REDIS_URL": "redis://unused"}).settings
OLD, NEW = "gpt-4.1-mini", "gpt-6-luna"


class Line:
    """One connection to a replica, kept open while the block lasts."""

    def __init__(self, port):
        self.port = port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def ask(self, user):
        """(status, the model that served)."""
        body = json.dumps(
            {"model": OLD, "user": user, "messages": [{"role": "user", "content": "hi"}]}
        ).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        self.writer.write(
            head + b"authorization: Bearer any\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        named = dict(line.lower().split(": ", 1) for line in text.split("\r\n")[1:] if line)
        await self.reader.readexactly(int(named["content-length"]))
        return int(text.split(" ")[1]), named.get("x-switchyard-model", "")


async def sides(ports, users):
    """Which model served each user; each is asked once, by one of many connections to both replicas. Every answer is a 200."""
    queue, found = iter(users), {}

    async def work(port):
        async with Line(port) as line:
            for user in queue:
                status, found[user] = await line.ask(user)
                assert status == 200

    await asyncio.gather(*[work(port) for port in ports for _ in range(LINES)])
    return found


async def steer(url, event, why="proof"):
    async with connected(url) as pipe:
        return await Helm(pipe, SETTINGS).steer("leave", event, who="proof", why=why, now=time.time())


@contextlib.contextmanager
def replicas(count=2):
    """So many replicas of two workers on one store: (doors, the store's URL)."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(town.sandbox("--time-scale", "0"))
        url = stack.enter_context(town.store())
        doors = [stack.enter_context(town.proxy(upstream, CONFIG, {"REDIS_URL": url})) for _ in range(count)]
        yield upstream, doors, url


def expected(share):
    return {user: side_of(bucket("leave", user_unit("open", user)), share) == "new" for user in USERS}


def test_ten_thousand_users_over_two_replicas_of_two_workers():
    """0 → 1 → 10 → 100 %, each user asked once a stage: within a second every worker agrees with the hash, the share is within
    a point, nobody flaps; then everybody is back within five seconds of a rollback, under traffic."""
    with replicas() as (_, doors, url):
        ports = [door.port for door in doors]
        before, moved = set(), {}
        for share, event in ((1, Event.START), (10, Event.PROMOTE), (100, Event.PROMOTE)):
            asyncio.run(steer(url, event))
            agreed_s = asyncio.run(agreed(ports, share))
            began = time.monotonic()
            found = asyncio.run(sides(ports, USERS))
            moved[share] = {user for user, model in found.items() if model == NEW}
            rate = len(USERS) / (time.monotonic() - began)
            print(
                f"{share} %: {len(moved[share]) / 100:.2f} % of 10,000 users are new ({rate:.0f} requests/s); "
                f"4 workers agreed after {agreed_s * 1000:.0f} ms"
            )
            assert agreed_s <= 1
            assert abs(len(moved[share]) / 100 - share) <= 1
            assert before <= moved[share], "a growing share only adds"
            assert {user: user in moved[share] for user in USERS} == expected(share)
            before = moved[share]
        late_s = asyncio.run(rolled_back(ports, url))
        print(
            f"rollback: the last new answer came {late_s * 1000:.0f} ms after the command, on any of 4 workers"
        )
        assert late_s < 5


async def agreed(ports, share):
    """Wait until every worker goes by this share: connections of their own for users of both sides all say the same as the
    hash. Seconds it took until the first of those was opened."""
    began, wanted = time.monotonic(), expected(share)
    users = [
        *[user for user in USERS if wanted[user]][-10:],
        *[user for user in USERS if not wanted[user]][:10],
    ]
    while True:
        asked_s = time.monotonic() - began
        found = [await answered(port, user) == wanted[user] for port in ports for user in users]
        if all(found):
            return asked_s
        assert asked_s < 5, "the workers do not agree"


async def answered(port, user):
    """Whether a connection of its own is served by the new model."""
    async with Line(port) as line:
        return (await line.ask(user))[1] == NEW


async def rolled_back(ports, url):
    """Seconds from the rollback to the last answer of the new model, on kept connections to all workers under traffic."""
    last_new, done = 0.0, asyncio.Event()

    async def traffic(port, users):
        nonlocal last_new
        async with Line(port) as line:
            while not done.is_set():
                asked_at = time.monotonic()
                status, model = await line.ask(next(users))
                assert status == 200
                if model == NEW:
                    last_new = max(last_new, asked_at)

    async with asyncio.TaskGroup() as tasks:
        for port in ports:
            for _ in range(LINES):
                tasks.create_task(traffic(port, itertools.cycle(USERS)))
        while not last_new:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        await steer(url, Event.ROLLBACK)
        while time.monotonic() - max(last_new, began) < 3:
            await asyncio.sleep(0.05)
        done.set()
    return max(0.0, last_new - began)


def test_a_killed_worker_a_killed_parent_and_a_killed_store_lose_neither_state_nor_assignment():
    """kill -9 of each in turn in the middle of a stage, with users asked all along: every user stays on its side, and whatever
    comes back takes up where it was."""
    users = USERS[:400]
    with replicas() as (upstream, doors, url):
        ports = [door.port for door in doors]
        asyncio.run(steer(url, Event.START))
        asyncio.run(steer(url, Event.PROMOTE))
        asyncio.run(agreed(ports, 10))
        before = asyncio.run(sides(ports, users))
        assert Counter(before.values())[NEW] > 10

        for pid in workers(doors[0]):
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(workers(doors[0])) == 2)
        assert asyncio.run(sides(ports, users)) == before, "new workers"

        doors[0].signal(signal.SIGKILL)
        assert asyncio.run(sides(ports[1:], users)) == before, "the other replica"
        with town.proxy(upstream, CONFIG, {"REDIS_URL": url}) as third:
            assert asyncio.run(sides([third.port], users)) == before, "a replica that never heard of it"

            pid_file = Path(url.removeprefix("unix://")).with_name("valkey.pid")
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
            both = [ports[1], third.port]
            assert asyncio.run(sides(both, users)) == before, "without a store"
            for pid in workers(third):
                os.kill(pid, signal.SIGKILL)
            until(lambda: len(workers(third)) == 2)
            assert asyncio.run(sides(both, users)) == before, "workers that started without a store"


def test_a_store_that_lost_everything_is_given_back_the_state():
    """FLUSHALL in the middle of a stage: no user changes sides, and within seconds the store has the state again."""
    users = USERS[:400]
    with replicas() as (_, doors, url):
        ports = [door.port for door in doors]
        asyncio.run(steer(url, Event.START))
        after = asyncio.run(steer(url, Event.PROMOTE))
        asyncio.run(agreed(ports, 10))
        before = asyncio.run(sides(ports, users))
        began = time.monotonic()
        asyncio.run(flush(url))
        until(lambda: asyncio.run(version(url)) == after.version)
        print(f"given back {time.monotonic() - began:.2f} s after FLUSHALL")
        assert asyncio.run(sides(ports, users)) == before
        asyncio.run(steer(url, Event.PROMOTE))
        asyncio.run(agreed(ports, 100))


def test_an_embedded_store_that_is_killed_comes_back_with_the_stage():
    """One machine, no Redis: kill -9 of the embedded server, and then of the whole proxy; another one in the same directory
    goes on with the stage."""
    users = USERS[:200]
    config = CONFIG.replace('redis: {url: "${REDIS_URL:-}"}\n', "")
    with town.sandbox("--time-scale", "0") as upstream, town.proxy(upstream, config) as door:
        socket = door.folder / ".switchyard" / "valkey.sock"
        asyncio.run(steer(f"unix://{socket}", Event.START))
        asyncio.run(steer(f"unix://{socket}", Event.PROMOTE))
        asyncio.run(agreed([door.port], 10))
        before = asyncio.run(sides([door.port], users))
        pid_file = door.folder / ".switchyard" / "valkey.pid"
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        assert asyncio.run(sides([door.port], users)) == before
        until(lambda: asyncio.run(version(f"unix://{socket}")) == 2)
        door.signal(signal.SIGKILL)
        door.process.wait()
        with town.proxy(upstream, config, folder=door.folder) as again:
            assert asyncio.run(sides([again.port], users)) == before


def workers(door):
    """Process ids of a replica's workers that are ready."""
    answer = town.ask(f"{door.admin_url}/admin/status")
    return [worker["pid"] for worker in json.loads(answer.body)["workers"] if worker["ready"]]


def until(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


async def flush(url):
    async with connected(url) as pipe:
        await pipe.call("FLUSHALL")


async def version(url):
    """The version the store has; 0 while it has none or cannot be asked."""
    with contextlib.suppress(Exception):
        async with connected(url, timeout_s=1.0) as pipe:
            return (await Helm(pipe, SETTINGS).state("leave")).version
    return 0
