"""A house in the test's own process: an upstream of its choosing, its own clock and client, no store."""

import asyncio
import json

from proxy.app.blueprint import Blueprint
from proxy.app.book import build_book
from proxy.app.configuration import read_configuration
from proxy.app.house import Fixtures, build_house
from proxy.app.providers import Pools
from proxy.flow import serve
from proxy.migration.roads import NO_STATES
from proxy.models.learned import Learned
from proxy.nouns import Asks, Call, Caller, Endpoint
from proxy.routing.classifier import Classifier
from proxy.routing.pace import Pace
from proxy.routing.verdicts import Verdicts
from proxy.store.accounts import RunTime
from proxy.tasks import TaskOwner
from proxy.upstreams.breaker import Breakers
from proxy.watch import ModelWatch


class Caught:
    """A client that keeps what it was sent."""

    cutting = False
    started = False

    def __init__(self):
        self.status, self.headers, self.body = 0, {}, b""

    async def start(self, status, headers, first):
        self.started, self.status, self.headers, self.body = True, status, dict(headers), first

    async def write(self, block):
        self.body += block

    def push(self, block):
        self.body += block
        return True

    def chunk_writer(self):
        return None

    async def end(self):
        pass

    async def whole(self, status, headers, body):
        self.started, self.status, self.headers, self.body = True, status, dict(headers), body


class Home:
    """One house. `now` is its wall clock, `rows` what it recorded: (row, events of its answer)."""

    def __init__(self, url, flags=None, text=None, states=NO_STATES):
        flags = {"providers.openai.base_url": f"{url}/v1", "providers.openai.api_key": "sk-x"} | (flags or {})
        self.now = 0.0
        self.rows = []
        configuration = read_configuration(Blueprint(None, text, flags), {})
        self.watch = ModelWatch(asyncio.get_running_loop().time, lambda: self.now, lambda: None)
        self.pools = Pools()
        fixtures = Fixtures(
            verdicts=Verdicts(Classifier.load()),
            pace=Pace(),
            pools=self.pools,
            ledger=None,
            objects=None,
            tasks=TaskOwner(),
            learned=Learned(),
            watch=self.watch,
            breakers=Breakers(),
            health_changed=lambda candidate, state: None,
            moved_on=lambda before, after, cause: None,
            record=lambda row, told, final, events: self.rows.append((row, events)),
        )
        book = build_book(configuration.settings, RunTime())
        self.house = build_house(configuration, fixtures, book, states)
        self.house.wall_clock = lambda: self.now

    async def ask(self, client, body, number=1):
        """Answer one chat request to a client of the test's."""
        call = Call(
            id=f"sy-{number}",
            endpoint=Endpoint.CHAT,
            target=b"/chat/completions",
            raw=json.dumps(body).encode(),
            headers=((b"content-type", b"application/json"),),
            asks=Asks(),
            at=self.now,
            started_s=self.house.clock(),
        )
        await serve(call, Caller("k", "k"), client, self.house)
