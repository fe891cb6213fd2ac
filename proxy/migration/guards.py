"""The records that cross between what is measured, what is judged, and who acts on it. See judge.py for the verdict.

Theory of operation. A unit (user, conversation or key) is put on an arm by hash; its calls are correlated, some units send a
thousand times more than others, and what a unit contributes grows while we look. So nothing is ever counted per call: a
measure of an arm is a few sums over *units* (`ArmTotals`), each kept up to date by what one unit changed (`moved`), and the
spread between units says how sure we are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple


class Measure(StrEnum):
    """What is compared. `n` is a unit's calls on which the measure was taken, `y` the sum of it over those calls.

    FAILED: 1 for an error of the upstream or a bad answer (empty, invalid JSON or schema, invalid tool call), else 0. Every
    finished call that was looked at counts (a share of them may be). What the caller did (its own 4xx, its leaving) is not counted at all.
    SLOW: 1 when the first token came later than the old model's p95, a threshold frozen at the start of the stage and the same
    for both arms, else 0. Only calls that got a first token.
    COST: nano-dollars of a call, capped at the old model's dearest hundredth. Only calls that were billed.

    Counted on neither arm: pinned and excluded keys (not assigned by hash, so no fair comparison), fallbacks, and a tool
    loop finished on the side where it began after its unit had moved.
    """

    FAILED = "failed"
    SLOW = "slow"
    COST = "cost"


CAP_MEANS: Final = 20
"""A call counts for at most so many mean costs: one that runs wild is not what a model costs."""

MOST_WEIGHT: Final = 10
"""Calls a unit weighs as at most. A unit that has sent more counts with the mean over all of its calls, at this weight: what one
user sends beyond it says ever less about the others, and a few busy ones would otherwise be all there is to see."""


def weighed(n: int, y: float) -> tuple[float, float]:
    """What a unit with `n` calls that sum up to `y` adds to the sums over units."""
    return (n, y) if n <= MOST_WEIGHT else (MOST_WEIGHT, y * MOST_WEIGHT / n)


@dataclass(frozen=True, slots=True)
class ArmTotals:
    """Sufficient statistics of one measure on one arm within one stage: how many units and calls there were, and sums over
    the units of what each is `weighed` as: n, y, n², n y, y². Floats: a relative error of 1e-12 does not matter."""

    units: int = 0
    calls: int = 0
    n: float = 0
    y: float = 0
    nn: float = 0
    ny: float = 0
    yy: float = 0

    def moved(self, n: int, y: float, more_n: int, more_y: float) -> "ArmTotals":
        """After a unit that had sent `n` calls with the sum `y` sent `more_n` and `more_y`; (0, 0) is one not seen before."""
        was_n, was_y = weighed(n, y)
        now_n, now_y = weighed(n + more_n, y + more_y)
        return ArmTotals(
            units=self.units + (n == 0 and more_n > 0),
            calls=self.calls + more_n,
            n=self.n + now_n - was_n,
            y=self.y + now_y - was_y,
            nn=self.nn + now_n * now_n - was_n * was_n,
            ny=self.ny + now_n * now_y - was_n * was_y,
            yy=self.yy + now_y * now_y - was_y * was_y,
        )


class Arms(NamedTuple):
    """One measure on both arms, measured over the same stretch of time."""

    old: ArmTotals
    new: ArmTotals


# Task "" is all calls together, whatever their task; a pair with nothing in it may as well be left out.
Totals = Mapping[tuple[Measure, str], Arms]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the new arm may do. `failed` and `slow`: most the share may rise (0.01 is one call in a hundred). `cost`: most
    the mean cost of a call on the new arm may be, as a multiple of `planned_ratio` times that on the old arm."""

    failed: float
    slow: float
    cost: float
    planned_ratio: float


def cost_caps(mean_nano: float, bounds: Bounds) -> tuple[int, int]:
    """Most that one call counts for on the old and the new arm, from the old model's mean cost per call, frozen at the start
    of the stage. Both are the same call: on the bound, the new arm's capped costs are the old one's times a constant."""
    old = CAP_MEANS * mean_nano
    return round(old), round(old * bounds.planned_ratio * bounds.cost)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the migration stands. `percent` on the new arm now; `judged` stages of its plan are below 100; `tasks` that
    traffic is told apart into (all share the 5 % of false alarms); `quiet_s` since each side's last observation, where a side that
    never spoke is missing: which of them must have spoken is for the judge to say."""

    percent: int
    judged: int
    tasks: int
    quiet_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """What one measure says for one task (or "" for all).

    `old`, `new`: share of calls, or mean nano-dollars per call, units weighed. `excess`: how far the new arm is past its bound, negative
    within it: for shares new - old - bound, for cost new / (bound * planned ratio * old) - 1. `low`, `high`: the excess lies above
    `low`, and above `high` it does not lie, each at this guard's part of the 5 %, at all looks together. `breached`: low > 0.
    `near`: too close to promote. `judged`: enough units and calls on both arms to say anything. `needed_units`: units on both
    arms together for which a fault of the size it must catch (EFFECTS in judge.py) has been caught in 4 of 5 cases, at this
    stage's share and the spread seen so far; `needed_calls` what these units send of the calls it counts; 0 while not judged.
    """

    measure: Measure
    task: str
    old: float
    new: float
    excess: float
    low: float
    high: float
    breached: bool
    near: bool
    judged: bool
    units: tuple[int, int]
    calls: tuple[int, int]
    needed_units: int
    needed_calls: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """`breaches`: why to roll back (empty: do not). `ready`: nothing speaks against the next stage, were its time come.
    `why`: one sentence for the log and the audit line. `verdicts`: every guard, for the report and the console."""

    breaches: tuple[GuardVerdict, ...]
    ready: bool
    why: str
    verdicts: tuple[GuardVerdict, ...]
