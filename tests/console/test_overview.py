"""The document behind the page: shared by all who look, kept while it is fresh, shown with its age when Redis is away."""

import asyncio
import json

from proxy.app.blueprint import Blueprint
from proxy.app.book import build_book
from proxy.app.configuration import read_configuration
from proxy.console.overview import Overview, View
from proxy.store.accounts import RunTime
from proxy.store.client import connected
from tests import town

NOW = 1795219200.0


class Steps:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def looking(pipe, clock):
    configuration = read_configuration(Blueprint(), {})
    book = build_book(configuration.settings, RunTime())
    view = View(pipe, book, configuration.settings, configuration.catalogue, {"version": "test"})
    return Overview(lambda: view, wall_clock=lambda: NOW + clock.s, clock=clock)


def test_many_open_pages_cost_what_one_costs():
    """Fifty pages that ask at once, and again within two seconds, have Redis asked once."""

    async def run(url):
        async with connected(url) as pipe:
            clock = Steps()
            overview = looking(pipe, clock)
            bodies = await asyncio.gather(*[overview.body() for _ in range(50)])
            calls = await asked(pipe)
            clock.s += 1.9
            again = await overview.body()
            assert len({json.loads(body)["as_of"] for body in [*bodies, again]}) == 1
            assert await asked(pipe) == calls
            clock.s += 0.2
            assert json.loads(await overview.body())["as_of"] > json.loads(again)["as_of"]
            return calls, await asked(pipe) - calls

    with town.store() as url:
        first, second = asyncio.run(run(url))
    assert second < first / 3, "hours that are over are not read again"


async def asked(pipe):
    """How many hashes Redis was asked for whole."""
    told = (await pipe.call("INFO", "commandstats")).decode()
    found = [line for line in told.splitlines() if line.startswith("cmdstat_hgetall:")]
    return int(found[0].partition("calls=")[2].partition(",")[0]) if found else 0


def test_redis_away_leaves_the_last_data_with_its_time():
    """The page goes on showing what it knew, and says from when it is."""

    async def run(url):
        async with connected(url, timeout_s=0.2) as pipe:
            clock = Steps()
            overview = looking(pipe, clock)
            before = json.loads(await overview.body())
            with town.stopped(url):
                clock.s += 10
                away = json.loads(await overview.body())
            return before, away

    with town.store() as url:
        before, away = asyncio.run(run(url))
    assert (before["store"], away["store"]) == ("up", "away")
    assert away["as_of"] == before["as_of"] == away["now"] - 10
    assert away["hours"] == before["hours"] and len(away["hours"]) == 24


def test_without_a_store_there_is_nothing_to_count_and_still_a_document():
    """Where no server could be started the page says why it is empty."""
    found = json.loads(asyncio.run(looking(None, Steps()).body()))
    assert found["store"] == "none" and found["totals"]["requests"] == 0 and found["budgets"] == []
    assert found["version"] == "test" and found["decisions"] == [] and found["migrations"] == []
    assert any(each["name"] == "o4-mini" for each in found["models"])
