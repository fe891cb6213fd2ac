"""Money over running programs: a sandbox that knows the truth, a proxy with budgets, and callers that leave when they like.

with running(CONFIG) as money:
    asyncio.run(many(money, bodies))
    money.settled()          nothing held, every bill entered; (ledger, truth) in nano-dollars
"""

import asyncio
import contextlib
import hashlib
import json
import random
import time
from dataclasses import dataclass

import town

from proxy.store import keys
from proxy.store.client import connected
from proxy.store.rollups import spend

REDIS = "redis: {url: '${REDIS_URL:-}'}\n"
SECRET = "sk-money-0123456789abcdef"


def key_line(name="web", secret=SECRET, **more):
    """One key of `keys:` as YAML (which JSON is)."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return json.dumps({"name": name, "hash": f"sha256:{digest}", **more})


def config(usd="1", *, workers=2, per="total", extra="", **budget):
    """One key under one strict budget."""
    allowance = {"usd": usd, "per": per, **budget}
    return (
        f"server: {{workers: {workers}, drain_seconds: 2}}\nauth: {{mode: keys}}\n{REDIS}"
        f"keys: [{key_line(budgets=[allowance])}]\n{extra}"
    )


@dataclass
class Reply:
    """What a caller got. `whole` is False when it left, or was cut off, before the end."""

    status: int = 0
    headers: dict | None = None
    body: bytes = b""
    whole: bool = False

    @property
    def code(self):
        """OpenAI's error code."""
        return json.loads(self.body)["error"]["code"]


@dataclass
class Money:
    """The programs of one test."""

    upstream: town.Sandbox
    door: town.Proxy
    url: str

    @property
    def truth(self):
        """What the provider billed, by its own record."""
        return self.upstream.totals().get("cost_nano", 0)

    def counters(self):
        """Money counters by budget: (spent, held, unsettled), over all windows and users."""
        return asyncio.run(_counters(self.url))

    def rows(self):
        """The log's rows of requests."""
        return [line for line in list(self.door.lines) if line["event"] == "request"]

    def spent_by_rollups(self):
        """What `spend` adds up to."""
        return asyncio.run(_spend(self.url))

    def settled(self, budget="web.total", timeout_s=15):
        """Wait until nothing is held or open; (ledger, truth)."""
        deadline = time.monotonic() + timeout_s
        while True:
            spent, held, _ = self.counters().get(budget, (0, 0, 0))
            open_calls = self.upstream.totals().get("open", 0)
            if not held and not open_calls:
                return spent, self.truth
            assert time.monotonic() < deadline, f"held {held}, open upstream {open_calls}"
            time.sleep(0.05)

    def agree(self, budget="web.total"):
        """Ledger = truth = rollups + tail = the log's rows; nothing held. Returns the nano-dollars."""
        ledger, truth = self.settled(budget)
        assert ledger == truth
        assert self.spent_by_rollups() == truth
        self.await_rows(truth)
        return truth

    def await_rows(self, nano, *others, timeout_s=5):
        """Wait until the rows in this proxy's log, and in those of others, add up to it: lines are written every 100 ms."""
        deadline = time.monotonic() + timeout_s
        while (logged := sum(row["cost_nano"] for each in (self, *others) for row in each.rows())) != nano:
            assert time.monotonic() < deadline, (logged, nano)
            time.sleep(0.05)

    def workers(self):
        """Process ids of the workers that are ready."""
        answer = town.ask(f"{self.door.admin_url}/admin/status")
        return [worker["pid"] for worker in json.loads(answer.body)["workers"] if worker["ready"]]

    def await_workers(self, count, timeout_s=30):
        """Wait until so many are ready again."""
        deadline = time.monotonic() + timeout_s
        while len(self.workers()) < count:
            assert time.monotonic() < deadline, "a worker did not come back"
            time.sleep(0.05)


@contextlib.contextmanager
def running(text, *sandbox_args, env=None, upstream=None):
    """A sandbox (or the one given) and a proxy with this configuration."""
    with contextlib.ExitStack() as stack:
        provider = upstream or stack.enter_context(town.sandbox("--time-scale", "0", *sandbox_args))
        door = stack.enter_context(town.proxy(provider, text, env))
        url = (env or {}).get("REDIS_URL") or f"unix://{door.folder}/.switchyard/valkey.sock"
        yield Money(provider, door, url)


async def call(door, body, *, key=SECRET, leave_after=None, leave_s=None, path="/v1/chat/completions"):
    """One request on a connection of its own. `leave_after`: hang up after so many bytes; `leave_s`: after a time."""
    reply = Reply()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    try:
        data = json.dumps(body).encode()
        writer.write(
            b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer %b\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), key.encode(), len(data), data)
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(leave_s):
                await _read(reader, reply, leave_after)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.transport.abort() if not reply.whole else writer.close()
    return reply


async def _read(reader, reply, leave_after):
    text = b""
    while leave_after is None or len(text) < leave_after:
        block = await reader.read(65536 if leave_after is None else min(65536, leave_after - len(text)))
        if not block:
            reply.whole = True
            break
        text += block
        _parse(text, reply)
    _parse(text, reply)


def _parse(text, reply):
    head, found, body = text.partition(b"\r\n\r\n")
    if found:
        lines = head.decode("latin-1").split("\r\n")
        reply.status = int(lines[0].split(" ")[1])
        reply.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
        }
        reply.body = body


def ask(words=20, model="gpt-4.1", **more):
    """A request whose answer has so many words."""
    said = more.pop("said", f"[[sandbox:words={words}]] {random.random()}")
    return {"model": model, "messages": [{"role": "user", "content": said}], **more}


async def _counters(url):
    found = {}
    async with connected(url) as pipe:
        for name in await pipe.call("ZRANGE", keys.LIVE, 0, -1):
            _, what, _ = keys.read_counter(name.decode())
            values = [int(v or 0) for v in await pipe.call("HMGET", name, "spent", "held", "unset")]
            budget = what.split(":")[1]
            found[budget] = tuple(map(sum, zip(found.get(budget, (0, 0, 0)), values, strict=True)))
    return found


async def _spend(url):
    async with connected(url) as pipe:
        return sum(line.cost_nano for line in await spend(pipe, 0, time.time() + 3600, ()))
