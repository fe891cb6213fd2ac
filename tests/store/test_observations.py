"""Sums over units are what a naive recomputation from every call says, however the calls came in; keys are bounded and end."""

import asyncio
import random

import pytest

from proxy.migration.guards import ArmTotals, Measure, weighed
from proxy.migration.observation import Baseline, Observation, Sums
from proxy.nouns import Usage
from proxy.store import keys
from proxy.store.client import connected
from proxy.store.observations import enter, freeze, measured, read_baseline, seen, shares

BASELINE = Baseline({"\x1ffirst": 1.0}, cap_nano=10_000_000_000, ratio=1.0)
MEASURES = (Measure.FAILED, Measure.SLOW, Measure.COST)


def on(url, scenario):
    async def run():
        async with connected(url) as pipe:
            return await scenario(pipe)

    return asyncio.run(run())


def traffic(dice, calls, units):
    """Clustered: a few units send most of it, and each has a way of its own."""
    for _ in range(calls):
        unit = int(dice.paretovariate(0.8)) % units
        yield Observation(
            "m", 3, "new" if unit % 2 else "old", f"{unit:020x}", dice.choice(("code", "chat", "")), stream=True,
            failure="overloaded" if dice.random() < 0.05 * (unit % 3) else "",
            first_s=dice.expovariate(1), total_s=2.0, usage=Usage(10, 5), cost_nano=dice.randrange(10**9),
        )  # fmt: skip


def naively(calls, side, task, measure):
    """Every call summed up by unit, every unit weighed, once."""
    per_unit = {}
    for call in calls:
        if call.side != side or task not in ("", call.task):
            continue
        y = {
            Measure.FAILED: float(call.failed),
            Measure.SLOW: float(call.first_s > 1),
            Measure.COST: call.cost_nano,
        }[measure]
        n, total = per_unit.get(call.unit, (0, 0.0))
        per_unit[call.unit] = n + 1, total + y
    sums = [(n, y, n * n, n * y, y * y) for n, y in (weighed(*each) for each in per_unit.values())]
    return (
        len(per_unit),
        sum(n for n, _ in per_unit.values()),
        [sum(column) for column in zip(*sums, strict=True)],
    )


def test_sums_over_units_are_those_of_a_naive_recomputation(url):
    """In batches of any size, some of several hundred rows, with units that send ten calls and units that send thousands."""
    dice = random.Random(7)
    calls = list(traffic(dice, 6_000, 900))

    async def scenario(pipe):
        left = list(calls)
        while left:
            size = dice.choice((1, 7, 400, 1_500))
            batch, left, sums = left[:size], left[size:], Sums()
            for call in batch:
                sums.add(call, BASELINE)
            await enter(pipe, "m", 3, sums)
        return await measured(pipe, "m", 3, 0.0), await seen(pipe, "m", [3])

    found, counts = on(url, scenario)
    for measure in MEASURES:
        for task in ("", "code", "chat"):
            for side in ("old", "new"):
                arm = getattr(found.totals[measure, task], side)
                units, total, sums = naively(calls, side, task, measure)
                assert (arm.units, arm.calls) == (units, total)
                assert [arm.n, arm.y, arm.nn, arm.ny, arm.yy] == pytest.approx(sums, rel=1e-9)
                by_records = ArmTotals()
                running = {}
                for call in calls:
                    if call.side == side and task in ("", call.task) and measure is Measure.FAILED:
                        n, y = running.get(call.unit, (0, 0.0))
                        by_records = by_records.moved(n, y, 1, float(call.failed))
                        running[call.unit] = n + 1, y + float(call.failed)
                if measure is Measure.FAILED:
                    assert (arm.n, arm.y, arm.yy) == pytest.approx(
                        (by_records.n, by_records.y, by_records.yy)
                    )
    assert counts.count("old", "", "calls") + counts.count("new", "", "calls") == 6_000
    assert counts.count("new", "code", "cost") == sum(
        c.cost_nano for c in calls if c.side == "new" and c.task == "code"
    )


def test_units_beyond_the_most_are_folded_and_nothing_else_is_lost(url):
    """Every call counts, in groups of units of one side; the keys stay bounded."""

    async def scenario(pipe):
        for start in range(0, 6_000, 500):
            sums = Sums()
            for i in range(start, start + 500):
                sums.add(Observation("m", 1, "old", f"{i * 2654435761 % 16**20:020x}", "", stream=True), None)
            await enter(pipe, "m", 1, sums, most_units=50)
        _, units, *_ = keys.measured("m", 1)
        return await measured(pipe, "m", 1, 0.0), int(await pipe.call("HLEN", units))

    found, kept = on(url, scenario)
    arm = found.totals[Measure.FAILED, ""].old
    assert arm.calls == 6_000
    assert arm.units == kept <= 50 + 4_096


def test_everything_measured_ends_by_itself_and_shares_one_slot(url):
    """Each key has a time to live and the hash tag."""

    async def scenario(pipe):
        sums = Sums()
        sums.add(next(traffic(random.Random(1), 1, 5)), BASELINE)
        await enter(pipe, "m", 3, sums)
        await freeze(pipe, "m", 3, BASELINE)
        names = await pipe.call("KEYS", "*")
        return {name.decode(): await pipe.call("TTL", name) for name in names}

    kept = on(url, scenario)
    assert len(kept) == 5
    assert all(name.startswith("{switchyard}:") and left > 29 * 86_400 for name, left in kept.items())


def test_the_first_baseline_stands_for_all(url):
    """Another process that freezes later takes the first one."""

    async def scenario(pipe):
        assert await read_baseline(pipe, "m", 3) is None
        first = await freeze(pipe, "m", 3, BASELINE)
        other = Baseline({}, 5.0, 2.0)
        return first, await freeze(pipe, "m", 3, other)

    first, second = on(url, scenario)
    assert first == second == BASELINE


def test_shares_are_told_apart_and_a_silent_side_is_missing(url):
    """What was measured under one share does not enter another; how long each side has been quiet is known."""

    async def scenario(pipe):
        for version in (4, 2):
            sums = Sums()
            sums.add(Observation("m", version, "old", "aa", "", stream=False), None)
            await enter(pipe, "m", version, sums)
        now = float((await pipe.call("TIME"))[0]) + 100
        return (
            await shares(pipe, "m"),
            await measured(pipe, "m", 4, now),
            await measured(pipe, "other", 4, now),
        )

    versions, found, nothing = on(url, scenario)
    assert versions == [2, 4]
    assert found.totals[Measure.FAILED, ""].old.calls == 1
    assert found.quiet_s["old"] == pytest.approx(100, abs=3)
    assert set(found.quiet_s) == {"old"}
    assert (nothing.totals, nothing.quiet_s) == ({}, {})
