"""A small, seeded share of the proof in tests/chaos/test_guard_false_alarms.py: healthy migrations are left alone, and
the simulation that says so does catch a judge that counts calls instead of users."""

import random

from proxy.migration.guards import Measure
from tests.migration.crowd import MUTANTS, OURS, Fault, Size, watched

SMALL = Size(units=1500, sessions=1000, pace=40)


def test_healthy_migrations_raise_no_alarm_and_the_naive_judge_many():
    """10 A/A migrations with a look every 40 sessions: ours raises none; a z-test per call at every look raises several."""
    raised = [watched(random.Random(seed), SMALL, OURS | MUTANTS) for seed in range(10)]
    counts = {name: sum(name in each for each in raised) for name in OURS | MUTANTS}
    assert not any(counts[name] for name in OURS)
    assert counts["z per call"] >= 3


def test_each_kind_of_fault_is_found_by_its_guard():
    """One migration each with a new model that is plainly worse: alarm by the measure that was made worse."""
    for measure, fault in (
        (Measure.FAILED, Fault(failed=0.15)),
        (Measure.SLOW, Fault(later=3.0)),
        (Measure.COST, Fault(cost=4.0)),
    ):
        raised = watched(random.Random(1), SMALL, {"ours": OURS["shipped bounds"]}, fault)
        assert raised["ours"][1] is measure
