"""What the store holds of a share becomes the guards' verdict: bounds of the settings, the stage, the planned ratio."""

import asyncio
import time
from dataclasses import replace

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.migration.guards import Measure
from proxy.migration.observation import Baseline, Observation, Sums
from proxy.migration.state import State, Status
from proxy.steering.judging import bounds_of, last_measured, stage_of, standing
from proxy.store.client import connected
from proxy.store.observations import Measured, enter
from tests.store.conftest import server, url

__all__ = ["server", "url"]

TEXT = "migrations: [{name: leave, from: gpt-4.1-mini, to: gpt-6-luna@none, guard: {max_cost_ratio_over_plan: 1.5}}]"
MIGRATION = read_configuration(Blueprint("switchyard.yaml", TEXT), {}).settings.migrations[0]
STATE = State(
    "leave", "gpt-4.1-mini", "gpt-6-luna@none", (50, 75, 100), Status.RUNNING, share_version=3, version=4
)


def test_the_bounds_are_the_settings_with_the_planned_ratio_of_the_baseline():
    """What nobody wrote is as shipped."""
    bounds = bounds_of(MIGRATION, Baseline({}, 1.0, 0.3))
    assert (bounds.failed, bounds.slow, bounds.cost, bounds.planned_ratio) == (0.01, 0.05, 1.5, 0.3)
    assert bounds_of(MIGRATION, None).planned_ratio == 1.0


def test_the_judge_is_told_where_it_stands_and_who_was_heard_of():
    """As measured: that a side was never heard of is not turned into seconds on the way."""
    stage = stage_of(STATE, Measured({}, {"old": 3.0}))
    assert (stage.percent, stage.judged, stage.quiet_s) == (50, 2, {"old": 3.0})


@pytest.mark.parametrize(
    ("percent", "why"),
    [
        (50, "the old model has not been called in this share yet"),
        (100, "every guard is within its bound"),
    ],
)
def test_nobody_waits_for_the_old_model_once_everybody_has_left_it(url, percent, why):
    """What the store holds of a share in which only the new model is called: enough at 100 %, never below."""
    there = replace(STATE, stages=(percent, 100) if percent < 100 else (100,))

    async def judged():
        async with connected(url) as pipe:
            sums = Sums()
            for i in range(300):
                sums.add(Observation("leave", 3, "new", f"{i:020x}", "", stream=True), None)
            await enter(pipe, "leave", 3, sums)
            return await standing(pipe, MIGRATION, there, time.time())

    found = asyncio.run(judged())
    assert (found.why, found.ready) == (why, percent == 100)


def test_a_migration_that_is_over_is_shown_by_the_share_measured_last():
    """Nothing is measured of a rolled-back one; a running one is shown as it is."""
    over = State("leave", "a", "b", (50, 100), Status.ROLLED_BACK, share_version=5, version=5)
    assert last_measured(over, [0, 3]).share_version == 3
    assert last_measured(over, []) == over
    assert last_measured(STATE, [0, 1]) == STATE


def test_a_bad_new_model_is_a_breach_and_an_equal_one_is_none(url):
    """From observations in the store to the verdict; another version's measures do not count."""

    async def judged(version, failing):
        async with connected(url) as pipe:
            sums = Sums()
            for i in range(600):
                side = "new" if i % 2 else "old"
                failure = "overloaded" if side == "new" and i % 10 < failing else ""
                sums.add(
                    Observation("leave", version, side, f"{i:020x}", "", stream=True, failure=failure), None
                )
            await enter(pipe, "leave", version, sums)
            return await standing(pipe, MIGRATION, STATE, 0.0)

    elsewhere = asyncio.run(judged(2, 9))
    assert not elsewhere.breaches
    assert not elsewhere.ready
    equal = asyncio.run(judged(3, 0))
    assert not equal.breaches
    breached = asyncio.run(judged(3, 9))
    assert [each.measure for each in breached.breaches] == [Measure.FAILED]
