"""The sums over units are kept right by what one unit changed."""

import random

import pytest

from proxy.migration.guards import MOST_WEIGHT, ArmTotals, Bounds, cost_caps, weighed
from tests.migration.crowd import Sums


def batch(units):
    rows = [weighed(n, y) for n, y in units.values()]
    return ArmTotals(
        units=len(rows),
        calls=sum(n for n, _ in units.values()),
        n=sum(n for n, _ in rows),
        y=sum(y for _, y in rows),
        nn=sum(n * n for n, _ in rows),
        ny=sum(n * y for n, y in rows),
        yy=sum(y * y for _, y in rows),
    )


def close(found, expected):
    for name in ArmTotals.__dataclass_fields__:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("seed", range(20))
def test_step_by_step_is_all_at_once(seed):
    """Whatever the order, sizes and values (a cost in nano-dollars, or 0 and 1), the running sums equal those made from scratch."""
    draw, units, running = random.Random(seed), {}, ArmTotals()
    largest = draw.choice((1, 50_000_000))
    for _ in range(400):
        name, n = draw.randrange(30), min(int(draw.paretovariate(1.2)), 40)
        y = sum(draw.randint(0, largest) for _ in range(n))
        had = units.get(name, (0, 0))
        running = running.moved(*had, n, y)
        units[name] = (had[0] + n, had[1] + y)
    close(running, batch(units))


def test_the_crowd_keeps_the_same_sums():
    """The simulation's faster sums are `moved`'s: what it proves holds for the product."""
    draw, sums, units, running = random.Random(1), Sums(), {}, ArmTotals()
    for _ in range(300):
        name, n = draw.randrange(20), draw.randint(1, 15)
        y = draw.randint(0, n)
        had = units.get(name, (0, 0))
        running = running.moved(*had, n, y)
        units[name] = (had[0] + n, had[1] + y)
        sums.add(name, n, (y, 0, 0))
    close(sums.totals(0), running)


def test_a_busy_unit_counts_with_its_whole_mean_at_a_bounded_weight():
    """The thousandth call of a unit still moves its mean, and its weight no more."""
    assert weighed(MOST_WEIGHT, 3) == (MOST_WEIGHT, 3)
    assert weighed(1000, 1000) == (MOST_WEIGHT, MOST_WEIGHT)
    assert weighed(1000, 500) == (MOST_WEIGHT, MOST_WEIGHT / 2)


def test_on_the_bound_both_caps_cut_the_same_call():
    """A call that costs the bound's multiple on the new arm is capped exactly when its twin on the old arm is."""
    bounds = Bounds(failed=0.01, slow=0.05, cost=1.2, planned_ratio=0.5)
    old, new = cost_caps(1e6, bounds)
    assert (old, new) == (20_000_000, 12_000_000)
