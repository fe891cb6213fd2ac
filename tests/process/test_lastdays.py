"""Operators hear of a model's end at 30, 14, 7 and 1 days: once each, of what is used or configured, with its successor."""

import asyncio
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from town import proxy, sandbox

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.metrics.log import Log
from proxy.process.lastdays import LastDays
from proxy.store.client import connected
from proxy.store.embedded import EmbeddedServer
from tests.store.kit import make_ledger, money, request, row, running

DAY_S = 86_400
END = datetime(2027, 1, 14, tzinfo=UTC).timestamp()
CONFIGURED = "routes: {fast: {default: [gpt-4.1-mini]}}\n"
NOTHING_ENDS = "routes: {fast: {default: [gpt-6-luna]}}\n"


class Watch:
    """A watch whose clock is the test's; `lines` are what it has logged."""

    def __init__(self, text):
        self.now = END - 40 * DAY_S
        read, write = os.pipe()
        self._read = os.fdopen(read, "rb")
        self._write = write
        self.log = Log(write, lambda: self.now, gather_s=0)
        configuration = read_configuration(Blueprint("x.yaml", text), {})
        self.days = LastDays(configuration, self.log, lambda: self.now)

    def until(self, end, step_s, pipe=None):
        async def looking():
            while self.now < end:
                await self.days.look(pipe)
                self.now += step_s

        return looking()

    def lines(self):
        self.log.close()
        os.close(self._write)
        with self._read:
            return [json.loads(line) for line in self._read]


def told(lines, model="gpt-4.1-mini"):
    return [line["within_days"] for line in lines if line["model"] == model]


def test_each_limit_is_told_once_on_the_way_to_the_end():
    """Forty days in steps of six hours: four lines, a level, a date, a successor; nothing after the end."""
    watch = Watch(CONFIGURED)
    asyncio.run(watch.until(END + 3 * DAY_S, DAY_S / 4))
    lines = [line for line in watch.lines() if line["model"] == "gpt-4.1-mini"]
    assert [(line["within_days"], line["days_left"]) for line in lines] == [
        (30, 30),
        (14, 14),
        (7, 7),
        (1, 1),
    ]
    assert {(line["event"], line["level"], line["shutdown"], line["successor"]) for line in lines} == {
        ("model_ending", "warning", "2027-01-14", "gpt-6-luna")
    }
    assert [line["at"] for line in lines] == [END - days * DAY_S for days in (30, 14, 7, 1)]


def test_a_process_started_late_tells_the_nearest_limit_only():
    """Three days before the end that is the one of seven days."""
    watch = Watch(CONFIGURED)
    watch.now = END - 3 * DAY_S
    asyncio.run(watch.until(END, DAY_S / 8))
    assert told(watch.lines()) == [7, 1]


def test_what_a_provider_publishes_moves_the_warning():
    """A nearer date is warned of anew, and the gauge's days follow it."""
    watch = Watch(CONFIGURED)
    watch.now = END - 20 * DAY_S
    asyncio.run(watch.days.look(None))
    watch.days.heard([("openai", "gpt-4.1-mini", END - 10 * DAY_S)])
    assert watch.days.days_left()["openai", "gpt-4.1-mini"] == 10
    asyncio.run(watch.days.look(None))
    assert told(watch.lines()) == [30, 14]


def test_only_what_is_used_or_configured_is_told():
    """With a store it is known who is called: a model of last week's traffic is told, one that nobody calls is not."""

    async def scenario(url, directory):
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            watch = Watch(NOTHING_ENDS)
            watch.now = datetime.now(UTC).timestamp()
            ends = (watch.now // DAY_S + 10) * DAY_S
            watch.days.heard([("openai", name, ends) for name in ("gpt-4.1-mini", "gpt-4.1", "gpt-6-luna")])
            grant = await ledger.hold(request([money(10_000)]))
            used = msgspec.structs.replace(row(5), served="gpt-4.1-mini", at=watch.now)
            ledger.settle(grant.hold, 5, used)
            await ledger.close()
            await watch.days.look(pipe)
            await watch.days.look(pipe)
            return watch.lines()

    with tempfile.TemporaryDirectory(prefix="sy") as name:
        server = EmbeddedServer(Path(name) / ".switchyard")
        asyncio.run(server.start())
        try:
            lines = asyncio.run(scenario(server.url, Path(name)))
        finally:
            asyncio.run(server.stop())
    assert {line["model"]: line["in_use"] for line in lines} == {"gpt-4.1-mini": True, "gpt-6-luna": False}
    assert len(lines) == 2


def test_a_running_proxy_says_so_in_its_log():
    """Two workers and a parent: one line."""
    ends = (datetime.now(UTC) + timedelta(days=5)).date()
    config = f"server: {{workers: 2}}\nmodels: {{gpt-4.1-mini: {{shutdown: {ends}}}}}\n{CONFIGURED}"
    with sandbox() as upstream, proxy(upstream, config) as door:
        line = door.wait_for(lambda line: line["event"] == "model_ending" and line["model"] == "gpt-4.1-mini")
        again = [line for line in door.lines if line["event"] == "model_ending"]
    assert (line["within_days"], line["shutdown"], line["successor"]) == (7, str(ends), "gpt-6-luna")
    assert len([each for each in again if each["model"] == "gpt-4.1-mini"]) == 1
