"""What is rolled back, what may be promoted, and what must wait."""

import random
from dataclasses import replace

import pytest

from proxy.migration.contrast import contrast
from proxy.migration.guards import Arms, ArmTotals, Measure, Stage
from proxy.migration.judge import (
    FALSE_ALARMS,
    READY_CALLS,
    READY_UNITS,
    alarms,
    fewest_units,
    judge,
    part_of_alarms,
    verdict,
)
from tests.migration.crowd import JUDGED, SHIPPED, TASKS

HALF = Stage(percent=50, judged=JUDGED, tasks=len(TASKS), quiet_s={"old": 1.0, "new": 1.0})
LEVELS = {Measure.FAILED: (0.01, 1), Measure.SLOW: (0.05, 1), Measure.COST: (1.0, 1_000_000)}


def arm(seed, units, level, unit=1, calls=5):
    """Users with a few calls each; a call is `unit` with probability `level`, or about `level` units when it is a cost."""
    draw, totals = random.Random(seed), ArmTotals()
    for _ in range(units):
        n = draw.randint(1, 2 * calls - 1)
        hits = (
            sum(draw.random() < level for _ in range(n)) if unit == 1 else n * level * draw.uniform(0.5, 1.5)
        )
        totals = totals.moved(0, 0, n, hits * unit)
    return totals


def pair(measure, *, old_units=400, new_units=400, new_level=None, old_level=None):
    level, unit = LEVELS[measure]
    plan = SHIPPED.planned_ratio if measure is Measure.COST else 1.0
    old_at = level if old_level is None else old_level
    new_at = (level if new_level is None else new_level) * plan
    return Arms(arm(1, old_units, old_at, unit), arm(2, new_units, new_at, unit))


def traffic(**sick):
    """All three measures over all tasks; `failed=0.2` is what the new arm does of it."""
    return {(m, ""): pair(m, new_level=sick.get(m.value)) for m in Measure}


def test_healthy_arms_are_within_bounds_and_ready():
    """Enough traffic, nothing wrong: no breach, ready, and a verdict for every guard."""
    found = judge(traffic(), SHIPPED, HALF)
    assert not found.breaches
    assert found.ready, found.why
    assert [v.measure for v in found.verdicts] == sorted(Measure)
    assert all(v.judged and v.low < v.excess < v.high and v.needed_units > 0 for v in found.verdicts)


@pytest.mark.parametrize(("measure", "level"), [("failed", 0.08), ("slow", 0.3), ("cost", 1.8)])
def test_a_sick_arm_is_a_breach_of_its_guard_alone(measure, level):
    """Far too many errors, late tokens or costs: that guard is breached, nothing is ready, and the reason says how much."""
    found = judge(traffic(**{measure: level}), SHIPPED, HALF)
    assert [v.measure for v in found.breaches] == [measure]
    assert not found.ready
    assert found.why.startswith(f"{measure}: ")
    assert "units on the new model" in found.why


def test_a_better_arm_is_no_breach():
    """The test has one side: fewer errors, quicker tokens and lower costs are nobody's fault."""
    found = judge({(m, ""): pair(m, new_level=0.0) for m in Measure}, SHIPPED, HALF)
    assert found.ready, found.why


def test_one_task_can_breach_alone():
    """A model that fails one task only is found by that task's guard."""
    totals = traffic() | {(Measure.FAILED, "code"): pair(Measure.FAILED, new_level=0.2)}
    (breach,) = judge(totals, SHIPPED, HALF).breaches
    assert (breach.measure, breach.task) == (Measure.FAILED, "code")


def test_nothing_measured_neither_breaches_nor_promotes():
    """No totals, empty totals, one arm only: missing data promotes nobody and blames nobody."""
    empty = Arms(ArmTotals(), ArmTotals())
    one_sided = Arms(pair(Measure.FAILED, new_level=1.0).new, ArmTotals())
    for totals in ({}, {(m, ""): empty for m in Measure}, {(Measure.FAILED, ""): one_sided}):
        for each in (totals, {key: Arms(arms.new, arms.old) for key, arms in totals.items()}):
            found = judge(each, SHIPPED, HALF)
            assert not found.breaches
            assert not found.ready
            assert found.why


@pytest.mark.parametrize("lost", list(Measure))
def test_a_measure_that_one_arm_lost_promotes_nobody(lost):
    """One arm stops reporting one measure: not ready. Streams that nobody sends, and prices that nobody has, are no loss."""
    totals = traffic()
    assert not judge(totals | {(lost, ""): Arms(totals[lost, ""].old, ArmTotals())}, SHIPPED, HALF).ready
    without = {key: arms for key, arms in totals.items() if key[0] is not lost}
    assert judge(without, SHIPPED, HALF).ready == (lost is Measure.SLOW)
    assert judge(without, replace(SHIPPED, planned_ratio=0.0), HALF).ready == (lost is not Measure.FAILED)


@pytest.mark.parametrize("free", ["both", "old", "new"])
def test_a_model_that_costs_nothing_does_not_keep_a_migration_waiting(free):
    """A server of one's own is billed, at nothing: of that no cost is a multiple, and the other guards decide."""
    cost = pair(
        Measure.COST,
        old_level=1.0 if free == "new" else 0.0,
        new_level=1.0 if free == "old" else 0.0,
    )
    bounds = replace(SHIPPED, planned_ratio=0.0 if free == "new" else 1.0)
    found = judge(traffic() | {(Measure.COST, ""): cost}, bounds, HALF)
    assert found.ready, found.why


def test_too_few_units_or_calls_or_old_data_wait():
    """A handful of units, a few calls, a silent arm: no promotion, and the sentence says what is missing."""
    few = judge({(m, ""): pair(m, new_units=READY_UNITS - 1) for m in Measure}, SHIPPED, HALF)
    assert f"{READY_UNITS - 1} units" in few.why
    short = judge({(m, ""): pair(m, new_units=READY_UNITS + 1) for m in Measure}, SHIPPED, HALF)
    assert f"it takes {READY_UNITS} and {READY_CALLS}" in short.why
    silent = judge(traffic(), SHIPPED, replace(HALF, quiet_s={"old": 4.0, "new": 601.0}))
    assert silent.why == "the new model was last called 601 s ago, and 600 s is the most"
    assert not any(found.ready or found.breaches for found in (few, short, silent))


def test_an_outage_of_both_is_nobodys_fault_and_proves_nobody_fit():
    """Both arms fail 60 %: no breach, no promotion."""
    sick = {(m, ""): pair(m) for m in Measure} | {
        (Measure.FAILED, ""): pair(Measure.FAILED, old_level=0.6, new_level=0.6)
    }
    found = judge(sick, SHIPPED, HALF)
    assert not found.breaches
    assert not found.ready
    assert "outage" in found.why


def test_close_to_the_bound_waits_without_rolling_back():
    """3 % more failures among 400 units are not proved yet, but nobody is promoted on them."""
    found = judge(traffic(failed=0.035), SHIPPED, HALF)
    assert not found.breaches
    assert not found.ready
    assert "too close" in found.why


def test_at_the_last_stage_there_is_nobody_to_compare_with():
    """At 100 % no guard can be breached; calls enough, lately, and no outage are all that is asked. The old model is asked
    by nobody, and its silence says nothing."""
    whole = replace(HALF, percent=100, quiet_s={"new": 1.0})
    totals = {key: Arms(ArmTotals(), arms.new) for key, arms in traffic().items()}
    assert judge(totals, SHIPPED, whole).ready
    failing = {(Measure.FAILED, ""): Arms(ArmTotals(), pair(Measure.FAILED, new_level=0.5).new)}
    found = judge(failing, SHIPPED, whole)
    assert not found.breaches
    assert found.why.endswith("% of the new model's calls fail: nothing is proved fit in an outage")
    late = judge(totals, SHIPPED, replace(whole, quiet_s={"old": 1.0, "new": 700.0}))
    assert late.why == "the new model was last called 700 s ago, and 600 s is the most"


@pytest.mark.parametrize(
    ("percent", "heard", "silent"),
    [(50, {}, "new"), (50, {"old": 1.0}, "new"), (50, {"new": 1.0}, "old"), (100, {"old": 1.0}, "new")],
)
def test_a_side_that_was_never_called_is_named(percent, heard, silent):
    """Nobody is told of seconds that nobody counted: a share that has just begun has not been silent for any."""
    found = judge(traffic(), SHIPPED, replace(HALF, percent=percent, quiet_s=heard))
    assert found.why == f"the {silent} model has not been called in this share yet"
    assert not found.ready


def test_a_dead_new_model_is_caught_in_the_first_dozens_of_calls():
    """At 1 %: 15 users of the new model, all calls failed, is enough; with 5 users it is not."""
    stage = replace(HALF, percent=1)
    for units, breached in ((5, False), (15, True)):
        arms = pair(Measure.FAILED, old_units=1500, new_units=units, new_level=1.0)
        assert judge({(Measure.FAILED, ""): arms}, SHIPPED, stage).breaches != () or not breached
        assert verdict(Measure.FAILED, "", arms, SHIPPED, stage).breached == breached


def test_a_lucky_small_old_arm_blames_nobody():
    """At 99 % the old arm is small: that it had no error yet is not held against the 1.5 % of the new one."""
    arms = Arms(arm(1, 15, 0.0), arm(2, 3000, 0.015))
    assert not alarms(Measure.FAILED, "", arms, SHIPPED, replace(HALF, percent=99))


@pytest.mark.parametrize("measure", list(Measure))
def test_worse_is_never_more_innocent(measure):
    """With the same users, each further failed call (or a higher price of all) raises the lower bound or keeps the breach."""
    old = pair(measure).old
    unit = LEVELS[measure][1]
    lows = []
    for worse in range(0, 60, 3):
        totals = ArmTotals()
        for i in range(120):
            y = (5 * unit * (1 + worse / 20)) * 0.5 if unit > 1 else 5 * int(i < worse)
            totals = totals.moved(0, 0, 5, y)
        lows.append(verdict(measure, "", Arms(old, totals), SHIPPED, HALF))
    breached = [v.breached for v in lows]
    assert breached == sorted(breached)
    assert not breached[0]
    assert breached[-1]
    assert [v.excess for v in lows] == sorted(v.excess for v in lows)


@pytest.mark.parametrize("seed", range(60))
def test_the_bounds_and_the_evidence_agree(seed):
    """On random arms of every size and stage, a guard is breached exactly when its evidence is enough."""
    draw = random.Random(seed)
    measure = draw.choice(list(Measure))
    level = draw.choice((0.0, 0.02, 0.1, 0.5)) if measure is not Measure.COST else draw.uniform(0.5, 3)
    arms = pair(measure, old_units=draw.randint(5, 500), new_units=draw.randint(5, 300), new_level=level)
    stage = replace(HALF, percent=draw.choice((1, 5, 25, 50)))
    task = draw.choice(("", "code"))
    assert verdict(measure, task, arms, SHIPPED, stage).breached == alarms(
        measure, task, arms, SHIPPED, stage
    )


def test_all_guards_together_use_up_the_five_percent():
    """Summed over guards, tasks and stages the parts are the whole, whatever the plan; also when there are no tasks."""
    for stage in (HALF, Stage(5, 1, 2, {}), Stage(10, 9, 40, {})):
        parts = [part_of_alarms(task, stage) for task in ("", *map(str, range(stage.tasks)))]
        assert sum(parts) * len(Measure) * stage.judged == pytest.approx(FALSE_ALARMS)


def test_more_is_needed_at_smaller_shares_and_for_smaller_parts():
    """The units needed fall from 1 % to 50 %, and a task's guard, which has less of the 5 %, needs more than the whole."""
    arms = pair(Measure.FAILED)
    needs = [
        verdict(Measure.FAILED, "", arms, SHIPPED, replace(HALF, percent=p)).needed_units
        for p in (1, 5, 25, 50)
    ]
    assert needs == sorted(needs, reverse=True)
    assert verdict(Measure.FAILED, "code", arms, SHIPPED, HALF).needed_units > needs[-1]


def test_the_fewest_units_of_a_stage():
    """20 on the smaller arm: what `sticky: key` is refused below. At 100 % there is no smaller arm."""
    assert [fewest_units(p) for p in (1, 5, 25, 50, 75, 100)] == [2000, 400, 80, 40, 80, 1]


def test_a_bound_above_what_must_be_caught_still_has_a_size_to_look_for():
    """An operator who allows 10 % more failures is told what it takes to see 20 %."""
    lax = replace(SHIPPED, failed=0.10, cost=2.0)
    for measure in (Measure.FAILED, Measure.COST):
        found = verdict(measure, "", pair(measure), lax, HALF)
        assert found.needed_units > 0
        assert contrast(measure, pair(measure), lax).excess < 0
