"""Comparing two arms from sums over units."""

import math
import random

import pytest

from proxy.migration.contrast import contrast, equal_units, standing
from proxy.migration.guards import Arms, ArmTotals, Measure
from tests.migration.crowd import ON_THE_BOUND, SHIPPED


def arm(rows):
    totals = ArmTotals()
    for n, y in rows:
        totals = totals.moved(0, 0, n, y)
    return totals


def users(draw, count, *shares):
    """Users with 1 to 6 calls, each of whom fails one of the shares of them."""
    sizes = [(draw.randint(1, 6), draw.choice(shares)) for _ in range(count)]
    return [(n, sum(draw.random() < share for _ in range(n))) for n, share in sizes]


def test_the_variance_is_that_of_repetitions():
    """300 crowds whose users differ (some fail all, most nothing): the stated variance is what the estimates spread by; counted per
    call it would be a third of it."""
    draw, excesses, stated, per_call = random.Random(2), [], [], []
    for _ in range(300):
        sides = [arm(users(draw, 60, 0.0, 0.0, 0.0, 1.0)) for _ in "ab"]
        found = contrast(Measure.FAILED, Arms(*sides), ON_THE_BOUND)
        excesses.append(found.excess)
        stated.append(found.variance)
        per_call.append(sum(found.rate * (1 - found.rate) / side.calls for side in sides))
    true = sum(x * x for x in excesses) / len(excesses)
    assert sum(stated) / len(stated) == pytest.approx(true, rel=0.15)
    assert sum(per_call) / len(per_call) < true / 2.5


def test_swapped_arms_are_as_far_apart_the_other_way():
    """Without a bound old and new are alike: the excess changes its sign, its variance stays."""
    draw = random.Random(5)
    old, new = arm(users(draw, 80, 0.1)), arm(users(draw, 40, 0.2))
    one = contrast(Measure.FAILED, Arms(old, new), ON_THE_BOUND)
    other = contrast(Measure.FAILED, Arms(new, old), ON_THE_BOUND)
    assert one.excess == -other.excess
    assert one.variance == pytest.approx(other.variance)


def test_a_thousand_alike_calls_of_a_user_are_one_user():
    """Repeating each user's calls tells no more about other users."""
    rows = [(10, 10 * (i % 10 == 0)) for i in range(60)]
    once = contrast(Measure.FAILED, Arms(arm(rows), arm(rows)), ON_THE_BOUND)
    often = contrast(
        Measure.FAILED, Arms(*(arm([(n * 1000, y * 1000) for n, y in rows]) for _ in "ab")), ON_THE_BOUND
    )
    assert often.variance == pytest.approx(once.variance)


def test_no_event_yet_is_not_certainty():
    """An arm without an error so far keeps the spread of the other one; two such arms that of one error."""
    draw = random.Random(6)
    clean, dirty = arm([(5, 0)] * 30), arm(users(draw, 300, 0.05))
    lucky = contrast(Measure.FAILED, Arms(clean, dirty), SHIPPED)
    assert 0.8 * lucky.new_spread < lucky.old_spread < lucky.new_spread
    both = contrast(Measure.FAILED, Arms(clean, clean), SHIPPED)
    assert both.variance > 0
    assert both.excess == -0.01


def test_equal_costs_are_not_certainty_either():
    """With every call at one price a call counts as varying by a tenth; costs on the plan are below the bound by the bound's factor."""
    old, new = arm([(4, 400.0)] * 50), arm([(4, 200.0)] * 50)
    found = contrast(Measure.COST, Arms(old, new), SHIPPED)
    assert found.excess == pytest.approx(-math.log(1.2))
    assert found.variance >= 0.01 / 200


def test_cost_does_not_depend_on_the_currency():
    """Scaling all costs changes no conclusion."""
    draw = random.Random(7)
    rows = [[(n := draw.randint(1, 9), n * draw.lognormvariate(0, 1)) for _ in range(40)] for _ in "ab"]
    small = contrast(Measure.COST, Arms(*map(arm, rows)), SHIPPED)
    large = contrast(Measure.COST, Arms(*(arm([(n, y * 1e9) for n, y in side]) for side in rows)), SHIPPED)
    assert standing(small) == pytest.approx(standing(large))
    assert small.df == pytest.approx(large.df)


def test_nothing_to_compare_is_no_comparison():
    """Empty arms, a single unit, an old arm that costs nothing."""
    some, one = arm([(3, 1)] * 20), arm([(30, 3)])
    assert contrast(Measure.FAILED, Arms(ArmTotals(), some), SHIPPED) is None
    assert contrast(Measure.FAILED, Arms(some, ArmTotals()), SHIPPED) is None
    assert contrast(Measure.FAILED, Arms(some, one), SHIPPED) is None
    assert contrast(Measure.COST, Arms(arm([(3, 0)] * 20), some), SHIPPED) is None


def test_units_of_one_size_count_fully_and_uneven_ones_less():
    """Ten users who send as much are ten; a user who sends a hundred times less than another hardly counts as a second one."""
    assert equal_units(arm([(7, 0)] * 10)) == pytest.approx(10)
    assert equal_units(arm([(1, 0), (1000, 0)])) == pytest.approx(1.198, abs=0.01)


def test_the_fault_it_is_planned_for_spreads_wider():
    """Planned spreads: a multiple of costs spreads alike, failures add what random calls add, late tokens multiply, and no
    improvement is planned with."""
    draw = random.Random(8)
    arms = Arms(*(arm(users(draw, 100, 0.1)) for _ in "ab"))
    cost = contrast(Measure.COST, arms, ON_THE_BOUND)
    assert cost.spreads_at(cost.excess + 1, 3) == (cost.old_spread, cost.new_spread)
    for measure in (Measure.FAILED, Measure.SLOW):
        found = contrast(measure, arms, ON_THE_BOUND)
        assert found.spreads_at(found.excess - 0.1, 3) == (found.old_spread, found.new_spread)
        before, after = found.rate * (1 - found.rate), (found.rate + 0.1) * (0.9 - found.rate)
        old, new = found.spreads_at(found.excess + 0.1, 4)
        assert old == found.old_spread
        if measure is Measure.FAILED:
            assert new == pytest.approx(found.new_spread + (after - before) / 4)
        else:
            assert new == pytest.approx(found.new_spread * after / before)


def test_a_new_model_that_costs_nothing_is_far_below_its_bound():
    """No logarithm of nothing."""
    found = contrast(Measure.COST, Arms(arm([(3, 30)] * 20), arm([(3, 0)] * 20)), SHIPPED)
    assert found.excess < -10
    assert found.variance > 0
