"""How far one arm is past what it may do compared with the other, and how sure that is. From sums over units only.

The mean per call of an arm is a ratio of sums, R = sum y / sum n; its variance is that of the units' residuals y - R n (linearised,
clustered by unit), so a user's thousand alike calls count as one user. Three things keep small or lucky samples honest:

* Units are counted as if they were equal (Kish: (sum n)² / sum n²). One that sends most of the calls makes them few.
* An arm's spread is never taken as less than that of both arms pooled: of 30 units with no error yet, it is not known that they make none.
* Nor less than what single calls would have, with one failed and one good call added, or with costs that vary by a tenth.
"""

import math
from dataclasses import dataclass

from proxy.migration.guards import Arms, ArmTotals, Bounds, Measure


@dataclass(frozen=True, slots=True)
class Contrast:
    """`excess` as in GuardVerdict, but for cost the logarithm of one plus that; its variance, and the degrees of freedom of that.
    `old_spread`, `new_spread`: what one (equal) unit of an arm adds to the variance, before it is divided by their number. `rate`:
    the share on both arms, smoothed."""

    measure: Measure
    excess: float
    variance: float
    df: float
    old_spread: float
    new_spread: float
    rate: float

    def spreads_at(self, excess: float, weight: float) -> tuple[float, float]:
        """Old and new spread if the new arm were so far past its bound, for planning. `weight` is what a unit weighs there.

        Costs spread on the scale of logarithms, where a multiple changes nothing. Failures more than today's are taken to strike calls at
        random (a model that answers 500); late first tokens to follow who is slow already, so that all of the spread grows as p (1 - p)
        does.
        """
        if self.measure is Measure.COST:
            return self.old_spread, self.new_spread
        risen = min(self.rate + max(excess - self.excess, 0.0), 0.5)
        before, after = self.rate * (1 - self.rate), risen * (1 - risen)
        if after <= before:
            return self.old_spread, self.new_spread
        if self.measure is Measure.SLOW:
            return self.old_spread, self.new_spread * after / before
        return self.old_spread, self.new_spread + (after - before) / weight


def equal_units(arm: ArmTotals) -> float:
    """How many units of one size would tell as much."""
    return arm.n * arm.n / arm.nn if arm.nn else 0.0


def contrast(measure: Measure, arms: Arms, bounds: Bounds) -> Contrast | None:
    """The comparison; None while either arm has fewer than two (equal) units, or the old one costs nothing."""
    old, new = arms
    old_units, new_units = equal_units(old), equal_units(new)
    if old_units <= 1 + 1e-9 or new_units <= 1 + 1e-9:
        return None
    old_mean, new_mean = old.y / old.n, new.y / new.n
    if measure is Measure.COST:
        allowed = bounds.cost * bounds.planned_ratio * old_mean
        if allowed <= 0:
            return None
        old_scale, new_scale = 1 / old_mean, 1 / new_mean if new_mean > 0 else 0.0
        excess, single, rate = math.log(max(new_mean / allowed, 1e-6)), 0.01, 0.0
    else:
        old_scale = new_scale = 1.0
        rate = (old.y + new.y + 1) / (old.n + new.n + 2)
        bound = bounds.failed if measure is Measure.FAILED else bounds.slow
        excess, single = new_mean - old_mean - bound, rate * (1 - rate)
    old_own = _spread(old, old_mean, old_units) * old_scale * old_scale
    new_own = _spread(new, new_mean, new_units) * new_scale * new_scale
    pooled = ((old_units - 1) * old_own + (new_units - 1) * new_own) / (old_units + new_units - 2)
    old_spread = max(old_own, pooled, single * old_units / old.n)
    new_spread = max(new_own, pooled, single * new_units / new.n)
    a, b = old_spread / old_units, new_spread / new_units
    df = (a + b) ** 2 / (a * a / (old_units - 1) + b * b / (new_units - 1))
    return Contrast(measure, excess, a + b, df, old_spread, new_spread, rate)


def _spread(arm: ArmTotals, mean: float, units: float) -> float:
    """Variance of the mean times `units`: the spread of the units' residuals, with Bessel's correction for equal units."""
    residuals = max(arm.yy - 2 * mean * arm.ny + mean * mean * arm.nn, 0.0)
    return residuals / (arm.n * arm.n) * units * units / (units - 1)


def standing(found: Contrast) -> float:
    """Standard errors above the bound."""
    return found.excess / math.sqrt(found.variance)
