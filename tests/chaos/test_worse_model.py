"""A new model that is a little worse is found out and left: by errors, by late first tokens, by bad JSON, by cost."""

import asyncio
import time

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.migration.guards import Measure
from proxy.migration.state import State, Status
from proxy.steering.judging import standing
from proxy.store.client import connected
from tests.chaos.road_kit import AS_JSON, NEW, OLD, config, road

pytestmark = pytest.mark.chaos
MOST_S = 240
"""However fast the machine: of each side only so many answers a second are looked at."""
SLOW = {"action": "slow_first", "seconds": 0.03, "spread": 0.4}
WORSE = {
    "3 % more 500s": (Measure.FAILED, {}, [], [{"action": "500", "match": {"model": NEW, "share": 0.03}}]),
    "5 % invalid JSON": (
        Measure.FAILED,
        AS_JSON,
        [],
        [{"action": "broken", "match": {"model": NEW, "share": 0.05}}],
    ),
    "first token twice as late": (
        Measure.SLOW,
        {},
        [{**SLOW, "match": {}}],
        [{**SLOW, "match": {"model": OLD}}, {**SLOW, "seconds": 0.06, "match": {"model": NEW}}],
    ),
    "40 % dearer than planned": (
        Measure.COST,
        {},
        [],
        [{"action": "wordy", "factor": 1.5, "match": {"model": NEW}}],
    ),
}


@pytest.mark.parametrize("fault", WORSE)
def test_a_worse_model_is_left_again(fault, capsys):
    """Rolled back by the guard that it concerns, and by hand of nobody; N is printed beside the method's own."""
    measure, asked, before, after = WORSE[fault]
    with road(config()) as way:
        way.extra = asked
        way.upstream.fault(*before)
        way.traffic(500)
        way.wait_for_baseline()
        way.steer("start")
        way.upstream.fault(*after)
        began = way.calls
        until_s = time.monotonic() + MOST_S
        way.traffic(10**9, stop=lambda: way.is_over or time.monotonic() > until_s)
        way.wait(lambda: way.status()["status"] == "rolled_back")
        moved = way.door.wait_for(lambda line: line["event"] == "migration_moved")
        guard = next(each for each in verdicts(way) if each.measure is measure and not each.task)
        # What was under way then is measured too, and may take the guard back within its bound.
        told = moved["why"]
        assert moved["step"] == "rollback"
        assert told.startswith(measure.value)
    with capsys.disabled():
        print(
            f"\n{fault}: rolled back after {way.calls - began:,} calls ({guard.units[0] + guard.units[1]:,} units measured); "
            f"the method finds this size in 4 of 5 cases by {guard.needed_units:,} units, about {guard.needed_calls:,} calls; "
            f"{told}"
        )


def verdicts(way):
    """How the guards stood when it was rolled back."""
    migration = read_configuration(Blueprint("switchyard.yaml", config()), {}).settings.migrations[0]
    state = State("leave", OLD, f"{NEW}@none", (50, 100), status=Status.RUNNING, version=1, share_version=1)

    async def read():
        async with connected(way.url) as pipe:
            return (await standing(pipe, migration, state, time.time())).verdicts

    return asyncio.run(read())
