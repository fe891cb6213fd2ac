"""1,000 migrations in which nothing is wrong, and how soon what is wrong is found. Prints what README says of the guards.

Seeds are fixed, so the figures are the same on every machine; only the seconds differ.
"""

import collections
import random
import statistics

import pytest

from proxy.migration.guards import Arms, Measure, Stage
from proxy.migration.judge import alarms, verdict
from tests.migration.crowd import (
    JUDGED,
    MUTANTS,
    NO_FAULT,
    OURS,
    SHIPPED,
    TASKS,
    Fault,
    interval,
    newcomers,
    sizes,
    watched,
)

pytestmark = pytest.mark.chaos


def migrations(judges, count, label, fault=NO_FAULT):
    """How many of these migrations each judge would have rolled back."""
    counts = dict.fromkeys(judges, 0)
    for i in range(count):
        draw = random.Random(f"{label}{i}")
        for name in watched(draw, sizes(draw), judges, fault):
            counts[name] += 1
    for name, hits in counts.items():
        low, high = interval(hits, count)
        print(
            f"{label:16} {name:18} {hits} of {count} rolled back: {hits / count:.1%} ({low:.2%} to {high:.2%})"
        )
    return counts


def test_a_thousand_healthy_migrations():
    """A/A, stages 1, 5, 25, 50, 200 to 10,000 users, 13 tasks and all together, three guards, a look every 25 sessions: the share that is
    rolled back is at most 5 % with its upper 97.5 % limit, with the shipped bounds and with bounds of exactly no slack."""
    for hits in migrations(OURS, 1000, "A/A").values():
        assert interval(hits, 1000)[1] <= 0.05


def test_exactly_on_the_shipped_bounds():
    """A new model that is as much worse as it may be (1 % more failures, 5 % more slow tokens, 1.2 times the planned cost): at most 5 %."""
    counts = migrations(
        {"shipped bounds": OURS["shipped bounds"]}, 300, "on bound", Fault(failed=0.01, slow=0.05, cost=1.2)
    )
    assert interval(counts["shipped bounds"], 300)[1] <= 0.05


def test_planted_mistakes_are_found_by_the_same_simulation():
    """Counting calls instead of users, with a z-test or with a valid sequence: both are above 5 % with their lower limit."""
    counts = migrations(MUTANTS, 150, "mutants")
    for name in ("z per call", "sequence per call"):
        assert interval(counts[name], 150)[0] > 0.05


FAULTS = {
    "+3 % errors": (Measure.FAILED, Fault(failed=0.03)),
    "+5 % invalid": (Measure.FAILED, Fault(failed=0.05)),
    "first token x2": (Measure.SLOW, Fault(later=2.0)),
    "cost +40 %": (Measure.COST, Fault(cost=1.4)),
}
REPEATS = {50: 60, 25: 60, 5: 20, 1: 5}


@pytest.mark.parametrize("percent", [50, 25, 5, 1])
def test_what_is_wrong_is_found_with_the_units_it_is_said_to_take(percent):
    """Each fault, with as many units as the method asks for at this stage from healthy traffic: found in 4 of 5 cases (as far as so
    few repetitions can tell). Prints the method's N beside the units it took in the middle case."""
    old, new = collections.deque(newcomers(random.Random(5), 50, 40_000, NO_FAULT), maxlen=1).pop()
    stage = Stage(percent, JUDGED, len(TASKS), {})
    for name, (measure, fault) in FAULTS.items():
        i = list(Measure).index(measure)
        needed = verdict(measure, "", Arms(old.totals(i), new.totals(i)), SHIPPED, stage)
        took = [
            found_after(random.Random(f"{percent}{name}{k}"), i, stage, needed.needed_units, fault)
            for k in range(REPEATS[percent])
        ]
        found = [units for units in took if units]
        middle = statistics.median_low(units or needed.needed_units * 10 for units in took)
        print(
            f"{percent:3} %  {name:15} N {needed.needed_units:7,} units ({needed.needed_calls:9,} calls), on the new arm"
            f" {needed.needed_units * percent // 100:6,}; found in {len(found)} of {len(took)}, middle case at {middle:7,} units"
        )
        assert interval(len(found), len(took))[1] >= 0.8


def found_after(draw, i, stage, units, fault):
    """Units on both arms when the guard over all traffic first raised its alarm; None when it did not within so many."""
    for at, (old, new) in enumerate(newcomers(draw, stage.percent, units, fault), start=1):
        if at % max(1, units // 200) == 0:
            arms = Arms(old.totals(i), new.totals(i))
            if alarms(list(Measure)[i], "", arms, SHIPPED, stage):
                return at
    return None
