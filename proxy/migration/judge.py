"""Whether a stage of a migration must be rolled back, and whether the next one may begin.

One guard is one measure for one task, or for all of them. The 5 % of false alarms of a whole migration are shared out beforehand, so
that they hold whatever depends on what (Bonferroni): evenly over the stages below 100 %, half of a stage's to the three guards over all
traffic, half to the three of each task. At 100 % there is nobody left to compare with, and nobody asks the old model any more.
"""

import math
from typing import Final

from proxy.migration.contrast import Contrast, contrast, equal_units, standing
from proxy.migration.guards import Arms, ArmTotals, Bounds, GuardVerdict, Judgement, Measure, Stage, Totals
from proxy.migration.sequence import FOUR_OF_FIVE, critical, information_needed, log_evidence, student_of

FALSE_ALARMS: Final = 0.05
FEWEST_UNITS: Final = (
    10  # (equal) units on each arm before a guard says anything; t takes care of how few they are
)
FEWEST_CALLS: Final = 50
READY_UNITS: Final = 20
READY_CALLS: Final = 200
QUIET_S: Final = 600.0
EVERYBODY: Final = 100
TOO_SICK: Final = 0.10  # share of the old arm's own calls that fail: in an outage nothing is proved fit
NEAR_IN_TASK: Final = 2.5  # there are so many that by chance one always stands out a little
EFFECTS: Final = {Measure.FAILED: 0.03, Measure.SLOW: 0.20, Measure.COST: 1.4}
"""What a guard must catch: failed and slow, the rise of the share (first tokens twice as late make 20 % more of them slower than the
old p95, and more if latency varies little); cost, the ratio to plan."""


def judge(totals: Totals, bounds: Bounds, stage: Stage) -> Judgement:
    """The verdict on one stage from what both arms did in it. Pure, O(1) per guard, to be asked as often as one likes: the
    bounds hold at all looks together."""
    verdicts = tuple(
        verdict(measure, task, arms, bounds, stage)
        for (measure, task), arms in sorted(totals.items())
        if arms.old.calls or arms.new.calls
    )
    breaches = tuple(each for each in verdicts if each.breached)
    if breaches:
        return Judgement(breaches, ready=False, why="; ".join(map(told, breaches)), verdicts=verdicts)
    objection = _objection({(v.measure, v.task): v for v in verdicts}, bounds, stage)
    return Judgement(
        (), ready=not objection, why=objection or "every guard is within its bound", verdicts=verdicts
    )


def verdict(measure: Measure, task: str, arms: Arms, bounds: Bounds, stage: Stage) -> GuardVerdict:
    """What one guard says."""
    old, new = arms
    found = contrast(measure, arms, bounds) if enough(arms) else None
    excess, low, high, needed = 0.0, -math.inf, math.inf, 0
    if found is not None:
        alpha, size = part_of_alarms(task, stage), sought(measure, bounds)
        deviate = student_of(critical(alpha, size * size / found.variance), found.df)
        margin = deviate * math.sqrt(found.variance)
        excess, low, high = found.excess, found.excess - margin, found.excess + margin
        needed = _needed_units(information_needed(alpha), size, found, arms, stage.percent)
    return GuardVerdict(
        measure=measure,
        task=task,
        old=old.y / old.n if old.n else 0.0,
        new=new.y / new.n if new.n else 0.0,
        excess=_plain(measure, excess),
        low=_plain(measure, low),
        high=_plain(measure, high),
        breached=low > 0,
        near=found is not None and standing(found) > (NEAR_IN_TASK if task else FOUR_OF_FIVE),
        judged=found is not None,
        units=(old.units, new.units),
        calls=(old.calls, new.calls),
        needed_units=needed,
        needed_calls=math.ceil(needed * (old.calls + new.calls) / (old.units + new.units)) if needed else 0,
    )


def _plain(measure: Measure, excess: float) -> float:
    """Costs from the scale of logarithms to that of ratios."""
    return math.expm1(min(excess, 700.0)) if measure is Measure.COST else excess


def alarms(measure: Measure, task: str, arms: Arms, bounds: Bounds, stage: Stage) -> bool:
    """Whether one guard is breached, by the evidence itself: the same answer as its `verdict`, without the bounds."""
    if not enough(arms):
        return False
    found = contrast(measure, arms, bounds)
    if found is None or found.excess <= 0:
        return False
    precision = sought(measure, bounds) ** 2 / found.variance
    return log_evidence(standing(found), found.df, precision) > -math.log(part_of_alarms(task, stage))


def enough(arms: Arms) -> bool:
    """Whether both arms have what a guard needs to say anything."""
    return all(arm.calls >= FEWEST_CALLS and equal_units(arm) >= FEWEST_UNITS for arm in arms)


def part_of_alarms(task: str, stage: Stage) -> float:
    """What a guard may use up of the 5 %."""
    share = FALSE_ALARMS / max(stage.judged, 1) / 2 / len(Measure)
    return share / max(stage.tasks, 1) if task else share


def sought(measure: Measure, bounds: Bounds) -> float:
    """The excess a guard is tuned to find: what it must catch less what is allowed, or as much again when more is allowed."""
    if measure is Measure.COST:
        return max(math.log(EFFECTS[measure] / bounds.cost), 0.1)
    bound = bounds.failed if measure is Measure.FAILED else bounds.slow
    return max(EFFECTS[measure] - bound, bound, 0.005)


def fewest_units(percent: int) -> int:
    """Units (users, conversations, keys) there must be for the smaller arm of a stage to be judged: `sticky: key` is refused below."""
    smaller = min(percent, 100 - percent)
    return math.ceil(100 * READY_UNITS / smaller) if smaller > 0 else 1


def told(guard: GuardVerdict) -> str:
    """A guard in words."""
    task = f" ({guard.task})" if guard.task else ""
    if guard.measure is Measure.COST:
        figures = f"{guard.old / 1e9:.6f} -> {guard.new / 1e9:.6f} USD a call, {guard.excess:+.0%} against its bound"
    else:
        figures = f"{guard.old:.2%} -> {guard.new:.2%}, {100 * guard.excess:+.2f} points against its bound"
    return f"{guard.measure.value}{task}: {figures}, {guard.calls[1]} calls of {guard.units[1]} units on the new model"


def _needed_units(information: float, size: float, found: Contrast, arms: Arms, percent: int) -> int:
    """Units on both arms for which a fault of this size has been found in 4 of 5 cases. The second term is what Student's t asks
    for on the smaller arm when the first is small."""
    share = min(max(percent, 1), 99) / 100
    old, new = found.spreads_at(size, arms.new.n / equal_units(arms.new))
    spread = _per_unit(new, arms.new) / share + _per_unit(old, arms.old) / (1 - share)
    few = _per_unit(information / 2, arms.new) / min(share, 1 - share)
    return math.ceil(information * spread / size**2 + few)


def _per_unit(spread: float, arm: ArmTotals) -> float:
    """From equal units to the units there are, of which more are needed."""
    return spread * arm.units / equal_units(arm)


def _objection(guards: dict[tuple[Measure, str], GuardVerdict], bounds: Bounds, stage: Stage) -> str:
    """Why the next stage must wait; empty when nothing speaks against it."""
    if silence := _silence(stage):
        return silence
    failed = guards.get((Measure.FAILED, ""))
    if failed is None:
        return "nothing has been measured yet"
    if stage.percent == EVERYBODY:
        return _alone(failed)
    if failed.old > TOO_SICK:
        return f"{failed.old:.0%} of the calls fail on the old model too: nothing is proved fit in an outage"
    for measure in Measure:
        found = guards.get((measure, ""))
        if measure is Measure.SLOW and found is None:
            continue  # nobody streams: no gap
        if measure is Measure.COST and not bounds.planned_ratio:
            continue  # the plan is that the new model costs nothing: no multiple of that is too much
        if measure is Measure.COST and found is not None and found.calls[0] and not found.old:
            continue  # nor is anything a multiple of what an old model costs that is free
        if (
            found is None
            or not found.judged
            or min(found.units) < READY_UNITS
            or min(found.calls) < READY_CALLS
        ):
            return _too_few(measure, found)
    near = [guard for guard in guards.values() if guard.near]
    return f"too close to its bound: {'; '.join(map(told, near))}" if near else ""


def _silence(stage: Stage) -> str:
    """Missing data promotes nobody: each side that is asked in this share must have been heard of lately."""
    sides = ("new",) if stage.percent == EVERYBODY else ("old", "new")
    unheard = [side for side in sides if side not in stage.quiet_s]
    if unheard:
        return f"the {unheard[-1]} model has not been called in this share yet"
    side = max(sides, key=lambda each: stage.quiet_s[each])
    if stage.quiet_s[side] <= QUIET_S:
        return ""
    return (
        f"the {side} model was last called {stage.quiet_s[side]:.0f} s ago, and {QUIET_S:.0f} s is the most"
    )


def _alone(failed: GuardVerdict) -> str:
    """Why the new model, which now has all the calls, is not left alone yet."""
    if failed.new > TOO_SICK:
        return f"{failed.new:.0%} of the new model's calls fail: nothing is proved fit in an outage"
    few = failed.calls[1] < READY_CALLS
    return f"{failed.calls[1]} of {READY_CALLS} calls on the new model" if few else ""


def _too_few(measure: Measure, found: GuardVerdict | None) -> str:
    units, calls = (min(found.units), min(found.calls)) if found else (0, 0)
    uneven = (
        ", of which too few send most of the calls" if units >= READY_UNITS and calls >= READY_CALLS else ""
    )
    return f"{measure.value}: {units} units and {calls} calls on the smaller arm{uneven}; it takes {READY_UNITS} and {READY_CALLS}"
