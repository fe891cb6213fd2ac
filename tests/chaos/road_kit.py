"""A migration over running programs: callers of two models, one of which can be made worse, until somebody rolls it back.

with road(MORE) as way:
    way.traffic(300); way.steer("start"); way.upstream.fault(...); way.traffic(20_000, stop=lambda: way.is_over)
"""

import asyncio
import contextlib
import json
import random
import time
from dataclasses import dataclass, field

import town

from proxy.store.client import connected
from proxy.store.observations import seen, shares

OLD, NEW = "gpt-4.1-mini", "gpt-6-luna"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
AS_JSON = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "town", "strict": True, "schema": SCHEMA},
    }
}
_CALLERS = 24


def config(*, workers=2, stages="[50, 100]", shadow="", more=""):
    """Everybody is a user of the one open key."""
    return (
        f"server: {{workers: {workers}, drain_seconds: 2}}\nredis: {{url: '${{REDIS_URL:-}}'}}\n"
        f"migrations: [{{name: leave, from: {OLD}, to: {NEW}@none, stages: {stages}{shadow}}}]\n{more}"
    )


@dataclass
class Road:
    """The programs of one test, and how many calls were made so far."""

    upstream: town.Sandbox
    door: town.Proxy
    url: str
    dice: random.Random
    calls: int = 0
    failed: int = 0
    model: str = OLD
    extra: dict = field(default_factory=dict)
    took_s: list = field(default_factory=list)

    def status(self):
        """Where the migration stands."""
        answer = town.ask(f"{self.door.admin_url}/admin/migrations")
        return json.loads(answer.body)["migrations"][0]

    def steer(self, verb):
        """One verb on the admin port."""
        answer = town.ask(f"{self.door.admin_url}/admin/migrations/leave/{verb}", {})
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def traffic(self, calls, users=2_000, stop=lambda: False):
        """So many calls of as many users, some of whom call much more than others."""
        asyncio.run(self._drive(calls, users, stop))

    async def _drive(self, calls, users, stop):
        left = iter(range(calls))
        await asyncio.gather(*[self._caller(left, users, stop) for _ in range(_CALLERS)])

    async def _caller(self, left, users, stop):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.door.port)
        try:
            for _ in left:
                if stop():
                    return
                self.calls += 1
                began_s = time.perf_counter()
                self.failed += await self._call(reader, writer, users) >= 400
                self.took_s.append(time.perf_counter() - began_s)
        finally:
            writer.close()

    async def _call(self, reader, writer, users):
        user = f"user-{int(self.dice.paretovariate(1.2)) * 7919 % users if self.dice.random() < 0.3 else self.dice.randrange(users)}"
        body = {
            "model": self.model,
            "user": user,
            "messages": [{"role": "user", "content": f"Tell me of town {self.dice.random()}"}],
            **self.extra,
        }
        data = json.dumps(body).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer any\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        return status

    @property
    def is_over(self):
        """Whether a log line said that it was moved back."""
        return any(line["event"] == "migration_moved" for line in self.door.lines)

    def wait_for_baseline(self):
        """Until what was seen of the old model is in the store."""
        self.wait(lambda: asyncio.run(_billed(self.url)) >= self.calls - self.failed)

    def wait(self, is_so, timeout_s=10):
        """Poll until it is so."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline, self.status()
            time.sleep(0.1)


async def _billed(url):
    async with connected(url) as pipe:
        found = await seen(pipe, "leave", await shares(pipe, "leave"))
    return found.count("old", "", "billed")


@contextlib.contextmanager
def road(text, *, seed=1):
    """A sandbox, a proxy with this configuration, and a seeded crowd."""
    with town.sandbox("--time-scale", "0") as upstream, town.proxy(upstream, text) as door:
        yield Road(upstream, door, f"unix://{door.folder}/.switchyard/valkey.sock", random.Random(seed))
