"""The line that chance must not cross, on the process it was made for."""

import math
import random

import pytest

from proxy.migration.sequence import (
    critical,
    information_needed,
    log_evidence,
    normal_of,
    student_of,
)
from tests.migration.crowd import interval

ALPHAS = (0.2, 0.05, 0.002, 0.00016)


@pytest.mark.parametrize("df", [1.5, 4, 20, 1000])
def test_the_normal_and_student_scales_are_inverses(df):
    """To the normal scale and back is where one was, on both sides of 0."""
    for t in (-7.0, -0.3, 0.0, 1.0, 6.0, 40.0):
        assert student_of(normal_of(t, df), df) == pytest.approx(t, abs=1e-9)
    assert student_of(60.0, 1.5) == math.inf


@pytest.mark.parametrize(
    ("df", "t", "tail"), [(10, 2.764, 0.01), (10, 4.144, 0.001), (20, 3.552, 0.001), (60, 3.232, 0.001)]
)
def test_the_normal_scale_has_students_tail(df, t, tail):
    """Against the printed table of Student's t: the tail is right to 4 %."""
    assert math.erfc(normal_of(t, df) / math.sqrt(2)) / 2 == pytest.approx(tail, rel=0.04)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("precision", [0.001, 0.3, 1, 25, 1e6])
def test_the_critical_deviate_is_where_the_evidence_is_enough(alpha, precision):
    """Bounds and evidence are one rule: E is 1/alpha exactly there, less below, more above."""
    z = critical(alpha, precision)
    at = log_evidence(z, 1e13, precision)
    assert at == pytest.approx(-math.log(alpha), abs=1e-4)
    assert log_evidence(z * 0.99, 1e9, precision) < at < log_evidence(z * 1.01, 1e9, precision)


def test_the_mixture_is_the_integral_it_stands_for():
    """The closed form equals the mean over sizes r of the half-normal mixture of exp(aS - a²I/2), by the trapezium rule."""
    steps = 20_000
    for score, information, smallest in ((3.0, 4.0, 0.7), (-2.0, 9.0, 0.5), (40.0, 100.0, 0.2)):
        mean = 0.0
        for r in (smallest, 4 * smallest, 16 * smallest):
            width = 10 * r / steps
            for i in range(steps):
                a = (i + 0.5) * width
                density = 2 / (math.sqrt(2 * math.pi) * r) * math.exp(-a * a / (2 * r * r))
                mean += density * math.exp(a * score - a * a * information / 2) * width / 3
        closed = log_evidence(score / math.sqrt(information), 1e13, information * smallest * smallest)
        assert closed == pytest.approx(math.log(mean), abs=1e-3)


def test_evidence_far_below_the_bound_is_finite_and_smooth():
    """Where the normal tail underflows its leading term takes over, without a step."""
    assert log_evidence(-60.0, 1e9, 1e9) < log_evidence(-8.1, 1e9, 1e9) < log_evidence(-7.9, 1e9, 1e9) < 0


def walks(alpha, r, drift, information, looks, count, seed):
    """Gaussian walks: how many were called at any of their looks, which are evenly spaced up to so much information."""
    draw, called, step = random.Random(seed), 0, information / looks
    for _ in range(count):
        score = 0.0
        for look in range(1, looks + 1):
            score += draw.gauss(drift * step, math.sqrt(step))
            z = score / math.sqrt(look * step)
            if z > 1 and log_evidence(z, 1e9, look * step * r * r) > -math.log(alpha):
                called += 1
                break
    return called


def test_chance_crosses_the_line_no_more_often_than_it_may():
    """400 walks without drift, watched at 300 looks, at the 20 % level: at most 20 %, but not next to never either."""
    low, high = interval(
        walks(alpha=0.2, r=0.2, drift=0.0, information=400, looks=300, count=400, seed=3), 400
    )
    assert low < 0.2
    assert high > 0.05


@pytest.mark.parametrize("alpha", [0.05, 0.002])
def test_the_information_needed_finds_four_of_five(alpha):
    """Walks with a drift are found by the planned information in 80 % of cases (more: crossing sooner counts too, and 250 are few)."""
    found = walks(alpha, 0.2, 0.2, information_needed(alpha) / 0.2**2, looks=60, count=250, seed=4)
    assert 0.73 < found / 250 < 0.93


def test_what_is_far_worse_is_found_far_sooner():
    """An excess ten times the size looked for is found with less than a tenth of the information that size takes."""
    deviate = critical(0.002, 1.0)
    assert deviate < 0.1 * 10 * math.sqrt(information_needed(0.002))
    assert deviate < 5


def test_what_is_needed_grows_with_certainty():
    """The smaller the part of the false alarms, the more information it takes."""
    needs = [information_needed(alpha) for alpha in ALPHAS]
    assert needs == sorted(needs)
